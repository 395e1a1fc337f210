//! RSA keys made ahead: to make one takes a tenth of a second to seconds, and a rotation should not wait for it.
//!
//! One thread of the lowest priority, started with the first request, keeps a small bounded store filled. Who finds
//! it empty makes a key itself: nobody waits for the thread. A crash loses keys that nobody has seen.

use std::{
    collections::VecDeque,
    sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
};

use rsa::{pkcs8::EncodePrivateKey, rand_core::OsRng};
use rustix::process::setpriority_process;
use zeroize::Zeroizing;

use super::{KeyError, KeyKind};

/// A key as PKCS#8.
type Der = Zeroizing<Vec<u8>>;

const KINDS: [KeyKind; 3] = [KeyKind::Rsa2048, KeyKind::Rsa3072, KeyKind::Rsa4096];

/// RSA keys made ahead by a background thread.
pub struct RsaPool {
    stock: Mutex<Stock>,
    changed: Condvar,
}

#[derive(Default)]
struct Stock {
    shelves: [Shelf; KINDS.len()],
    is_running: bool,
}

#[derive(Default)]
struct Shelf {
    ready: VecDeque<Der>,
    wanted: usize,
}

impl RsaPool {
    /// The most keys of one kind that are kept ready.
    pub const MOST: usize = 32;
    /// How many are kept ready of a kind that was asked for once.
    pub const ONCE_ASKED: usize = 2;

    /// The pool of this process.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<RsaPool> =
            LazyLock::new(|| RsaPool { stock: Mutex::default(), changed: Condvar::new() });
        &SHARED
    }

    /// Asks for so many keys of a kind to be ready from now on, at most [`Self::MOST`]. Does nothing for kinds other
    /// than RSA, and never asks for less than before.
    pub fn warm(&'static self, kind: KeyKind, keys: usize) {
        if let Some(shelf) = shelf_of(kind) {
            self.want(&mut self.stock(), shelf, keys);
        }
    }

    /// How many keys of a kind are ready.
    pub fn ready(&self, kind: KeyKind) -> usize {
        shelf_of(kind).map_or(0, |shelf| self.stock().shelves[shelf].ready.len())
    }

    /// A key that is ready, or one made now.
    pub(super) fn take(&'static self, kind: KeyKind) -> Result<Der, KeyError> {
        let shelf = shelf_of(kind).ok_or(KeyError::Generate { kind })?;
        let mut stock = self.stock();
        let ready = stock.shelves[shelf].ready.pop_front();
        self.want(&mut stock, shelf, Self::ONCE_ASKED);
        drop(stock);
        ready.map_or_else(|| make(kind), Ok)
    }

    fn want(&'static self, stock: &mut Stock, shelf: usize, keys: usize) {
        let shelf = &mut stock.shelves[shelf];
        shelf.wanted = shelf.wanted.max(keys.min(Self::MOST));
        if !stock.is_running {
            // Without the thread every key is made when it is asked for: slower, and nothing else.
            stock.is_running = thread::Builder::new().name("rsa-keys".into()).spawn(|| self.fill()).is_ok();
        }
        self.changed.notify_one();
    }

    /// Runs for as long as the process; ends when keys cannot be made, to start anew with the next request.
    fn fill(&self) {
        // On Linux the priority is the calling thread's alone. Refused, it fills at the common priority.
        let _ = setpriority_process(None, 19);
        loop {
            let shelf = self.next_empty();
            let Ok(key) = make(KINDS[shelf]) else {
                self.stock().is_running = false;
                return;
            };
            self.stock().shelves[shelf].ready.push_back(key);
        }
    }

    fn next_empty(&self) -> usize {
        let mut stock = self.stock();
        loop {
            if let Some(shelf) = stock.shelves.iter().position(|shelf| shelf.ready.len() < shelf.wanted) {
                return shelf;
            }
            stock = self.changed.wait(stock).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shelf_of(kind: KeyKind) -> Option<usize> {
    KINDS.iter().position(|&other| other == kind)
}

fn make(kind: KeyKind) -> Result<Der, KeyError> {
    let failed = || KeyError::Generate { kind };
    let bits = kind.rsa_bits().ok_or_else(failed)?;
    let key = rsa::RsaPrivateKey::new(&mut OsRng, bits).map_err(|_| failed())?;
    key.to_pkcs8_der().map(|document| document.to_bytes()).map_err(|_| failed())
}
