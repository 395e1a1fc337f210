//! A rotation in a small world: it is driven by `plan` and recorded through `transition` as the engine does it.
//!
//! A crash forgets what was not recorded, and leaves a call that was under way done, lost, or waiting at the target.

use keywheel_contract::{Refusal, Seen};

use super::{
    choice::Choose,
    samples::{because, planned, version},
    target::{BEFORE, Change, FOREIGN, Holds, Target},
};
use crate::rotation::{
    Evidence, FailureClass, Next, Recorded, Rotation, Status, Verdict, decide, fold, plan, transition,
};

/// What a world is like from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nature {
    pub(super) holds: Holds,
    /// Whether the value in use before is known.
    pub(super) knows_current: bool,
    /// Whether the account is the admin of its own target: then a change needs a known value that is accepted.
    pub(super) self_managed: bool,
    /// Whether somebody else may change the value at the target.
    pub(super) has_strangers: bool,
}

/// What a call did, for an engine that lives to hear of it.
type Answer = Result<(), FailureClass>;

/// Ends the life of the engine's process.
struct Crash;

pub(super) struct World<'c> {
    nature: Nature,
    choose: &'c mut dyn Choose,
    pub(super) target: Target,
    pub(super) journal: Vec<Recorded>,
    pub(super) rotation: Rotation,
    is_fresh: bool,
    now: i64,
    steps_in_health: u32,
    pub(super) met_stranger: bool,
    pub(super) crashes: u32,
}

/// Steps that a healthy world may take to the end: five attempts, each settled and probed, and five ways back.
const STEPS_TO_THE_END: u32 = 80;

impl<'c> World<'c> {
    pub(super) fn new(nature: Nature, choose: &'c mut dyn Choose) -> Self {
        let begin = Recorded::Planned(planned(nature.knows_current.then_some(BEFORE)));
        let rotation = fold([&begin]).expect("a beginning");
        let first = if nature.knows_current { BEFORE } else { FOREIGN };
        let target = Target::accepting(nature.holds, first);
        let journal = vec![begin];
        Self {
            nature,
            choose,
            target,
            journal,
            rotation,
            is_fresh: true,
            now: 0,
            steps_in_health: 0,
            met_stranger: false,
            crashes: 0,
        }
    }

    /// Runs to the end, or to where nobody but a person can go on.
    pub(super) fn run(&mut self) {
        while !self.rotation.status.is_final() && !self.is_given_up() {
            self.surroundings();
            if self.step().is_err() {
                self.crash();
            }
            self.check();
            if self.choose.is_healthy() {
                self.steps_in_health += 1;
                assert!(self.steps_in_health < STEPS_TO_THE_END, "it does not end: {}", self.told());
            }
        }
        self.check_end();
    }

    /// What happens beside the engine, between two of its steps.
    fn surroundings(&mut self) {
        let strangers = u32::from(self.nature.has_strangers);
        match self.choose.choose(4 + strangers) {
            1 => self.target.act(),
            2 => self.crash(),
            3 if self.rotation.rollback.is_none() && !matches!(self.rotation.status, Status::Stuck { .. }) => {
                self.record(Recorded::RollbackRequested { because: because("asked") });
            }
            4 => {
                self.met_stranger = true;
                self.target.accepted = [FOREIGN].into();
            }
            _ => {}
        }
    }

    fn crash(&mut self) {
        self.crashes += 1;
        self.is_fresh = true;
        let folded = fold(&self.journal).expect("a journal that was recorded can be read");
        assert_eq!(folded, self.rotation, "what is kept in the process is not what the journal says");
    }

    fn record(&mut self, event: Recorded) {
        let next = transition(self.rotation.clone(), &event);
        self.rotation = next.unwrap_or_else(|error| panic!("{error}: {}", self.told()));
        self.journal.push(event);
    }

    /// The value of the candidate at work.
    fn candidate(&self) -> u8 {
        u8::try_from(self.rotation.candidates.len()).expect("few candidates")
    }

