//! Proof 43: who asks while a rotation runs joins it.

use std::time::Duration;

use futures_util::future::join_all;
use keywheel::{model::OccurrenceEnd, store::occurrence};
use keywheel_contract::kit::{Fault, FaultRule, Operation, Strategy};

use super::still::{Still, calm};
use crate::{
    schedule::reference::instant,
    support::{
        proof::{Proof, count},
        wait::eventually,
    },
};

const REQUESTS: usize = 100;

/// How many requests ended in each way: done, coalesced, anything else.
async fn ends(still: &Still, id: &keywheel::model::SecretId) -> [usize; 3] {
    let world = &still.world;
    let mut tx = world.engine.store.read().await.expect("a connection");
    let mut ends = [0; 3];
    for one in occurrence::list(&mut tx, &world.tenant, id, 1_000).await.expect("readable") {
        ends[match one.end {
            Some(OccurrenceEnd::Done) => 0,
            Some(OccurrenceEnd::Coalesced) => 1,
            _ => 2,
        }] += 1;
    }
    ends
}

mod proofs {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn of_a_hundred_requests_before_the_publish_one_runs_and_the_others_join_it() -> anyhow::Result<()> {
        let rounds = count(10, 100);
        let proof = Proof::begin("43", "rounds of 100 requests");
        let mut still = Still::at(instant(1_770_000_000), calm()).await;
        still.world.start();
        for round in 0..rounds {
            let name = format!("app-{round}");
            let id = still.world.adopt(&name, Strategy::Single).await;
            still.world.fake.inject(FaultRule::next(Operation::Apply, Fault::Freeze).at_account(&name));
            still.world.request(&id).await;
            let is_frozen = async || (still.world.fake.waiting(&name) == 1).then_some(());
            eventually(Duration::from_secs(10), "the rotation runs", is_frozen).await?;
            join_all((1..REQUESTS).map(|_| still.world.request(&id))).await;
            still.world.fake.release(&name);
            still.quiet().await;
            assert_eq!(ends(&still, &id).await, [1, REQUESTS - 1, 0]);
            let kinds = still.world.event_kinds(&id).await;
            assert_eq!(kinds.iter().filter(|kind| *kind == "rotation.planned").count(), 1);
            assert_eq!(still.world.current(&id).await.number, Some(2));
        }
        still.world.stop().await;
        proof.end(rounds, rounds)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_hundred_requests_at_once_and_one_afterwards_are_two_rotations() {
        let mut still = Still::at(instant(1_770_000_000), calm()).await;
        let id = still.world.adopt("app", Strategy::Alternate).await;
        join_all((0..REQUESTS).map(|_| still.world.request(&id))).await;
        still.world.start();
        still.quiet().await;
        assert_eq!(ends(&still, &id).await, [REQUESTS, 0, 0]);
        assert_eq!(still.world.current(&id).await.number, Some(2));
        still.world.request(&id).await;
        still.quiet().await;
        assert_eq!(still.world.current(&id).await.number, Some(3));
        still.world.stop().await;
    }
}
