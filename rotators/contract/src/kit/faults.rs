//! Faults of a [`FakeTarget`](super::FakeTarget): scripted one by one, or drawn from a seed.
//!
//! A fault that cannot happen to its operation is refused when it is injected, and every fault that happens is
//! counted: a test can prove that its fault fired.

use super::random::{mix, mix_text};
use crate::RotationId;

/// An operation of a rotator, in the order of a rotation's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `preflight`.
    Preflight,
    /// `prepare`.
    Prepare,
    /// `apply`.
    Apply,
    /// `verify`.
    Verify,
    /// `probe`.
    Probe,
    /// `settle`.
    Settle,
    /// `revert`.
    Revert,
    /// `retire`.
    Retire,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Preflight,
        Self::Prepare,
        Self::Apply,
        Self::Verify,
        Self::Probe,
        Self::Settle,
        Self::Revert,
        Self::Retire,
    ];

    fn changes_the_target(self) -> bool {
        matches!(self, Self::Apply | Self::Revert | Self::Retire)
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The target says no, quoting the value that it was sent; nothing changes.
    Refuse,
    /// The target is busy; nothing changes.
    Transient,
    /// The target cannot be reached; nothing changes.
    Unreachable,
    /// The change happens and the answer is lost.
    LoseReply,
    /// Request and answer are lost: nothing changes, and nobody is told.
    Vanish,
    /// The answer is lost and the change waits at the target, until it is released or its session is settled.
    Late,
    /// No answer until released; a change waits meanwhile as with [`Fault::Late`].
    Freeze,
    /// The target needs more time (`verify` and `settle`).
    NotYet,
    /// The target takes another password than the one that it was sent, and says yes (`apply`).
    WrongSecret,
}

impl Fault {
    const COUNT: usize = 9;

    /// Whether this can happen to an operation.
    pub fn fits(self, operation: Operation) -> bool {
        match self {
            Self::Refuse | Self::Transient => true,
            Self::Unreachable | Self::Freeze => operation != Operation::Prepare,
            Self::LoseReply | Self::Vanish | Self::Late => operation.changes_the_target(),
            Self::NotYet => matches!(operation, Operation::Verify | Operation::Settle),
            Self::WrongSecret => operation == Operation::Apply,
        }
    }
}

/// One scripted fault.
#[derive(Debug, Clone)]
pub struct FaultRule {
    operation: Operation,
    fault: Fault,
    /// `None` for ever.
    left: Option<u32>,
    account: Option<String>,
    address: Option<String>,
}

impl FaultRule {
    /// The next such operation, at whatever account, meets the fault.
    pub fn next(operation: Operation, fault: Fault) -> Self {
        assert!(fault.fits(operation), "{fault:?} cannot happen to {operation:?}");
        Self { operation, fault, left: Some(1), account: None, address: None }
    }

    /// The next `n` do.
    #[must_use]
    pub fn times(self, n: u32) -> Self {
        Self { left: Some(n), ..self }
    }

    /// All do, until the target is healed.
    #[must_use]
    pub fn forever(self) -> Self {
        Self { left: None, ..self }
    }

    /// Only operations at this account.
    #[must_use]
    pub fn at_account(self, account: &str) -> Self {
        Self { account: Some(account.to_owned()), ..self }
    }

    /// Only operations at targets of this address.
    #[must_use]
    pub fn at_address(self, address: &str) -> Self {
        Self { address: Some(address.to_owned()), ..self }
    }

    fn meets(&self, call: &Call<'_>) -> bool {
        self.operation == call.operation
            && self.left != Some(0)
            && self.account.as_deref().is_none_or(|account| account == call.account)
            && self.address.as_deref().is_none_or(|address| address == call.address)
    }
}

/// Faults drawn from a seed. What a call meets depends on the seed, its rotation, its operation and how often that
/// rotation made it before, never on what other accounts do: a run replays whatever its interleaving.
#[derive(Debug, Clone)]
pub struct FaultPlan {
    /// The seed.
    pub seed: u64,
    /// How many of a thousand calls meet a fault that fits them.
    pub per_mille: u16,
    /// The faults to draw from.
    pub faults: Vec<Fault>,
}

