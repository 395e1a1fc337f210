//! Proofs 1 and I3: killed at each point of a rotation; sealed before sent.

mod proofs {
    use std::collections::BTreeMap;

    use anyhow::{Result, ensure};

    use super::super::points::{Stop, Walk, stops};
    use crate::support::proof::Proof;
    use crate::support::recording::prove_synced_between;
    use crate::support::scene::{QUIET, Scene};

    /// A point that is not reached may have been moved by ids that are random; not three times.
    const TRIES: usize = 3;

    async fn walk(mut walk: Walk, stops: &[Stop]) -> Result<u64> {
        let mut killed = 0;
        for stop in stops {
            let mut is_reached = false;
            for _ in 0..TRIES {
                is_reached = walk.kill_at(stop).await?;
                if is_reached {
                    break;
                }
            }
            ensure!(is_reached, "{:?} {} was not reached", stop.when, stop.spot);
            killed += 1;
        }
        Ok(killed)
    }

    async fn single() -> Result<Walk> {
        let scene = Scene::start(QUIET).await?;
        scene.adopt_single("app").await?;
        Walk::begin(scene, "app", true).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_at_any_point_of_a_rotation_loses_nothing() -> Result<()> {
        let proof = Proof::begin("1", "kills at points of a rotation, single");
        let mut recording = single().await?;
        let points = recording.record().await?;
        let mut kinds = BTreeMap::new();
        for point in &points {
            *kinds.entry(format!("{}@{}", point.kind, point.label)).or_insert(0) += 1;
        }
        eprintln!("{kinds:#?}");
        let stops = stops(&points);
        let killed = walk(recording, &stops).await?;
        proof.end(killed, stops.len() as u64)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_candidate_is_durable_before_the_first_byte_of_the_change() -> Result<()> {
        let proof = Proof::begin("1", "orders of seal, sync and change");
        let mut walk = single().await?;
        walk.faults = walk.faults.mark("rotation.applying").mark("ALTER ROLE");
        let points = walk.record().await?;
        prove_synced_between(&points, "rotation.applying", "ALTER ROLE")?;
        proof.end(1, 1)
    }
}
