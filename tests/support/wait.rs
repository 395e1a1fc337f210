//! Waiting for a state with a deadline, markers that are unique, ports that are free.
//!
//! This is the only place of the tests that sleeps: everything else waits for something it can see.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until `look` answers `Some`, and fails with `what` after `limit`.
///
/// `what` names the state that is waited for, as in "the daemon is ready". A look that itself takes
/// longer than the limit is cut off.
pub(crate) async fn eventually<T>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    let started = Instant::now();
    let looking = async {
        let mut looks = 0_u64;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            looks += 1;
            tokio::time::sleep(PAUSE.min(Duration::from_millis(looks))).await;
        }
    };
    match tokio::time::timeout(limit, looking).await {
        Ok(found) => Ok(found),
        Err(_) => bail!("not seen within {limit:?}: {what} (waited {:?})", started.elapsed()),
    }
}

/// The same for code that has no runtime, such as a handler of `Drop`.
pub(crate) fn eventually_blocking<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if started.elapsed() >= limit {
            bail!("not seen within {limit:?}: {what}");
        }
        std::thread::sleep(PAUSE);
    }
}

/// Asserts that something stays away: `look` is asked for the whole of `span`, and `Some` fails.
pub(crate) async fn never<T: std::fmt::Debug>(
    span: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < span {
        if let Some(found) = look().await {
            bail!("seen after {:?}: {what}: {found:?}", started.elapsed());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

fn canaries_made() -> &'static Mutex<Vec<String>> {
    static MADE: OnceLock<Mutex<Vec<String>>> = OnceLock::new();
    MADE.get_or_init(Mutex::default)
}

/// Makes a marker that occurs nowhere else, to be used as a secret value and searched for later.
pub(crate) fn canary() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let marker = format!("kwCanary{:x}x{nanos:x}x{next:x}", std::process::id());
    canaries_made().lock().unwrap_or_else(PoisonError::into_inner).push(marker.clone());
    marker
}

/// Every marker made so far, for a scan of logs and files.
pub(crate) fn canaries() -> Vec<String> {
    canaries_made().lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A TCP port of the loopback that nobody listens on, and that this process does not name twice.
pub(crate) fn free_port() -> Result<u16> {
    static NAMED: OnceLock<Mutex<HashSet<u16>>> = OnceLock::new();
    let named = NAMED.get_or_init(Mutex::default);
    for _ in 0..64 {
        let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("bind a port of the loopback")?;
        let port = probe.local_addr().context("read the port")?.port();
        if named.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return Ok(port);
        }
    }
    bail!("the system names only ports that were already given away")
}

mod tests {
    use super::*;

    #[tokio::test]
    async fn a_state_that_comes_is_returned() -> Result<()> {
        let mut looks = 0;
        let seen = eventually(Duration::from_secs(5), "the third look", async || {
            looks += 1;
            (looks == 3).then_some(looks)
        })
        .await?;
        assert_eq!(seen, 3);
        Ok(())
    }

    #[tokio::test]
    async fn a_state_that_never_comes_is_named_in_the_error() {
        let error = eventually(Duration::from_millis(30), "a blue moon", async || None::<()>)
            .await
            .expect_err("nothing answers");
        assert!(error.to_string().contains("a blue moon"), "{error}");
    }

    #[tokio::test]
    async fn a_look_that_hangs_is_cut_off_at_the_limit() {
        let hung =
            eventually(Duration::from_millis(30), "an answer", async || std::future::pending::<Option<()>>().await);
        assert!(hung.await.is_err());
    }

    #[tokio::test]
    async fn what_should_stay_away_is_reported_when_it_comes() {
        let came = never(Duration::from_millis(50), "a visitor", async || Some("Bob")).await;
        assert!(came.expect_err("it came").to_string().contains("Bob"));
    }

    #[test]
    fn two_canaries_differ_and_both_are_remembered() {
        let (first, second) = (canary(), canary());
        assert_ne!(first, second);
        let known = canaries();
        assert!(known.contains(&first) && known.contains(&second));
    }

    #[test]
    fn a_free_port_can_be_bound_and_is_not_named_twice() -> Result<()> {
        let (first, second) = (free_port()?, free_port()?);
        assert_ne!(first, second);
        TcpListener::bind((Ipv4Addr::LOCALHOST, first))?;
        Ok(())
    }
}
