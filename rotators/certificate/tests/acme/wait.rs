//! Waiting for a state with a deadline, and ports that are free.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Looks until `look` answers `Some`, and panics with `what` after 20 seconds.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "not seen within 20 s: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A port that was free a moment ago and that is named to nobody else in this process.
pub(crate) fn free_port() -> u16 {
    static NAMED: OnceLock<Mutex<HashSet<u16>>> = OnceLock::new();
    let named = NAMED.get_or_init(Mutex::default);
    for _ in 0..64 {
        let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a port of the loopback");
        let port = probe.local_addr().expect("a bound port").port();
        if named.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return port;
        }
    }
    panic!("the system names only ports that were already given away")
}

pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

pub(crate) fn is_listening(port: u16) -> bool {
    TcpStream::connect_timeout(&local(port), Duration::from_millis(200)).is_ok()
}
