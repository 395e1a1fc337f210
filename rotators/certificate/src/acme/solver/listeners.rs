//! Listeners that several orders share: the first opens the address, the last that ends closes it.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::proof::{Presented, Proof};
use crate::acme::AcmeError;
use crate::acme::pace::pause;

/// How many are answered at the same time; who comes then waits.
const MOST_AT_ONCE: usize = 64;
/// How long one connection may last.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// How often, and how long apart, an address that is in use is tried: a listener that just ended frees it in a moment.
const OPENINGS: usize = 20;
const BETWEEN_OPENINGS: Duration = Duration::from_millis(50);

/// Answers one connection from the proofs that are shown at this moment.
#[async_trait]
pub(super) trait Answerer: Send + Sync + 'static {
    async fn answer(&self, stream: TcpStream, shown: &Shown);
}

/// Proofs by their token.
#[derive(Debug, Default)]
pub(super) struct Shown(Mutex<HashMap<String, Proof>>);

impl Shown {
    #[cfg(test)]
    pub(super) fn of(proofs: &[Proof]) -> Self {
        let shown = Self::default();
        shown.add(proofs);
        shown
    }

    /// The first proof of which something holds.
    pub(super) fn find(&self, wanted: impl Fn(&Proof) -> bool) -> Option<Proof> {
        let proofs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        proofs.values().find(|proof| wanted(proof)).cloned()
    }

    fn add(&self, proofs: &[Proof]) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.extend(proofs.iter().map(|proof| (proof.token().to_owned(), proof.clone())));
    }

    fn remove(&self, tokens: &[String]) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.retain(|token, _| !tokens.contains(token));
    }
}

/// The listeners of one daemon, by address. Cheap to clone; clones share.
#[derive(Debug, Clone, Default)]
pub struct Listeners(Arc<tokio::sync::Mutex<HashMap<SocketAddr, Weak<Open>>>>);

#[derive(Debug)]
struct Open {
    shown: Arc<Shown>,
    // Ends with the last order that uses it.
    _task: JoinSet<()>,
}

impl Listeners {
    /// Shows proofs at an address, which is opened if it is not open yet.
    pub(super) async fn show(
        &self,
        address: SocketAddr,
        answerer: impl Answerer,
        proofs: &[Proof],
    ) -> Result<Box<dyn Presented>, AcmeError> {
        let mut listeners = self.0.lock().await;
        let open = match listeners.get(&address).and_then(Weak::upgrade) {
            Some(open) => open,
            None => Arc::new(open(address, answerer).await.map_err(|cause| cannot_listen(address, &cause))?),
        };
        listeners.retain(|_, open| open.strong_count() > 0);
        listeners.insert(address, Arc::downgrade(&open));
        open.shown.add(proofs);
        Ok(Box::new(Served { open, tokens: proofs.iter().map(|proof| proof.token().to_owned()).collect() }))
    }
}

async fn open(address: SocketAddr, answerer: impl Answerer) -> io::Result<Open> {
    let mut opened = TcpListener::bind(address).await;
    if opened.is_err() && address.ip() == Ipv6Addr::UNSPECIFIED && !has_ipv6().await {
        opened = TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await;
    }
    for _ in 1..OPENINGS {
        if !matches!(&opened, Err(cause) if cause.kind() == io::ErrorKind::AddrInUse) {
            break;
        }
        pause(BETWEEN_OPENINGS).await;
        opened = TcpListener::bind(address).await;
    }
    let (listener, shown, mut task) = (opened?, Arc::new(Shown::default()), JoinSet::new());
    task.spawn(serve(listener, Arc::new(answerer), Arc::clone(&shown)));
    Ok(Open { shown, _task: task })
}

async fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).await.is_ok()
}

async fn serve(listener: TcpListener, answerer: Arc<impl Answerer>, shown: Arc<Shown>) {
    let mut busy = JoinSet::new();
    loop {
        if busy.len() >= MOST_AT_ONCE {
            busy.join_next().await;
        }
        while busy.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let (answerer, shown) = (Arc::clone(&answerer), Arc::clone(&shown));
                busy.spawn(async move {
                    let _ = timeout(ANSWERED_WITHIN, answerer.answer(stream, &shown)).await;
                });
            }
            // No descriptors left, or the connection is gone already.
            Err(_) => pause(BETWEEN_OPENINGS).await,
        }
    }
}

fn cannot_listen(address: SocketAddr, cause: &io::Error) -> AcmeError {
    let hint = "free the address, or give one to which the port of the challenge is forwarded";
    AcmeError::local("acme-cannot-listen", format!("cannot listen at `{address}` for the challenge: {cause}"), hint)
}

struct Served {
    open: Arc<Open>,
    tokens: Vec<String>,
}

#[async_trait]
impl Presented for Served {
    async fn withdraw(self: Box<Self>) {}
}

impl Drop for Served {
    fn drop(&mut self) {
        self.open.shown.remove(&self.tokens);
    }
}
