//! What each fault does to a fake rotation, and that each of them fires.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use chrono::DateTime;
use serde_json::json;

use super::{
    Door, FakeRotator, FakeTarget, Fault, FaultPlan, FaultRule, Operation, SeededRandom, Stage, Strategy, random::hex,
};
use crate::{
    Applied, Cx, Decision, Failure, Material, NotKept, Observation, Prepared, Refusal, RotationId, Rotator, Seen,
    Settled, Verdict, Work, verdict_of,
};

struct World {
    rotator: FakeRotator,
    stage: Stage,
    work: Work,
    candidate: Material,
    random: SeededRandom,
}

impl World {
    async fn new(strategy: Strategy) -> Self {
        let (target, random) = (Arc::new(FakeTarget::new()), SeededRandom::new(5));
        let current = target.enroll("app", strategy, "first-password");
        let settings = json!({ "account": "app", "strategy": strategy.name() });
        let stage = Stage::new(json!({ "address": "here" }), settings.clone(), current);
        let work = Work {
            rotation: RotationId::mint(DateTime::UNIX_EPOCH, [1; 10]),
            secret: "app/db".to_owned(),
            settings,
            current: Some(stage.current.clone()),
            next_due_at: None,
        };
        let rotator = FakeRotator { target };
        let cx =
            Cx { random: &random, deadline: Duration::from_secs(1), now: DateTime::UNIX_EPOCH, checkpoint: &NotKept };
        let prepared = rotator.prepare(&cx, &stage.target, &work).await.expect("prepared");
        let Prepared::Minted { material: candidate, .. } = prepared else { panic!("minted here") };
        Self { rotator, stage, work, candidate, random }
    }

    fn target(&self) -> &FakeTarget {
        &self.rotator.target
    }

    fn meets(&self, operation: Operation, fault: Fault) {
        self.target().inject(FaultRule::next(operation, fault));
    }

    fn cx(&self) -> Cx<'_> {
        Cx { random: &self.random, deadline: Duration::from_secs(1), now: DateTime::UNIX_EPOCH, checkpoint: &NotKept }
    }

    async fn apply(&self) -> Result<Applied, Failure> {
        self.rotator.apply(&self.cx(), &self.stage.target, &self.work, &self.candidate).await
    }

    async fn revert(&self) -> Result<(), Failure> {
        self.rotator.revert(&self.cx(), &self.stage.target, &self.work, &self.candidate).await
    }

    async fn settle(&self) -> Settled {
        self.rotator.settle(&self.cx(), &self.stage.target, &self.work).await.expect("an answer")
    }

    async fn verify(&self) -> Verdict {
        self.rotator.verify(&self.cx(), &self.stage.target, &self.work, &self.candidate).await.expect("an answer")
    }

    async fn probe(&self) -> Vec<Observation> {
        let cx = self.cx();
        let probe = self.rotator.probe(&cx, &self.stage.target, &self.work, &self.candidate);
        probe.await.expect("an answer")
    }

    fn candidate_works(&self) -> bool {
        self.target().logs_in("app", &self.candidate)
    }
}

#[tokio::test]
async fn each_fault_of_apply_changes_what_it_says_and_answers_what_it_says() {
    let transient = Decision::Transient { not_before: None };
    for (fault, decision, works) in [
        (Fault::Refuse, Some(Decision::Refused), false),
        (Fault::Transient, Some(transient.clone()), false),
        (Fault::Unreachable, Some(transient), false),
        (Fault::LoseReply, Some(Decision::Unknown), true),
        (Fault::Vanish, Some(Decision::Unknown), false),
        (Fault::Late, Some(Decision::Unknown), false),
        (Fault::WrongSecret, None, false),
    ] {
        let world = World::new(Strategy::Single).await;
        world.meets(Operation::Apply, fault);
        assert_eq!(world.apply().await.err().map(|failure| failure.decision), decision, "{fault:?}");
        assert_eq!(world.candidate_works(), works, "{fault:?}");
        assert_eq!(world.target().fired(Operation::Apply, fault), 1);
        world.apply().await.expect("the fault is over");
        assert!(world.candidate_works(), "{fault:?}");
        assert_eq!(world.target().calls("app", &world.work.rotation, Operation::Apply), 2);
    }
}

#[tokio::test]
async fn a_late_change_happens_when_released_unless_it_was_settled() {
    for settled in [false, true] {
        let world = World::new(Strategy::Alternate).await;
        world.meets(Operation::Apply, Fault::Late);
        world.apply().await.expect_err("unknown");
        if settled {
            assert_eq!(world.settle().await, Settled::Yes);
        }
        assert_eq!(world.target().waiting("app"), usize::from(!settled));
        assert_eq!(world.target().release("app"), usize::from(!settled));
        assert_eq!(world.candidate_works(), !settled);
    }
}

