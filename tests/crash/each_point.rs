//! Proofs 1 and I3: killed at each point of a rotation; sealed before sent.

mod proofs {
    use anyhow::{Context, Result, ensure};

    use super::super::points::{Stop, Walk, each_step, sampled, stops};
    use super::super::walkers::{Store, Strategy, WALKERS, share, walkers};
    use crate::support::proof::{Proof, count};
    use crate::support::recording::{Point, prove_synced_between};

    /// A point that is not reached may have been moved by ids that are random; not three times.
    const TRIES: usize = 3;

    async fn kill_at(walk: &mut Walk, stop: &Stop) -> Result<()> {
        for _ in 0..TRIES {
            if walk.kill_at(stop).await? {
                return Ok(());
            }
        }
        ensure!(false, "{:?} {} was not reached", stop.when, stop.spot);
        Ok(())
    }

    /// What the journal tells, in its order.
    const STEPS: [&str; 7] = [
        "rotation.planned",
        "rotation.sealed",
        "rotation.applying",
        "rotation.applied",
        "rotation.verified",
        "rotation.published",
        "version.retired",
    ];

    /// In the test run a sample: on SQLite of the writes within each transaction, and all that is synced and sent; on
    /// PostgreSQL of what is sent at each step. In the deep one all of it.
    async fn kill_at_each_point(proof: Proof, strategy: Strategy, store: Store) -> Result<()> {
        let mut walkers = walkers(strategy, store, WALKERS).await?;
        for walk in &mut walkers {
            walk.faults = STEPS.iter().fold(walk.faults.clone(), |faults, step| faults.mark(step));
        }
        let points: Vec<Point> = walkers[0].record().await?;
        let stops = match store {
            _ if count(0, 1) > 0 => stops(&points),
            Store::Sqlite => sampled(&points, proof.seed()),
            Store::Postgres => {
                let told = STEPS.iter().filter(|step| points.iter().any(|point| point.mark.as_deref() == Some(step)));
                // What is verified is published in the same write.
                ensure!(told.count() >= STEPS.len() - 1, "steps were not recorded: {points:?}");
                each_step(&points, proof.seed())
            }
        };
        let owed = stops.len() as u64;
        let killed = share(walkers, stops, async |walk, stop| kill_at(walk, &stop).await).await?;
        proof.end(killed, owed)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_at_any_point_of_a_rotation_of_one_role_loses_nothing() -> Result<()> {
        let proof = Proof::begin("1", "kills at points of a rotation of one role");
        kill_at_each_point(proof, Strategy::Single, Store::Sqlite).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_at_any_point_of_a_rotation_of_two_roles_loses_nothing() -> Result<()> {
        let proof = Proof::begin("1", "kills at points of a rotation of two roles");
        kill_at_each_point(proof, Strategy::Alternate, Store::Sqlite).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_at_any_step_of_one_role_loses_nothing_that_postgres_stores() -> Result<()> {
        let proof = Proof::begin("1", "kills at steps of a rotation of one role, stored in PostgreSQL");
        kill_at_each_point(proof, Strategy::Single, Store::Postgres).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_at_any_step_of_two_roles_loses_nothing_that_postgres_stores() -> Result<()> {
        let proof = Proof::begin("1", "kills at steps of a rotation of two roles, stored in PostgreSQL");
        kill_at_each_point(proof, Strategy::Alternate, Store::Postgres).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_candidate_is_durable_before_the_first_byte_of_the_change() -> Result<()> {
        let proof = Proof::begin("1", "orders of seal, sync and change");
        let (mut ordered, owed) = (0, count(3, 50));
        let mut walk = walkers(Strategy::Single, Store::Sqlite, 1).await?.pop().context("a walker")?;
        walk.faults = walk.faults.mark("rotation.applying").mark("ALTER ROLE");
        while ordered < owed {
            prove_synced_between(&walk.record().await?, "rotation.applying", "ALTER ROLE")?;
            ordered += 1;
        }
        proof.end(ordered, owed)
    }
}
