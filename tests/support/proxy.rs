//! A TCP proxy that misbehaves on demand, in front of any server.
//!
//! It works on bytes and knows no protocol. The mode may change while connections live. What it did
//! stands in [`Counts`]; a test that injects a fault reads them, or proves nothing.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

mod line;
mod tests;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

/// Which bytes a cut counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Those of each connection, from its first byte.
    PerConnection,
    /// Those of all connections together, since the mode was set.
    Overall,
    /// Those of a connection after it sent this text: towards the server from its first byte on,
    /// towards the client from the first byte that follows it.
    SinceRequest(Vec<u8>),
}

/// How the proxy behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Like a wire.
    Pass,
    /// The port is closed.
    Refuse,
    /// Accepts, and holds every byte of every connection until the mode changes.
    Freeze,
    /// Lets `bytes` bytes of one direction through, then closes both sides.
    Cut { direction: Direction, bytes: u64, counted: Counted },
    /// Once a request contained `after`, lets `let_through` pieces of the answer pass, swallows the
    /// next one, and closes both sides: the server has done it and the client never hears so.
    DropResponse { after: Vec<u8>, let_through: u32 },
    /// Every piece waits this long.
    Delay { per_chunk: Duration },
    /// Holds the bytes of one direction until the mode changes.
    Partition { direction: Direction },
}

/// What was done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) connections: u64,
    /// Times that the port was closed.
    pub(crate) refusals: u64,
    /// Connections that were cut.
    pub(crate) cuts: u64,
    /// Answers that were swallowed.
    pub(crate) dropped: u64,
    /// Pieces that waited.
    pub(crate) delayed: u64,
    /// Times that bytes or a new connection were held.
    pub(crate) held: u64,
}

/// What went over one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exchange {
    pub(crate) to_server: Vec<u8>,
    pub(crate) to_client: Vec<u8>,
    /// The pieces in their order, as they were passed on.
    pub(crate) pieces: Vec<(Direction, usize)>,
}

/// The mode, and whether it ends with its first effect.
#[derive(Debug, Clone)]
struct Stance {
    mode: Mode,
    is_once: bool,
    /// Grows with each change, so that what was counted under an older mode is told apart.
    generation: u64,
}

#[derive(Debug)]
struct Shared {
    upstream: Mutex<SocketAddr>,
    stance: watch::Sender<Stance>,
    /// Whether the port is open; the accepting task says so.
    is_open: watch::Sender<bool>,
    /// Grows when all connections shall end.
    hang_ups: watch::Sender<u64>,
    /// Bytes since the mode was set, towards the server and towards the client.
    overall: [AtomicU64; 2],
    counts: Mutex<Counts>,
    exchanges: Mutex<Option<BTreeMap<u64, Exchange>>>,
}

impl Shared {
    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn set(&self, mode: Mode, is_once: bool) {
        for count in &self.overall {
            count.store(0, Ordering::SeqCst);
        }
        self.stance.send_modify(|stance| {
            *stance = Stance { mode, is_once, generation: stance.generation + 1 };
        });
    }

    /// Called at the first effect of a mode; a mode set once ends here.
    fn had_effect(&self, generation: u64) {
        self.stance.send_if_modified(|stance| {
            let ends = stance.is_once && stance.generation == generation;
            if ends {
                *stance = Stance { mode: Mode::Pass, is_once: false, generation: generation + 1 };
            }
            ends
        });
    }
}

