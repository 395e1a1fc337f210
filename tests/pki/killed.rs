//! The daemon is killed at points of a renewal, started again, and what nginx serves is judged: one pair, whole, which
//! is the current one, on the disk and on the wire.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::pair::{leftovers, prove_pair};
use super::world::{NAME, World};
use crate::crash::points::Stop;
use crate::support::daemon::Daemon;
use crate::support::nginx::Nginx;
use crate::support::postgres::PostgresServer;
use crate::support::preload::Faults;
use crate::support::recording::Point;
use crate::support::scene::{QUIET, SETTLING};
use crate::support::shared::{SharedStore, quick};
use crate::support::wait::eventually;

/// For how long nothing may be recorded before a renewal counts as over; longer where nobody can be asked.
const STILL: Duration = Duration::from_millis(250);
const STILL_SHARED: Duration = Duration::from_millis(1_500);

/// A world whose data, store and install root are kept as they were before the renewal.
pub(super) struct Walk {
    pub(super) world: World,
    store: Option<SharedStore>,
    pub(super) faults: Faults,
    /// The certificate before the renewal.
    first: String,
}

/// Copies a folder with links, modes and owners.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().context("run cp")?;
    ensure!(status.success(), "cp {} {}", from.display(), to.display());
    Ok(())
}

impl Walk {
    /// Issues a certificate without an overlap, so that its retirement is walked too, and stops the daemon.
    async fn begin(kept: Option<(&Arc<PostgresServer>, &str)>) -> Result<Self> {
        let nginx = Nginx::prepare(1)?;
        let config = nginx.config();
        let store = kept.map(|(server, database)| {
            SharedStore::make(server, database, server.port(), &format!("{}{config}", quick()))
        });
        let daemon = match &store {
            Some(store) => store.first().await?,
            None => Daemon::start(&format!("{QUIET}{config}")).await?,
        };
        let world = World::with(daemon, nginx).await?;
        world.issue(&["--overlap", "0s"]).await?;
        Self::over(world, store).await
    }

    /// The same over a world with a certificate.
    pub(super) async fn over(mut world: World, store: Option<SharedStore>) -> Result<Self> {
        let first = world.current().await?;
        ensure!(world.daemon.terminate().await?.success(), "the daemon did not end well");
        world.daemon.keep_data()?;
        copy(&world.nginx.tls().join("shop"), &world.daemon.folder().join("shop"))?;
        let folder = world.daemon.folder().join("faults");
        std::fs::create_dir(&folder).context("make a folder")?;
        let below = PathBuf::from(format!("{}/", world.nginx.tls().display()));
        let mut faults = Faults::new(&folder).store(&below);
        match &store {
            Some(store) => {
                store.keep();
                faults = faults.peer(store.address());
            }
            None => faults = faults.store(&world.daemon.store()),
        }
        Ok(Self { world, store, faults, first })
    }

    /// Puts all back, nginx to the pair before, and starts the daemon under a plan that is not armed yet.
    async fn again(&mut self, faults: &Faults) -> Result<()> {
        let daemon = &mut self.world.daemon;
        daemon.clear_env();
        if daemon.is_running() {
            daemon.kill9().await?;
        }
        daemon.put_data_back()?;
        if let Some(store) = &self.store {
            store.put_back();
        }
        let place = self.world.nginx.tls().join("shop");
        std::fs::remove_dir_all(&place).context("remove the place")?;
        copy(&daemon.folder().join("shop"), &place)?;
        self.world.nginx.reload()?;
        let world = &self.world;
        let is_back = async || (world.served().ok()? == self.first).then_some(());
        eventually(SETTLING, "nginx presents the pair before", is_back).await?;
        faults.forget();
        self.world.daemon.set_envs(faults.env()?);
        self.world.daemon.serve().await
    }

    /// One undisturbed renewal; answers its points.
    pub(super) async fn record(&mut self) -> Result<Vec<Point>> {
        let faults = self.faults.clone();
        self.again(&faults).await?;
        faults.arm()?;
        self.world.daemon.rotate(&[NAME]).await?;
        ensure!(!self.until_dead_or_settled().await?, "the daemon ended");
        faults.disarm()?;
        let points = faults.record()?;
        self.prove().await.context("an undisturbed renewal")?;
        ensure!(self.world.served()? != self.first, "it was not renewed");
        ensure!(points.len() > 20, "only {} points were recorded", points.len());
        Ok(points)
    }

    /// Kills at a point of a fresh renewal. One that is not reached may have been moved by what is random; not three
    /// times. Answers how often it was not.
    pub(super) async fn die_at(&mut self, stop: &Stop) -> Result<usize> {
        const TRIES: usize = 3;
        for missed in 0..TRIES {
            let plan = self.faults.clone().kill(&stop.spot, stop.when);
            self.again(&plan).await?;
            plan.arm()?;
            // The request itself may be cut off.
            let _ = self.world.daemon.rotate(&[NAME]).await;
            let is_reached = self.until_dead_or_settled().await?;
            plan.disarm()?;
            if is_reached {
                self.world.daemon.forget_ended();
                ensure!(plan.fired().len() == 1, "the kill left no mark: {:?}", plan.fired());
                return Ok(missed);
            }
        }
        bail!("{:?} {} was not reached", stop.when, stop.spot)
    }