#[tokio::test]
async fn a_frozen_call_answers_when_released_and_a_dropped_one_leaves_its_change_behind() {
    for dropped in [false, true] {
        let world = World::new(Strategy::Single).await;
        world.meets(Operation::Apply, Fault::Freeze);
        {
            let mut apply = pin!(world.apply());
            let first = poll_fn(|cx| Poll::Ready(apply.as_mut().poll(cx).is_ready())).await;
            assert!(!first && !world.candidate_works());
            if !dropped {
                assert_eq!(world.target().release("app"), 1);
                apply.await.expect("released");
            }
        }
        assert_eq!(world.target().release("app"), usize::from(dropped));
        assert!(world.candidate_works());
    }
}

#[tokio::test]
async fn not_yet_is_said_as_often_as_scripted() {
    let world = World::new(Strategy::Single).await;
    world.apply().await.expect("applied");
    world.target().inject(FaultRule::next(Operation::Verify, Fault::NotYet).times(2));
    for _ in 0..2 {
        assert!(matches!(world.verify().await, Verdict::NotYet { .. }));
    }
    assert!(matches!(world.verify().await, Verdict::Works { .. }));
    world.meets(Operation::Settle, Fault::NotYet);
    assert!(matches!(world.settle().await, Settled::NotYet { .. }));
    assert_eq!(world.settle().await, Settled::Yes);
}

#[tokio::test]
async fn a_refused_revert_leaves_the_candidate_and_the_oracle_knows_both() {
    let world = World::new(Strategy::Single).await;
    world.apply().await.expect("applied");
    world.meets(Operation::Revert, Fault::Refuse);
    assert_eq!(world.revert().await.map_err(|failure| failure.decision), Err(Decision::Refused));
    let password = world.candidate.text("password").expect("there").to_owned();
    assert_eq!(world.target().accepted("app"), [password.clone()].into());
    assert_eq!(world.target().ever_accepted("app"), [password, "first-password".to_owned()].into());
    world.revert().await.expect("reverted");
    assert_eq!(world.target().accepted("app"), ["first-password".to_owned()].into());
}

#[tokio::test]
async fn a_probe_tells_silence_from_a_locked_door() {
    let world = World::new(Strategy::Single).await;
    world.apply().await.expect("applied");
    world.target().inject(FaultRule::next(Operation::Probe, Fault::Unreachable).at_address("here"));
    assert!(matches!(verdict_of(&world.probe().await), Seen::Unreachable { .. }));
    world.target().set_door("app", Door::Shut(Refusal::Locked));
    assert_eq!(verdict_of(&world.probe().await), Seen::Refused { refusal: Refusal::Locked });
}

#[tokio::test]
async fn wrong_settings_are_named() {
    let world = World::new(Strategy::Single).await;
    let mut work = world.work.clone();
    for (settings, key) in [
        (json!({}), "secret.account"),
        (json!({ "account": "nobody" }), "secret.account"),
        (json!({ "account": "app", "strategy": "both" }), "secret.strategy"),
    ] {
        work.settings = settings;
        let answer = world.rotator.apply(&world.cx(), &world.stage.target, &work, &world.candidate).await;
        let decision = answer.expect_err("refused").decision;
        assert_eq!(decision, Decision::Misconfigured { key: key.to_owned() });
    }
}

#[tokio::test]
async fn a_seeded_plan_locks_no_account_out() {
    let world = World::new(Strategy::Alternate).await;
    let faults = vec![Fault::Refuse, Fault::LoseReply, Fault::Vanish, Fault::Late, Fault::Transient];
    world.target().follow(FaultPlan { seed: 3, per_mille: 300, faults });
    let mut current = world.stage.current.clone();
    let mut work = world.work.clone();
    for n in 0..200_u8 {
        work.rotation = RotationId::mint(DateTime::UNIX_EPOCH, [n; 10]);
        work.current = Some(current.clone());
        let identity = Strategy::Alternate.identity_after("app", current.text("username"));
        let candidate = Material::of_texts([("username", &*identity), ("password", &*hex::<16>(&world.random))]);
        while world.rotator.apply(&world.cx(), &world.stage.target, &work, &candidate).await.is_err() {
            let _ = world.rotator.settle(&world.cx(), &world.stage.target, &work).await;
            assert!(world.target().logs_in("app", &current));
        }
        assert!(world.target().logs_in("app", &candidate));
        current = candidate;
    }
    assert!(world.target().fired_in_all() > 100, "{}", world.target().fired_in_all());
}
