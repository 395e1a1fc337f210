//! The walk over all points: a recording run of one rotation tells what is written, synced and sent; then the daemon
//! is killed at each, started again, and judged when nothing runs any more.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::support::preload::{Faults, When};
use crate::support::random::Sampler;
use crate::support::recording::Point;
use crate::support::scene::{SETTLING, Scene};
use crate::support::wait::eventually;

/// For how long nothing may be recorded before a rotation counts as over.
const STILL: Duration = Duration::from_millis(250);

/// The same where nobody can be asked whether it is over; what is done regularly is done more rarely.
const STILL_SHARED: Duration = Duration::from_millis(900);

/// A daemon whose data directory is kept as it was before the rotation.
pub(crate) struct Walk {
    pub(crate) scene: Scene,
    /// The secret.
    pub(crate) name: String,
    /// The passwords that roles had before the rotation.
    before: Vec<(String, &'static str)>,
    pub(crate) faults: Faults,
}

/// Where the daemon is killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) spot: String,
    pub(crate) when: When,
}

impl Walk {
    /// Stops the daemon of a scene with one adopted account, and keeps its data.
    pub(crate) async fn begin(mut scene: Scene, name: &str, before: Vec<(String, &'static str)>) -> Result<Self> {
        ensure!(scene.daemon.terminate().await?.success(), "the daemon did not end well");
        scene.daemon.keep_data()?;
        let folder = scene.daemon.folder().join("faults");
        std::fs::create_dir(&folder).context("make a folder")?;
        let mut faults = Faults::new(&folder).peer(scene.address());
        match &scene.store {
            Some(store) => {
                store.keep();
                faults = faults.peer(store.address());
            }
            None => faults = faults.store(&scene.daemon.store()),
        }
        Ok(Self { scene, name: name.to_owned(), before, faults })
    }

    /// Puts store and target back and starts the daemon under a plan of faults that is not armed yet.
    pub(crate) async fn again(&mut self, faults: &Faults) -> Result<()> {
        self.scene.daemon.clear_env();
        if self.scene.daemon.is_running() {
            self.scene.daemon.kill9().await?;
        }
        self.scene.daemon.put_data_back()?;
        if let Some(store) = &self.scene.store {
            store.put_back();
        }
        for (role, password) in &self.before {
            self.scene.server.sql(&format!("ALTER ROLE \"{role}\" PASSWORD '{password}'"));
        }
        faults.forget();
        self.scene.daemon.set_envs(faults.env()?);
        self.scene.daemon.serve().await
    }

    /// One undisturbed rotation; answers its points.
    pub(crate) async fn record(&mut self) -> Result<Vec<Point>> {
        let faults = self.faults.clone();
        self.again(&faults).await?;
        faults.arm()?;
        self.ask().await?;
        self.until_still().await?;
        faults.disarm()?;
        let points = faults.record()?;
        self.scene.settle_and_prove().await.context("an undisturbed rotation")?;
        ensure!(points.len() > 20, "only {} points were recorded", points.len());
        Ok(points)
    }

    /// Asks for a rotation.
    pub(crate) async fn ask(&self) -> Result<()> {
        self.scene.daemon.rotate(&[&self.name]).await.map(drop)
    }

    async fn until_still(&mut self) -> Result<()> {
        ensure!(!self.until_dead_or_settled().await?, "the daemon ended");
        Ok(())
    }

    /// Kills at a point of a fresh rotation, restarts without faults, and has the oracle find nothing. Answers
    /// whether the point was reached.
    pub(crate) async fn kill_at(&mut self, stop: &Stop) -> Result<bool> {
        let plan = self.faults.clone().kill(&stop.spot, stop.when);
        self.again(&plan).await?;
        plan.arm()?;
        // The request itself may be cut off.
        let _ = self.ask().await;
        let is_reached = self.until_dead_or_settled().await?;
        plan.disarm()?;
        if !is_reached {
            return Ok(false);
        }
        self.scene.daemon.forget_ended();
        ensure!(plan.fired().len() == 1, "the kill left no mark: {:?}", plan.fired());
        self.recover().await.with_context(|| format!("killed {:?} {}", stop.when, stop.spot))?;
        Ok(true)
    }

    /// Starts the dead daemon without faults, waits until all is over, and judges.
    pub(crate) async fn recover(&mut self) -> Result<()> {
        self.scene.daemon.clear_env();
        self.scene.daemon.serve().await?;
        self.scene.settle_and_prove().await.map(drop)
    }

    /// Waits until the daemon has ended, or has nothing more to do; answers whether it has ended.
    pub(crate) async fn until_dead_or_settled(&mut self) -> Result<bool> {
        let still = if self.scene.store.is_some() { STILL_SHARED } else { STILL };
        let (mut seen, mut since) = (0, Instant::now());
        let is_over = async || {
            if !self.scene.daemon.is_running() {
                return Some(true);
            }
            let count = self.faults.record().map_or(0, |points| points.len());
            // To ask a daemon whose store is a server would itself be recorded.
            let is_settled = self.scene.store.is_some() || self.scene.daemon.is_settled().await;
            if !is_settled || count != seen {
                (seen, since) = (count, Instant::now());
            }
            (since.elapsed() > still).then_some(false)
        };
        eventually(SETTLING, "the daemon is dead or settled", is_over).await
    }
}

/// The stops for recorded points: before each, and after what leaves the process or becomes durable. After any other
/// write the world is as before the next point.
pub(crate) fn stops(points: &[Point]) -> Vec<Stop> {
    let mut stops = Vec::new();
    for point in points {
        stops.push(Stop { spot: point.spot(), when: When::Before });
        if matches!(point.kind.as_str(), "send" | "sync" | "connect") {
            stops.push(Stop { spot: point.spot(), when: When::After });
        }
    }
    if let Some(last) = points.last() {
        stops.push(Stop { spot: last.spot(), when: When::After });
    }
    stops.dedup();
    stops
}

/// The stops of a test run: one write, by a seed, of those between two syncs, each sync before and after, and after
/// all that is sent. The stops left out leave store and target as one of these does.
pub(crate) fn sampled(points: &[Point], seed: u64) -> Vec<Stop> {
    let mut sampler = Sampler::new(seed);
    let mut stops = Vec::new();
    for run in points.chunk_by(|one, next| one.kind == "write" && next.kind == "write") {
        for point in sampler.some(run, 1) {
            let whens: &[When] = match point.kind.as_str() {
                "send" | "connect" => &[When::After],
                "sync" => &[When::Before, When::After],
                _ => &[When::Before],
            };
            stops.extend(whens.iter().map(|when| Stop { spot: point.spot(), when: *when }));
        }
    }
    stops
}

/// The stops of a test run before a store that is a server: by a seed one of the calls that lead to each marked one,
/// before or after it, and after the marked one itself.
pub(crate) fn each_step(points: &[Point], seed: u64) -> Vec<Stop> {
    let mut sampler = Sampler::new(seed);
    let mut stops = Vec::new();
    for step in points.split_inclusive(|point| point.mark.is_some()) {
        for point in sampler.some(step, 1) {
            let when = if sampler.below(2) == 0 { When::Before } else { When::After };
            stops.push(Stop { spot: point.spot(), when });
        }
        let marked = step.last().filter(|point| point.mark.is_some());
        stops.extend(marked.map(|point| Stop { spot: point.spot(), when: When::After }));
    }
    stops.dedup();
    stops
}

/// The writes of the store: all, or by a seed one of each run between two syncs.
pub(crate) fn writes(points: &[Point], seed: Option<u64>) -> Vec<String> {
    let mut sampler = seed.map(Sampler::new);
    let runs = points.chunk_by(|one, next| one.kind == "write" && next.kind == "write");
    let runs = runs.filter(|run| run[0].kind == "write");
    runs.flat_map(|run| match &mut sampler {
        Some(sampler) => sampler.some(run, 1),
        None => run.to_vec(),
    })
    .map(|point| point.spot())
    .collect()
}

/// The syncs of the store.
pub(crate) fn syncs(points: &[Point]) -> Vec<String> {
    points.iter().filter(|point| point.kind == "sync").map(Point::spot).collect()
}