    /// Starts the dead daemon without faults, and judges when nothing runs any more.
    pub(super) async fn recover(&mut self, stop: &Stop) -> Result<()> {
        self.world.daemon.clear_env();
        self.world.daemon.serve().await?;
        self.prove().await.with_context(|| format!("killed {:?} {}", stop.when, stop.spot))
    }

    /// Waits until the daemon has ended, or has nothing more to do; answers whether it has ended.
    async fn until_dead_or_settled(&mut self) -> Result<bool> {
        let still = if self.store.is_some() { STILL_SHARED } else { STILL };
        let (mut seen, mut since) = (0, Instant::now());
        let is_over = async || {
            if !self.world.daemon.is_running() {
                return Some(true);
            }
            let count = self.faults.record().map_or(0, |points| points.len());
            // To ask a daemon whose store is a server would itself be recorded.
            let is_settled = self.store.is_some() || self.world.daemon.is_settled().await;
            if !is_settled || count != seen {
                (seen, since) = (count, Instant::now());
            }
            (since.elapsed() > still).then_some(false)
        };
        eventually(SETTLING, "the daemon is dead or settled", is_over).await
    }

    /// Waits until nothing runs, and judges. What a dead one left under a temporary name is gone after a renewal.
    async fn prove(&self) -> Result<()> {
        self.world.daemon.settle(SETTLING).await?;
        self.judge().await?;
        let place = self.world.nginx.tls().join("shop");
        if leftovers(&place)?.is_empty() {
            return Ok(());
        }
        ensure!(self.world.renew().await? == 0, "the renewal after it failed: {}", self.world.daemon.stderr());
        self.world.daemon.settle(SETTLING).await?;
        self.judge().await.context("after the next renewal")?;
        let left = leftovers(&place)?;
        ensure!(left.is_empty(), "left behind: {left:?}");
        Ok(())
    }

    async fn judge(&self) -> Result<()> {
        let (world, current) = (&self.world, self.world.current().await?);
        let on_disk = prove_pair(&world.nginx.current(), &world.ca)?;
        ensure!(on_disk.trim() == current.trim(), "the disk has another certificate than keywheel");
        ensure!(world.served()? == current, "nginx presents another certificate than keywheel");
        let shown = world.daemon.secret(NAME).await?;
        let versions = shown["versions"].as_array().context("versions")?;
        let stages: Vec<&str> = versions.iter().filter_map(|version| version["stage"].as_str()).collect();
        let is_one = stages.iter().filter(|stage| **stage == "current").count() == 1;
        let is_clean = stages.iter().all(|stage| ["current", "retired"].contains(stage));
        ensure!(is_one && is_clean, "the stages are {stages:?}");
        let alerts = world.daemon.alerts().await?;
        ensure!(alerts.is_empty(), "open alerts: {alerts:?}");
        Ok(())
    }
}

mod proofs {
    use super::*;
    use crate::crash::points::{each_step, sampled, stops};
    use crate::crash::walkers::share;
    use crate::support::proof::{Proof, count};
    use crate::support::scene::start_server;

    /// Worlds beside each other.
    const WALKERS: usize = 3;
    async fn kill_at_all(proof: Proof, walkers: Vec<Walk>, stops: Vec<Stop>) -> Result<()> {
        let owed = stops.len() as u64;
        let kill = async |walk: &mut Walk, stop: Stop| {
            walk.die_at(&stop).await?;
            walk.recover(&stop).await
        };
        proof.end(share(walkers, stops, kill).await?, owed)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_at_any_point_of_a_renewal_ends_in_one_served_pair() -> Result<()> {
        let proof = Proof::begin("certificates: killed", "kills at points of a renewal");
        let mut walkers = Vec::new();
        for _ in 0..WALKERS {
            walkers.push(Walk::begin(None).await?);
        }
        let points = walkers[0].record().await?;
        let is_installed = points.iter().any(|point| point.label.ends_with("/*") && point.kind == "sync");
        ensure!(is_installed, "no file of the install root was seen: {points:?}");
        let stops = if count(0, 1) > 0 { stops(&points) } else { sampled(&points, proof.seed()) };
        kill_at_all(proof, walkers, stops).await
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

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_at_any_step_of_a_renewal_ends_in_one_served_pair_that_postgres_stores() -> Result<()> {
        let proof = Proof::begin("certificates: killed", "kills at steps of a renewal, stored in PostgreSQL");
        let server = start_server().await?;
        let mut walkers = Vec::new();
        for n in 0..WALKERS {
            let mut walk = Walk::begin(Some((&server, &format!("kept_{n}")))).await?;
            walk.faults = STEPS.iter().fold(walk.faults, |faults, step| faults.mark(step));
            walkers.push(walk);
        }
        let points = walkers[0].record().await?;
        let told = STEPS.iter().filter(|step| points.iter().any(|point| point.mark.as_deref() == Some(step)));
        // What is verified is published in the same write.
        ensure!(told.count() >= STEPS.len() - 1, "steps were not recorded: {points:?}");
        let stops = if count(0, 1) > 0 { stops(&points) } else { each_step(&points, proof.seed()) };
        kill_at_all(proof, walkers, stops).await
    }
}