impl FaultPlan {
    fn draw(&self, call: &Call<'_>) -> Option<Fault> {
        let ordinal = (u64::from(call.ordinal) << 8) | call.operation as u64;
        let drawn = mix(mix_text(self.seed, call.rotation.as_str()) ^ mix(ordinal));
        if drawn % 1000 >= u64::from(self.per_mille) {
            return None;
        }
        let fitting = || self.faults.iter().filter(|fault| fault.fits(call.operation));
        let count = fitting().count();
        let nth = usize::try_from((drawn >> 32) % u64::try_from(count.max(1)).ok()?).ok()?;
        fitting().nth(nth).copied()
    }
}

/// One call of an operation, as faults see it.
pub(super) struct Call<'a> {
    pub(super) account: &'a str,
    pub(super) address: &'a str,
    pub(super) rotation: &'a RotationId,
    pub(super) operation: Operation,
    /// How often this rotation made this call before.
    pub(super) ordinal: u32,
}

/// The faults of one target.
#[derive(Default)]
pub(super) struct Faults {
    rules: Vec<FaultRule>,
    plan: Option<FaultPlan>,
    fired: [[u64; Fault::COUNT]; Operation::ALL.len()],
}

impl Faults {
    pub(super) fn add(&mut self, rule: FaultRule) {
        self.rules.push(rule);
    }

    pub(super) fn follow(&mut self, plan: FaultPlan) {
        self.plan = Some(plan);
    }

    pub(super) fn heal(&mut self) {
        self.rules.clear();
        self.plan = None;
    }

    pub(super) fn heal_account(&mut self, account: &str) {
        self.rules.retain(|rule| rule.account.as_deref() != Some(account));
    }

    pub(super) fn fired(&self, operation: Operation, fault: Fault) -> u64 {
        self.fired[operation as usize][fault as usize]
    }

    pub(super) fn fired_in_all(&self) -> u64 {
        self.fired.iter().flatten().sum()
    }

    /// What this call meets. Scripted faults come first, the oldest of them before the others.
    pub(super) fn draw(&mut self, call: &Call<'_>) -> Option<Fault> {
        if self.rules.is_empty() && self.plan.is_none() {
            return None;
        }
        let scripted = self.rules.iter_mut().find(|rule| rule.meets(call)).map(|rule| {
            rule.left = rule.left.map(|left| left - 1);
            rule.fault
        });
        self.rules.retain(|rule| rule.left != Some(0));
        let fault = scripted.or_else(|| self.plan.as_ref().and_then(|plan| plan.draw(call)))?;
        self.fired[call.operation as usize][fault as usize] += 1;
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn call(rotation: &RotationId, operation: Operation, ordinal: u32) -> Call<'_> {
        Call { account: "a", address: "x", rotation, operation, ordinal }
    }

    fn rotation(n: u8) -> RotationId {
        RotationId::mint(DateTime::UNIX_EPOCH, [n; 10])
    }

    #[test]
    fn a_scripted_fault_fires_as_often_as_it_was_asked_to() {
        let (mut faults, id) = (Faults::default(), rotation(1));
        faults.add(FaultRule::next(Operation::Apply, Fault::Refuse).times(2).at_account("a"));
        faults.add(FaultRule::next(Operation::Apply, Fault::Late).at_address("elsewhere"));
        let met: Vec<_> = (0..3).map(|n| faults.draw(&call(&id, Operation::Apply, n))).collect();
        assert_eq!(met, [Some(Fault::Refuse), Some(Fault::Refuse), None]);
        assert_eq!((faults.fired(Operation::Apply, Fault::Refuse), faults.fired_in_all()), (2, 2));
    }

    #[test]
    fn a_plan_replays_and_keeps_its_rate() {
        let plan = |seed| FaultPlan { seed, per_mille: 250, faults: vec![Fault::Refuse, Fault::LoseReply] };
        let run = |seed| {
            let mut faults = Faults::default();
            faults.follow(plan(seed));
            (0..=255)
                .flat_map(|n| (0..4).map(move |ordinal| (rotation(n), ordinal)))
                .map(|(id, ordinal)| faults.draw(&call(&id, Operation::Apply, ordinal)))
                .collect::<Vec<_>>()
        };
        let met = run(7);
        assert_eq!(met, run(7));
        assert_ne!(met, run(8));
        let count = |fault| met.iter().filter(|met| **met == Some(fault)).count();
        assert!((90..170).contains(&count(Fault::Refuse)), "{}", count(Fault::Refuse));
        assert!((90..170).contains(&count(Fault::LoseReply)), "{}", count(Fault::LoseReply));
    }

    #[test]
    #[should_panic(expected = "cannot happen")]
    fn a_fault_that_cannot_happen_is_refused() {
        FaultRule::next(Operation::Probe, Fault::Late);
    }
}