/// A running proxy; dropping it closes the port and every connection.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Opens a port of the loopback in front of `upstream`.
    pub(crate) async fn start(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("open the proxy's port")?;
        let address = listener.local_addr().context("read the proxy's port")?;
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            stance: watch::Sender::new(Stance { mode: Mode::Pass, is_once: false, generation: 0 }),
            is_open: watch::Sender::new(true),
            hang_ups: watch::Sender::new(0),
            overall: [AtomicU64::new(0), AtomicU64::new(0)],
            counts: Mutex::default(),
            exchanges: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(shared.clone(), listener, address));
        Ok(Self { address, shared, accepting })
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the mode; when this returns the port is open or closed as the mode says.
    pub(crate) async fn set(&self, mode: Mode) -> Result<()> {
        self.change(mode, false).await
    }

    /// Changes the mode until it has had its effect once; then bytes pass. For cuts and drops.
    pub(crate) async fn set_once(&self, mode: Mode) -> Result<()> {
        self.change(mode, true).await
    }

    async fn change(&self, mode: Mode, is_once: bool) -> Result<()> {
        let should_be_open = mode != Mode::Refuse;
        self.shared.set(mode, is_once);
        let mut is_open = self.shared.is_open.subscribe();
        let settled = is_open.wait_for(|is_open| *is_open == should_be_open);
        tokio::time::timeout(Duration::from_secs(10), settled).await.context("the proxy's port did not follow")??;
        Ok(())
    }

    /// Sends later connections to another server.
    pub(crate) fn point_at(&self, upstream: SocketAddr) {
        *self.shared.upstream.lock().unwrap_or_else(PoisonError::into_inner) = upstream;
    }

    /// Closes every connection there is.
    pub(crate) fn hang_up(&self) {
        self.shared.hang_ups.send_modify(|count| *count += 1);
    }

    /// Whether the mode is [`Mode::Pass`], as it is again after a mode set once.
    pub(crate) fn is_passing(&self) -> bool {
        self.shared.stance.borrow().mode == Mode::Pass
    }

    /// What was done so far.
    pub(crate) fn counts(&self) -> Counts {
        *self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that came since the mode was set, from clients and from the server.
    pub(crate) fn bytes_since_set(&self) -> (u64, u64) {
        let [from_clients, from_server] = &self.shared.overall;
        (from_clients.load(Ordering::SeqCst), from_server.load(Ordering::SeqCst))
    }

    /// Keeps the bytes of connections that are made from now on.
    pub(crate) fn record(&self) {
        *self.shared.exchanges.lock().unwrap_or_else(PoisonError::into_inner) = Some(BTreeMap::new());
    }

    /// Ends the recording and answers a connection each, in the order in which they were made.
    pub(crate) fn take_recorded(&self) -> Vec<Exchange> {
        let taken = self.shared.exchanges.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.unwrap_or_default().into_values().collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.hang_up();
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, address: SocketAddr) {
    let mut stance = shared.stance.subscribe();
    let mut listener = Some(listener);
    let mut connections = 0;
    loop {
        let is_refused = stance.borrow_and_update().mode == Mode::Refuse;
        match (&listener, is_refused) {
            (Some(_), true) => {
                listener = None;
                shared.count(|counts| counts.refusals += 1);
            }
            // The port may be in another's hands for a moment; then this looks again.
            (None, false) => listener = TcpListener::bind(address).await.ok(),
            _ => {}
        }
        shared.is_open.send_replace(listener.is_some());
        let Some(open) = &listener else {
            let again = if is_refused { Duration::from_hours(1) } else { Duration::from_millis(10) };
            let _ = tokio::time::timeout(again, stance.changed()).await;
            continue;
        };
        tokio::select! {
            changed = stance.changed() => if changed.is_err() { return },
            accepted = open.accept() => if let Ok((client, _)) = accepted {
                connections += 1;
                shared.count(|counts| counts.connections += 1);
                tokio::spawn(serve(shared.clone(), client, connections));
            },
        }
    }
}

/// Carries one connection until one side, a fault or the test ends it.
async fn serve(shared: Arc<Shared>, client: TcpStream, id: u64) {
    let mut hang_ups = shared.hang_ups.subscribe();
    hang_ups.mark_unchanged();
    tokio::select! {
        () = line::carry(&shared, client, id) => {}
        _ = hang_ups.changed() => {}
    }
}
