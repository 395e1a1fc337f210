//! However many replicas run, one acts on a secret; what one leaves, another finishes.

use std::time::Duration;

use chrono::TimeDelta;
use keywheel_contract::kit::{Fault, FaultRule, Operation};

use super::world::Replicas;
use crate::support::wait::eventually;

/// Waits until a replica listens.
async fn until_listening(replicas: &Replicas, count: usize) {
    let sql = "SELECT CAST(COUNT(*) AS TEXT) FROM pg_stat_activity
               WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    let look = async || (replicas.world.texts(sql).await == [count.to_string()]).then_some(());
    eventually(Duration::from_secs(10), "the replicas listen", look).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_another_process_wrote_to_postgres_wakes_a_sleeping_replica() {
    let mut replicas = Replicas::new().await;
    replicas.options.longest_sleep = Duration::from_hours(1);
    let ids = replicas.adopt(1).await;
    let replica = replicas.start().await;
    until_listening(&replicas, 1).await;
    replicas.request(&ids).await;
    replicas.until_at(2, 1, Duration::from_secs(10)).await;
    replicas.check(&ids, 1).await;
    replica.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_on_postgres_listens_again_after_its_connection_was_lost() {
    let mut replicas = Replicas::new().await;
    replicas.options.longest_sleep = Duration::from_hours(1);
    let ids = replicas.adopt(1).await;
    let replica = replicas.start().await;
    until_listening(&replicas, 1).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    replicas.world.sql(end).await;
    until_listening(&replicas, 1).await;
    replicas.request(&ids).await;
    replicas.until_at(2, 1, Duration::from_secs(10)).await;
    replica.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_of_a_killed_replica_on_postgres_is_finished_by_another() {
    let mut replicas = Replicas::new().await;
    replicas.options.claim = Duration::from_secs(1);
    let ids = replicas.adopt(1).await;
    replicas.fake.inject(FaultRule::next(Operation::Verify, Fault::Freeze));
    let first = replicas.start().await;
    replicas.request(&ids).await;
    let look = async || (replicas.fake.fired(Operation::Verify, Fault::Freeze) == 1).then_some(());
    eventually(Duration::from_secs(10), "the first verifies", look).await.expect("in time");
    let second = replicas.start().await;
    // While the first lives and renews, the second leaves it alone.
    let taken = async || (replicas.count_at(2).await == 1).then_some(());
    crate::support::wait::never(Duration::from_secs(3), "the second takes over", taken).await.expect("it waits");
    first.kill();
    replicas.until_at(2, 1, Duration::from_secs(6)).await;
    replicas.until_idle().await;
    replicas.check(&ids, 1).await;
    assert_eq!(replicas.fake.accepted("account-0").len(), 1);
    second.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_replica_on_postgres_is_fenced_out_when_it_goes_on() {
    let mut replicas = Replicas::new().await;
    replicas.options.claim = Duration::from_secs(1);
    replicas.options.step_deadline = Duration::from_secs(5);
    let ids = replicas.adopt(1).await;
    replicas.fake.inject(FaultRule::next(Operation::Verify, Fault::Freeze));
    let first = replicas.start().await;
    replicas.request(&ids).await;
    let look = async || (replicas.fake.fired(Operation::Verify, Fault::Freeze) == 1).then_some(());
    eventually(Duration::from_secs(10), "the first verifies", look).await.expect("in time");
    let asleep = first.suspend();
    let second = replicas.start().await;
    replicas.until_at(2, 1, Duration::from_secs(10)).await;
    replicas.until_idle().await;
    let events = replicas.world.texts("SELECT kind FROM event ORDER BY subject, seq").await;
    replicas.fake.release("account-0");
    drop(asleep);
    let idle = async || first.engine.is_idle().then_some(());
    eventually(Duration::from_secs(10), "the first gives up", idle).await.expect("in time");
    assert_eq!(replicas.world.texts("SELECT kind FROM event ORDER BY subject, seq").await, events);
    replicas.check(&ids, 1).await;
    first.kill();
    second.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_of_replicas_on_postgres_that_differ_make_no_second_rotation() {
    let replicas = Replicas::new().await;
    let ids = replicas.adopt(30).await;
    for id in &ids {
        replicas.schedule(id, "30d", TimeDelta::minutes(5)).await;
    }
    let mut running = Vec::new();
    for minutes in [10, 0, -10] {
        running.push(replicas.start_with_clock(TimeDelta::minutes(minutes)).await);
    }
    // The replica whose clock is ahead fires five minutes early; those behind it see the plan moved on.
    replicas.until_at(2, ids.len(), Duration::from_secs(30)).await;
    replicas.until_idle().await;
    let again = async || (replicas.count_at(3).await > 0).then_some(());
    crate::support::wait::never(Duration::from_secs(2), "a second rotation", again).await.expect("none");
    replicas.check(&ids, 1).await;
    running.into_iter().for_each(super::world::Replica::kill);
}

mod proofs {
    use anyhow::Result;

    use super::*;
    use crate::support::proof::{Proof, count};

    #[tokio::test(flavor = "multi_thread")]
    async fn each_due_rotation_on_postgres_is_done_by_one_of_several_replicas() -> Result<()> {
        let proof = Proof::begin("38", "rotations shared by 2 and 3 replicas");
        let each = usize::try_from(count(150, 5_000))?;
        for many in [2, 3] {
            let replicas = Replicas::new().await;
            let ids = replicas.adopt(each).await;
            let mut running = Vec::new();
            for _ in 0..many {
                running.push(replicas.start().await);
            }
            replicas.request(&ids).await;
            replicas.until_at(2, each, Duration::from_secs(50)).await;
            replicas.until_idle().await;
            replicas.check(&ids, 1).await;
            assert_eq!(replicas.fake.calls_of_all(Operation::Apply), each as u64, "each is applied by one");
            running.into_iter().for_each(crate::replicas::world::Replica::kill);
        }
        proof.end(each as u64 * 2, 300)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn kills_of_replicas_on_postgres_lose_and_double_nothing() -> Result<()> {
        let proof = Proof::begin("39", "replicas killed under load");
        let (kills, mut replicas) = (count(6, 200), Replicas::new().await);
        replicas.options.claim = Duration::from_secs(1);
        let ids = replicas.adopt(100).await;
        let mut running = vec![replicas.start().await, replicas.start().await];
        replicas.request(&ids).await;
        for _ in 0..kills {
            let before = replicas.count_at(2).await;
            let moved = async || {
                let now = replicas.count_at(2).await;
                (now > before || now == ids.len()).then_some(())
            };
            eventually(Duration::from_secs(30), "some rotations are done", moved).await?;
            running.remove(0).kill();
            running.push(replicas.start().await);
        }
        replicas.until_idle().await;
        let lost =
            replicas.world.texts("SELECT id FROM occurrence WHERE state <> 'done' AND state <> 'coalesced'").await;
        assert!(lost.is_empty(), "{lost:?}");
        for n in 0..ids.len() {
            assert_eq!(replicas.fake.accepted(&format!("account-{n}")).len(), 1, "an orphan at account-{n}");
        }
        running.into_iter().for_each(crate::replicas::world::Replica::kill);
        proof.end(kills, 6)
    }
}
