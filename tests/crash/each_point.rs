//! Proofs 1 and I3: killed at each point of a rotation; sealed before sent.

mod proofs {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex, PoisonError};

    use anyhow::{Context, Result, ensure};
    use futures_util::future::try_join_all;

    use super::super::points::{Stop, Walk, sampled, stops};
    use crate::support::proof::{Proof, count};
    use crate::support::recording::{Point, prove_synced_between};
    use crate::support::scene::{FIRST, QUIET, STALE, Scene, start_server};

    /// A point that is not reached may have been moved by ids that are random; not three times.
    const TRIES: usize = 3;

    /// Daemons that walk beside each other.
    const WALKERS: usize = 3;

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Strategy {
        Single,
        Alternate,
    }

    /// Walkers before one server, each with a daemon and an account of its own.
    async fn walkers(strategy: Strategy, how_many: usize) -> Result<Vec<Walk>> {
        let server = start_server().await?;
        let names: Vec<String> = (0..how_many).map(|i| format!("app{i}")).collect();
        let mut walkers = Vec::new();
        for name in &names {
            let mut scene = Scene::before(Arc::clone(&server), server.port(), QUIET).await?;
            let others = names.iter().filter(|other| *other != name);
            scene.known = others.flat_map(|other| ["", "_a", "_b"].map(|end| format!("{other}{end}"))).collect();
            let before = match strategy {
                Strategy::Single => {
                    scene.adopt_single(name).await?;
                    vec![(name.clone(), FIRST)]
                }
                Strategy::Alternate => {
                    scene.adopt_alternate(name).await?;
                    vec![(format!("{name}_a"), FIRST), (format!("{name}_b"), STALE)]
                }
            };
            walkers.push(Walk::begin(scene, name, before).await?);
        }
        Ok(walkers)
    }

    async fn kill_at(walk: &mut Walk, stop: &Stop) -> Result<()> {
        for _ in 0..TRIES {
            if walk.kill_at(stop).await? {
                return Ok(());
            }
        }
        ensure!(false, "{:?} {} was not reached", stop.when, stop.spot);
        Ok(())
    }

    /// Shares the stops among the walkers; answers how many were killed at.
    async fn walk(walkers: Vec<Walk>, stops: &[Stop]) -> Result<u64> {
        let left = Mutex::new(VecDeque::from(stops.to_vec()));
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let walking = walkers.into_iter().map(async |mut walk: Walk| {
            let mut killed = 0;
            while let Some(stop) = next() {
                kill_at(&mut walk, &stop).await?;
                killed += 1;
            }
            anyhow::Ok(killed)
        });
        Ok(try_join_all(walking).await?.into_iter().sum())
    }

    /// In the test run a sample of the writes within each transaction, in the deep one all of them; syncs and what is
    /// sent always.
    async fn kill_at_each_point(proof: Proof, strategy: Strategy) -> Result<()> {
        let mut walkers = walkers(strategy, WALKERS).await?;
        let points: Vec<Point> = walkers[0].record().await?;
        let all = count(0, 1) > 0;
        let stops = if all { stops(&points) } else { sampled(&points, proof.seed()) };
        let killed = walk(walkers, &stops).await?;
        proof.end(killed, stops.len() as u64)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_at_any_point_of_a_rotation_of_one_role_loses_nothing() -> Result<()> {
        kill_at_each_point(Proof::begin("1", "kills at points of a rotation of one role"), Strategy::Single).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_at_any_point_of_a_rotation_of_two_roles_loses_nothing() -> Result<()> {
        kill_at_each_point(Proof::begin("1", "kills at points of a rotation of two roles"), Strategy::Alternate).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_candidate_is_durable_before_the_first_byte_of_the_change() -> Result<()> {
        let proof = Proof::begin("1", "orders of seal, sync and change");
        let (mut ordered, owed) = (0, count(3, 50));
        let mut walk = walkers(Strategy::Single, 1).await?.pop().context("a walker")?;
        walk.faults = walk.faults.mark("rotation.applying").mark("ALTER ROLE");
        while ordered < owed {
            prove_synced_between(&walk.record().await?, "rotation.applying", "ALTER ROLE")?;
            ordered += 1;
        }
        proof.end(ordered, owed)
    }
}
