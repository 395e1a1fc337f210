//! One account of a [`FakeTarget`](super::FakeTarget): its identities, what they accept, and the sessions at it.

use tokio::sync::oneshot;

use super::faults::Operation;
use crate::{Refusal, RotationId};

/// How an account treats those who ask to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Door {
    /// By the password.
    #[default]
    Guarded,
    /// Whatever the password, as a server does that is told to trust.
    Open,
    /// Nobody, for this reason.
    Shut(Refusal),
}

/// A change of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// The identity accepts this password and no other.
    Set { identity: String, password: String },
    /// The identity no longer accepts this password.
    End { identity: String, password: String },
}

impl Effect {
    /// The same change with a password that was never sent.
    pub(super) fn garbled(self) -> Self {
        match self {
            Self::Set { identity, password } => Self::Set { identity, password: format!("not-{password}") },
            Self::End { .. } => self,
        }
    }
}

/// What a dead or frozen client left behind at the target.
struct Session {
    rotation: RotationId,
    effect: Option<Effect>,
    /// Who still waits for the answer.
    answer: Option<oneshot::Sender<()>>,
}

struct Identity {
    name: String,
    accepted: Vec<String>,
}

type Calls = [u32; Operation::ALL.len()];

/// Rotations whose calls an account remembers when its target forgets.
const REMEMBERED: usize = 4;

#[derive(Default)]
pub(super) struct Account {
    pub(super) door: Door,
    identities: Vec<Identity>,
    sessions: Vec<Session>,
    calls: Vec<(RotationId, Calls)>,
    history: Vec<String>,
}

impl Account {
    pub(super) fn login(&self, identity: &str, password: &str) -> Result<(), Refusal> {
        match self.door {
            Door::Open => Ok(()),
            Door::Shut(refusal) => Err(refusal),
            Door::Guarded if self.accepts(identity, password) => Ok(()),
            Door::Guarded => Err(Refusal::WrongCredential),
        }
    }

    fn accepts(&self, identity: &str, password: &str) -> bool {
        self.identities.iter().any(|known| known.name == identity && known.accepted.iter().any(|one| one == password))
    }

    pub(super) fn accepted(&self) -> impl Iterator<Item = &str> {
        self.identities.iter().flat_map(|identity| &identity.accepted).map(String::as_str)
    }

    pub(super) fn history(&self) -> impl Iterator<Item = &str> {
        self.history.iter().map(String::as_str)
    }

    pub(super) fn run(&mut self, effect: Effect, remember: bool) {
        match effect {
            Effect::Set { identity, password } if !self.accepts(&identity, &password) => {
                if remember {
                    self.history.push(password.clone());
                }
                match self.identities.iter_mut().find(|known| known.name == identity) {
                    Some(known) => {
                        known.accepted.clear();
                        known.accepted.push(password);
                    }
                    None => self.identities.push(Identity { name: identity, accepted: vec![password] }),
                }
            }
            Effect::Set { .. } => {}
            Effect::End { identity, password } => {
                for known in self.identities.iter_mut().filter(|known| known.name == identity) {
                    known.accepted.retain(|one| *one != password);
                }
            }
        }
    }

    pub(super) fn leave(&mut self, rotation: &RotationId, effect: Option<Effect>) {
        self.sessions.push(Session { rotation: rotation.clone(), effect, answer: None });
    }

    pub(super) fn freeze(&mut self, rotation: &RotationId, effect: Option<Effect>) -> oneshot::Receiver<()> {
        let (answer, waiting) = oneshot::channel();
        self.sessions.push(Session { rotation: rotation.clone(), effect, answer: Some(answer) });
        waiting
    }

    /// Everything that waited happens now; returns how many changes did.
    pub(super) fn release(&mut self, remember: bool) -> usize {
        let mut changes = 0;
        for session in std::mem::take(&mut self.sessions) {
            if let Some(effect) = session.effect {
                self.run(effect, remember);
                changes += 1;
            }
            // Nobody listens where the future was dropped.
            session.answer.map(|answer| answer.send(()));
        }
        changes
    }

    /// What waited for this rotation will never happen.
    pub(super) fn settle(&mut self, rotation: &RotationId) {
        self.sessions.retain(|session| session.rotation != *rotation);
    }

    pub(super) fn waiting(&self) -> usize {
        self.sessions.iter().filter(|session| session.effect.is_some()).count()
    }

    /// Counts a call and returns how often the rotation made it before.
    pub(super) fn count(&mut self, rotation: &RotationId, operation: Operation, remember: bool) -> u32 {
        let at = self.calls.iter().rposition(|(id, _)| id == rotation).unwrap_or_else(|| {
            if !remember && self.calls.len() == REMEMBERED {
                self.calls.remove(0);
            }
            self.calls.push((rotation.clone(), Calls::default()));
            self.calls.len() - 1
        });
        let count = &mut self.calls[at].1[operation as usize];
        *count += 1;
        *count - 1
    }

    pub(super) fn calls(&self, rotation: &RotationId, operation: Operation) -> u32 {
        self.calls.iter().rfind(|(id, _)| id == rotation).map_or(0, |(_, calls)| calls[operation as usize])
    }
}
