//! A target in memory: accounts, their passwords, the sessions at them, and faults.
//!
//! No time passes here and nothing sleeps. One lock guards everything, each operation of a
//! [`FakeRotator`](super::FakeRotator) takes it once or twice and holds it for well under a microsecond.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::{
    account::{Account, Door, Effect},
    fake_rotator::Strategy,
    faults::{Call, Fault, FaultPlan, FaultRule, Faults, Operation},
};
use crate::{Material, Refusal, RotationId};

/// A target in memory, shared by `Arc` between the rotator that changes it and the test that judges it.
#[derive(Default)]
pub struct FakeTarget {
    state: Mutex<State>,
    forgets: bool,
    pub(super) has_await_points: bool,
}

#[derive(Default)]
struct State {
    accounts: HashMap<String, Account>,
    faults: Faults,
    calls: [u64; Operation::ALL.len()],
}

/// Why the target did not answer as it should, in its own words: those may quote what it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    NoAccount,
    Refused { says: String },
    Busy,
    Unreachable,
    AnswerLost,
    Held,
}

/// An answer, or the wait for one.
pub(super) enum Answer<T> {
    Given(T),
    Frozen(oneshot::Receiver<()>),
}

impl FakeTarget {
    /// A target without accounts that remembers everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// A target that remembers no former credentials, and the calls of each account's last few rotations: for long
    /// simulations.
    #[must_use]
    pub fn forgetting(self) -> Self {
        Self { forgets: true, ..self }
    }

