//! SCRAM keys that were just made for a verifier, for the login that verifies it: deriving them is most of what a
//! login costs this side.
//!
//! They are found only by who has the password, the salt and the rounds; they are taken once, live some seconds, are
//! few, and are overwritten when they go. They open what the candidate opens, and no more, while the candidate is at
//! hand too. A crash ends them.

use std::{
    collections::VecDeque,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::pending;
use ring::{hmac, rand::SystemRandom};
use tokio::time::{Instant, timeout};

use super::scram::Keys;

/// How long keys are kept at most.
const LIVES: Duration = Duration::from_secs(5);
/// How many are kept at most.
const MOST: usize = 64;

/// What keys are found by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark([u8; 32]);

struct Kept {
    mark: Mark,
    until: Instant,
    keys: Keys,
}

static FRESH: Mutex<VecDeque<Kept>> = Mutex::new(VecDeque::new());
static KEY: LazyLock<hmac::Key> = LazyLock::new(|| {
    hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).expect("the system gives randomness")
});

/// The mark of a password with a salt and a number of rounds. It tells nothing without this process's own key.
pub(crate) fn mark(password: &str, salt: &[u8], rounds: u32) -> Mark {
    let mut context = hmac::Context::with_key(&KEY);
    for part in [password.as_bytes(), salt, &rounds.to_be_bytes()] {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    Mark(context.sign().as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

/// Keeps keys for the next login with them; the oldest make room.
pub(crate) fn keep(mark: Mark, keys: Keys) {
    let (mut fresh, now) = (fresh(), Instant::now());
    forget_old(&mut fresh, now);
    let is_first = fresh.is_empty();
    if fresh.len() >= MOST {
        fresh.pop_front();
    }
    fresh.push_back(Kept { mark, until: now + LIVES, keys });
    drop(fresh);
    if is_first {
        tokio::spawn(sweep());
    }
}

/// Takes the keys that were made for a mark.
pub(crate) fn take(mark: Mark) -> Option<Keys> {
    let mut fresh = fresh();
    let at = fresh.iter().position(|kept| kept.mark == mark && kept.until > Instant::now())?;
    fresh.remove(at).map(|kept| kept.keys)
}

fn forget_old(fresh: &mut VecDeque<Kept>, now: Instant) {
    fresh.retain(|kept| kept.until > now);
}

fn fresh() -> MutexGuard<'static, VecDeque<Kept>> {
    FRESH.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets what is too old, until nothing is kept.
async fn sweep() {
    loop {
        let _ = timeout(LIVES, pending::<()>()).await;
        let mut fresh = fresh();
        forget_old(&mut fresh, Instant::now());
        if fresh.is_empty() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::scram, *};

    #[tokio::test]
    async fn keys_are_found_once_and_by_password_salt_and_rounds_alone() {
        let mine = mark("of this test", b"salt", 2);
        keep(mine, scram::keys("of this test", b"salt", 2));
        for other in
            [mark("of another", b"salt", 2), mark("of this test", b"tlas", 2), mark("of this test", b"salt", 3)]
        {
            assert!(take(other).is_none());
        }
        let found = take(mine).expect("kept");
        assert!(found.verifier(b"salt", 2) == scram::keys("of this test", b"salt", 2).verifier(b"salt", 2));
        assert!(take(mine).is_none(), "they are taken once");
    }

    #[test]
    fn keys_that_nobody_takes_are_forgotten() {
        let (mine, now) = (mark("nobody's", b"salt", 2), Instant::now());
        let kept = Kept { mark: mine, until: now + LIVES, keys: scram::keys("nobody's", b"salt", 2) };
        let mut fresh = VecDeque::from([kept]);
        forget_old(&mut fresh, now);
        assert_eq!(fresh.len(), 1);
        forget_old(&mut fresh, now + LIVES);
        assert!(fresh.is_empty());
    }
}