    fn step(&mut self) -> Result<(), Crash> {
        if self.is_fresh && self.rotation.was_interrupted() {
            self.is_fresh = false;
            self.record(Recorded::TakenOver { fence: 1 });
            return Ok(());
        }
        self.is_fresh = false;
        match plan(&self.rotation, self.now) {
            Next::TakeOver => panic!("a living holder takes over from itself: {}", self.told()),
            Next::Prepare => self.prepare(),
            Next::Apply { attempt } => {
                self.record(Recorded::Applying { attempt });
                self.attempt(attempt)
            }
            Next::Settle => self.settle(),
            Next::Probe => self.probe(),
            Next::Verify => self.verify(),
            Next::Publish => panic!("verified and published are recorded together: {}", self.told()),
            Next::TurnBack { because } => Ok(self.record(Recorded::TurnedBack { because })),
            Next::Revert { attempt } => self.revert(attempt),
            Next::EndUnwound { because } => Ok(self.record(Recorded::Unwound { because })),
            Next::Wait { until } => {
                assert!(until > self.now, "it waits for the past: {}", self.told());
                self.now = until;
                Ok(())
            }
            Next::Nothing => Ok(self.record(Recorded::Retried)),
        }
    }

    fn prepare(&mut self) -> Result<(), Crash> {
        match self.choose.choose(3) {
            0 => {
                let value = self.candidate() + 1;
                self.record(Recorded::Sealed { version: version(value), identity: "app".to_owned() });
                let attempt = self.rotation.attempts + 1;
                self.record(Recorded::Applying { attempt });
                self.attempt(attempt)
            }
            1 if self.rotation.candidates.is_empty() => {
                Ok(self.record(Recorded::Unwound { because: because("no value") }))
            }
            1 => Ok(self.record(Recorded::TurnedBack { because: because("no value") })),
            _ => Err(Crash),
        }
    }

    fn attempt(&mut self, attempt: u32) -> Result<(), Crash> {
        let change = Change::Apply(self.candidate());
        match self.change(change)? {
            Ok(()) => self.record(Recorded::Applied { attempt }),
            Err(class) => {
                let (because, not_before) = (because("apply"), self.now + 5);
                self.record(Recorded::ApplyFailed { attempt, class, because, not_before });
            }
        }
        Ok(())
    }

    /// A call that changes the target: every way in which it can go, and a crash in each.
    fn change(&mut self, change: Change) -> Result<Answer, Crash> {
        if !self.admin_is_let_in() {
            return Ok(Err(FailureClass::Misconfigured));
        }
        let how = self.choose.choose(10);
        match how {
            0 | 3 | 7 => self.target.run(change),
            5 | 9 => self.target.waiting.push(change),
            _ => {}
        }
        match how {
            0 => Ok(Ok(())),
            1 => Ok(Err(FailureClass::Refused)),
            2 => Ok(Err(FailureClass::Transient)),
            3..=5 => Ok(Err(FailureClass::Unknown)),
            6 => Ok(Err(FailureClass::Misconfigured)),
            _ => Err(Crash),
        }
    }

    fn admin_is_let_in(&self) -> bool {
        let known = |value: &u8| *value <= self.candidate() && (*value != BEFORE || self.nature.knows_current);
        !self.nature.self_managed || self.target.accepted.iter().any(known)
    }

    fn settle(&mut self) -> Result<(), Crash> {
        if !self.admin_is_let_in() {
            return Ok(());
        }
        match self.choose.choose(4) {
            0 => {
                self.target.waiting.clear();
                self.record(Recorded::Settled);
                Ok(())
            }
            1 => Ok(()),
            2 => {
                self.target.waiting.clear();
                Err(Crash)
            }
            _ => Err(Crash),
        }
    }