    /// A target at which each operation may be interrupted before and after its effect.
    #[must_use]
    pub fn with_await_points(self) -> Self {
        Self { has_await_points: true, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an account, or starts it anew, and returns its current credential.
    pub fn enroll(&self, account: &str, strategy: Strategy, password: &str) -> Material {
        let identity = strategy.identity_after(account, None);
        let mut fresh = Account::default();
        fresh.run(Effect::Set { identity: identity.clone(), password: password.to_owned() }, !self.forgets);
        self.lock().accounts.insert(account.to_owned(), fresh);
        Material::of_texts([("username", identity.as_str()), ("password", password)])
    }

    /// Whether a credential is let in, by the account itself and not by a rotator.
    pub fn logs_in(&self, account: &str, credential: &Material) -> bool {
        let (Some(identity), Some(password)) = (credential.text("username"), credential.text("password")) else {
            return false;
        };
        self.lock().accounts.get(account).is_some_and(|known| known.login(identity, password).is_ok())
    }

    /// The passwords that an account accepts now, of all its identities.
    pub fn accepted(&self, account: &str) -> BTreeSet<String> {
        self.passwords(account, |known| known.accepted().map(str::to_owned).collect())
    }

    /// The passwords that an account accepted at any time, those of today included.
    pub fn ever_accepted(&self, account: &str) -> BTreeSet<String> {
        self.passwords(account, |known| known.accepted().chain(known.history()).map(str::to_owned).collect())
    }

    fn passwords(&self, account: &str, of: impl Fn(&Account) -> BTreeSet<String>) -> BTreeSet<String> {
        self.lock().accounts.get(account).map(of).unwrap_or_default()
    }

    /// How often a rotation made a call.
    pub fn calls(&self, account: &str, rotation: &RotationId, operation: Operation) -> u32 {
        self.lock().accounts.get(account).map_or(0, |known| known.calls(rotation, operation))
    }

    /// How often all rotations together made a call.
    pub fn calls_of_all(&self, operation: Operation) -> u64 {
        self.lock().calls[operation as usize]
    }

    /// Changes who is let in at an account.
    pub fn set_door(&self, account: &str, door: Door) {
        if let Some(known) = self.lock().accounts.get_mut(account) {
            known.door = door;
        }
    }

    /// Lets somebody else change the password of an identity, past the rotator.
    pub fn overwrite(&self, account: &str, identity: &str, password: &str) {
        let effect = Effect::Set { identity: identity.to_owned(), password: password.to_owned() };
        if let Some(known) = self.lock().accounts.get_mut(account) {
            known.run(effect, !self.forgets);
        }
    }

    /// Adds a scripted fault.
    pub fn inject(&self, rule: FaultRule) {
        self.lock().faults.add(rule);
    }

    /// Follows a seeded plan where no scripted fault applies.
    pub fn follow(&self, plan: FaultPlan) {
        self.lock().faults.follow(plan);
    }

    /// Ends all faults. What waits or is frozen stays so until it is released.
    pub fn heal(&self) {
        self.lock().faults.heal();
    }

    /// Ends the scripted faults of one account.
    pub fn heal_account(&self, account: &str) {
        self.lock().faults.heal_account(account);
    }

    /// How often a fault happened to an operation.
    pub fn fired(&self, operation: Operation, fault: Fault) -> u64 {
        self.lock().faults.fired(operation, fault)
    }

    /// How many faults happened.
    pub fn fired_in_all(&self) -> u64 {
        self.lock().faults.fired_in_all()
    }

    /// Lets everything happen that waits at an account, and answers who is frozen there; returns how many changes
    /// that were.
    pub fn release(&self, account: &str) -> usize {
        self.lock().accounts.get_mut(account).map_or(0, |known| known.release(!self.forgets))
    }

    /// How many changes wait at an account.
    pub fn waiting(&self, account: &str) -> usize {
        self.lock().accounts.get(account).map_or(0, Account::waiting)
    }

    /// Counts a call that changes an account, and runs it as far as its fault lets it.
    pub(super) fn change(&self, mut call: Call<'_>, effect: Effect) -> Result<Answer<()>, Trouble> {
        let mut state = self.lock();
        let (fault, account) = begin(&mut state, &mut call, !self.forgets)?;
        let effect = match fault {
            None | Some(Fault::LoseReply | Fault::NotYet) => effect,
            Some(Fault::WrongSecret) => effect.garbled(),
            Some(Fault::Vanish) => return Err(Trouble::AnswerLost),
            Some(Fault::Freeze) => return Ok(Answer::Frozen(account.freeze(call.rotation, Some(effect)))),
            Some(Fault::Late) => {
                account.leave(call.rotation, Some(effect));
                return Err(Trouble::Held);
            }
            Some(Fault::Transient) => return Err(Trouble::Busy),
            Some(Fault::Unreachable) => return Err(Trouble::Unreachable),
            Some(Fault::Refuse) => {
                let (Effect::Set { password, .. } | Effect::End { password, .. }) = effect;
                return Err(Trouble::Refused { says: format!("will not have password '{password}'") });
            }
        };
        account.run(effect, !self.forgets);
        if fault == Some(Fault::LoseReply) { Err(Trouble::AnswerLost) } else { Ok(Answer::Given(())) }
    }

    /// Counts a call that looks. The answer is whether there is one already.
    pub(super) fn look(&self, mut call: Call<'_>) -> Result<Answer<bool>, Trouble> {
        let mut state = self.lock();
        let (fault, account) = begin(&mut state, &mut call, !self.forgets)?;
        match fault {
            Some(Fault::Freeze) => Ok(Answer::Frozen(account.freeze(call.rotation, None))),
            Some(Fault::NotYet) => Ok(Answer::Given(false)),
            Some(Fault::Refuse) => Err(Trouble::Refused { says: "no".to_owned() }),
            Some(Fault::Transient) => Err(Trouble::Busy),
            Some(Fault::Unreachable) => Err(Trouble::Unreachable),
            Some(Fault::LoseReply | Fault::Vanish | Fault::Late | Fault::WrongSecret) | None => Ok(Answer::Given(true)),
        }
    }

    /// Tries to log in, as a client over a fresh connection would.
    pub(super) fn login(&self, account: &str, identity: &str, password: &str) -> Result<(), Refusal> {
        match self.lock().accounts.get(account) {
            Some(known) => known.login(identity, password),
            None => Err(Refusal::Barred),
        }
    }

    /// Ends what a rotation left at an account.
    pub(super) fn settle(&self, account: &str, rotation: &RotationId) {
        if let Some(known) = self.lock().accounts.get_mut(account) {
            known.settle(rotation);
        }
    }
}

fn begin<'s>(
    state: &'s mut State,
    call: &mut Call<'_>,
    remember: bool,
) -> Result<(Option<Fault>, &'s mut Account), Trouble> {
    state.calls[call.operation as usize] += 1;
    let account = state.accounts.get_mut(call.account).ok_or(Trouble::NoAccount)?;
    call.ordinal = account.count(call.rotation, call.operation, remember);
    Ok((state.faults.draw(call), account))
}
