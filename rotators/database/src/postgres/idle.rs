//! Admin sessions that wait a few seconds for the next change, so that not every change costs the server a login.
//!
//! A session is found again only by the same target with the same settings and the same admin credential: after any
//! change of these it is never used. One that waits carries no rotation's name, is closed after a short time, and
//! is not used past a bounded age, so that a role which may no longer log in does not live on here. While several
//! credentials are tried by evidence, and for accounts that change themselves, nothing is kept. A crash closes all.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::pending;
use keywheel_contract::Target;
use ring::hmac;
use tokio::time::{Instant, timeout};

use super::{job::Job, wire::Session};

/// What a waiting session is named.
pub(crate) const NAME: &str = "keywheel/idle";

/// How long a session waits at most.
const WAITS: Duration = Duration::from_secs(5);
/// How old a session may be when it is taken.
const OLDEST: Duration = Duration::from_mins(1);
/// How many sessions of one admin wait at most.
const MOST: usize = 16;

/// An admin at a target, without the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Whose([u8; 32]);

/// A session and when it was logged in.
pub(crate) struct Waiting {
    pub(crate) session: Session,
    pub(crate) born: Instant,
}

type Kept = HashMap<Whose, Vec<(Instant, Waiting)>>;

/// The sessions that wait.
pub(crate) struct Idle {
    key: hmac::Key,
    kept: Arc<Mutex<Kept>>,
}

impl Idle {
    pub(crate) fn new() -> Self {
        let random = ring::rand::SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random).expect("the system gives randomness");
        Self { key, kept: Arc::default() }
    }

    /// Whose session this operation may use again; none where every one must be a fresh login.
    pub(crate) fn whose(&self, job: &Job, target: &Target) -> Option<Whose> {
        let [admin] = target.admins.as_slice() else { return None };
        if job.secret.is_self_managed {
            return None;
        }
        let mut context = hmac::Context::with_key(&self.key);
        let settings = target.settings.to_string();
        for part in [target.id.as_str(), &settings, admin.text("username")?, admin.text("password")?] {
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign().as_ref().try_into().ok().map(Whose)
    }

    /// Takes the session that waited least.
    pub(crate) fn take(&self, whose: Whose) -> Option<Waiting> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = kept.get_mut(&whose)?;
        let found = waiting.pop().filter(|(since, one)| since.elapsed() < WAITS && one.born.elapsed() < OLDEST);
        if found.is_none() {
            // The others waited longer.
            kept.remove(&whose);
        }
        found.map(|(_, one)| one)
    }

    /// Closes what waits for an admin: one of them was found dead.
    pub(crate) fn forget(&self, whose: Whose) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&whose);
    }

    /// Lets a session wait, if it is young and there is room.
    pub(crate) fn keep(&self, whose: Whose, one: Waiting) {
        if one.born.elapsed() >= OLDEST {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = kept.is_empty();
        let waiting = kept.entry(whose).or_default();
        if waiting.len() < MOST {
            waiting.push((Instant::now(), one));
        }
        drop(kept);
        if is_first {
            tokio::spawn(sweep(Arc::clone(&self.kept)));
        }
    }
}

/// Closes what waited too long, until nothing waits.
async fn sweep(kept: Arc<Mutex<Kept>>) {
    loop {
        let _ = timeout(WAITS / 2, pending::<()>()).await;
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, waiting| {
            waiting.retain(|(since, _)| since.elapsed() < WAITS);
            !waiting.is_empty()
        });
        if kept.is_empty() {
            return;
        }
    }
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Idle")
    }
}