    fn probe(&mut self) -> Result<(), Crash> {
        let sight = self.choose.choose(5);
        let see = |value| match sight {
            0 | 4 if self.target.accepted.contains(&value) => Seen::Works,
            1 => Seen::Unreachable { because: "silence".to_owned() },
            2 => Seen::Refused { refusal: Refusal::Barred },
            3 if value != BEFORE => Seen::Unreachable { because: "silence".to_owned() },
            _ => Seen::Refused { refusal: Refusal::WrongCredential },
        };
        let candidate = see(self.candidate());
        let current = self.nature.knows_current.then(|| see(BEFORE));
        if sight == 4 {
            return Err(Crash);
        }
        let evidence = Evidence { candidate, current };
        if decide(&evidence) != Verdict::Wait {
            let Evidence { candidate, current } = evidence;
            self.record(Recorded::Probed { candidate, current, older: None });
        }
        Ok(())
    }

    fn verify(&mut self) -> Result<(), Crash> {
        let candidate = self.candidate();
        match self.choose.choose(4) {
            0 if self.target.accepted.contains(&candidate) => {}
            0 | 1 => return Ok(self.record(Recorded::VerifyFailed { because: because("verify") })),
            // A dead attempt acts between the login and the publish.
            2 if self.target.accepted.contains(&candidate) => self.target.act(),
            _ => return Err(Crash),
        }
        self.record(Recorded::Verified { endpoints: vec!["here".to_owned()] });
        self.record(Recorded::Published { version: version(candidate), number: 2 });
        Ok(())
    }

    fn revert(&mut self, attempt: u32) -> Result<(), Crash> {
        if !self.nature.knows_current {
            return Ok(self.record(Recorded::Stuck { because: because("no way back") }));
        }
        self.record(Recorded::Reverting { attempt });
        match self.change(Change::Revert(self.candidate()))? {
            Ok(()) => self.record(Recorded::Reverted),
            Err(class) => {
                let (because, not_before) = (because("revert"), self.now + 5);
                self.record(Recorded::RevertFailed { attempt, class, because, not_before });
            }
        }
        Ok(())
    }

    /// Whether only a person can go on, and trying again would not help.
    fn is_given_up(&self) -> bool {
        let locked_out = self.nature.self_managed && !self.admin_is_let_in();
        let no_way_back = !self.nature.knows_current && matches!(self.rotation.status, Status::Stuck { .. });
        self.choose.is_healthy() && (locked_out || no_way_back)
    }
}

/// What must hold.
impl World<'_> {
    /// I1 at this instant: what the store would still serve or try is accepted, or a person is asked.
    fn check(&self) {
        if self.met_stranger || !self.nature.knows_current {
            return;
        }
        let kept = |value: &u8| match &self.rotation.status {
            Status::Published { version: published, .. } => *value == BEFORE || version(*value) == *published,
            Status::Unwound { .. } => *value == BEFORE,
            _ => *value <= self.candidate(),
        };
        assert!(self.target.accepted.iter().any(kept), "locked out: {}", self.told());
    }

    /// What was ended stays true, whatever still waits at the target.
    fn check_end(&self) {
        if self.rotation.status.is_final() {
            // What waits now would act in the middle of the next rotation.
            assert!(self.target.waiting.is_empty(), "something may still act: {}", self.told());
        }
        let kinds: Vec<&str> = self.journal.iter().map(Recorded::kind).collect();
        let end = kinds.len().saturating_sub(2);
        match self.rotation.status.clone() {
            Status::Published { .. } => {
                assert_eq!(kinds[end..], ["verified", "published"]);
                self.accepts(self.candidate());
            }
            Status::Unwound { .. } if self.met_stranger => {}
            Status::Unwound { .. } => self.accepts(if self.nature.knows_current { BEFORE } else { FOREIGN }),
            _ => assert!(self.is_given_up(), "it ended nowhere: {}", self.told()),
        }
    }

    fn accepts(&self, value: u8) {
        assert!(self.target.accepted.contains(&value), "the value {value} is not accepted: {}", self.told());
    }

    fn told(&self) -> String {
        let kinds: Vec<&str> = self.journal.iter().map(Recorded::kind).collect();
        format!("{:?} at {:?} after {kinds:?}, target {:?}", self.nature, self.rotation.status, self.target)
    }
}
