//! An install root on a disk that is full: the pair in use stays, and the renewal goes through when there is room.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::pair::{leftovers, path, prove_pair};
use super::world::World;
use crate::support::nginx::Nginx;
use crate::support::preload::Faults;

const SHORT: &str = "[engine]\nverify_for = \"4s\"\nprobe_every = \"off\"\n";

/// A small file system of its own; taken away when it is dropped.
struct Small(PathBuf);

impl Small {
    /// None where this process may not make one.
    fn mount(at: &Path) -> Result<Option<Self>> {
        let command = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", &path(at)].map(str::to_owned);
        let mounted = Command::new("mount").args(command).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Ok(Some(Self(at.to_owned())));
        }
        writeln!(std::io::stderr(), "certificates: full disk: not tried on a file system: it takes root to mount one")?;
        Ok(None)
    }

    /// Fills it up to the last byte.
    fn fill(&self) -> Result<PathBuf> {
        let name = self.0.join("filler");
        let mut file = std::fs::File::create(&name).context("make a file")?;
        while file.write_all(&[0; 4096]).is_ok() {}
        Ok(name)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The renewal fails, and what was served is served, linked and whole, with nothing beside it.
async fn stays(world: &World, first: &str) -> Result<()> {
    ensure!(world.renew().await? == 1, "the renewal went through");
    ensure!(world.current().await? == first && world.served()? == first, "another one is current or served");
    ensure!(prove_pair(&world.nginx.current(), &world.ca)?.trim() == first.trim(), "another one is linked");
    let left = leftovers(&world.nginx.tls().join("shop"))?;
    ensure!(left.is_empty(), "left behind: {left:?}");
    Ok(())
}

/// The next renewal goes through.
async fn goes_through(world: &World, first: &str) -> Result<()> {
    ensure!(world.renew().await? == 0, "{}", world.daemon.stderr());
    let second = world.current().await?;
    ensure!(second != first && world.served()? == second, "the renewed one is not served");
    ensure!(prove_pair(&world.nginx.current(), &world.ca)?.trim() == second.trim(), "another one is linked");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_without_room_keeps_the_pair_in_use_until_there_is_room() -> Result<()> {
    let nginx = Nginx::prepare(1)?;
    let Some(small) = Small::mount(&nginx.tls())? else { return Ok(()) };
    let world = World::around(nginx, SHORT, "").await?;
    world.issue(&["--overlap", "0s"]).await?;
    let first = world.current().await?;
    let filler = small.fill()?;
    stays(&world, &first).await?;
    let alerts = world.daemon.status().await?["alerts"].to_string();
    ensure!(alerts.contains("no room"), "{alerts}");
    std::fs::remove_file(filler).context("make room")?;
    goes_through(&world, &first).await?;
    // Before the folder that it is mounted in.
    drop(small);
    Ok(())
}

/// The disk is full after so many bytes, whatever it said before.
async fn full_after(bytes: u64) -> Result<()> {
    let mut world = World::around(Nginx::prepare(1)?, SHORT, "").await?;
    world.issue(&["--overlap", "0s"]).await?;
    let first = world.current().await?;
    let folder = world.daemon.folder().join("faults");
    std::fs::create_dir(&folder).context("make a folder")?;
    let below = PathBuf::from(format!("{}/", world.nginx.tls().display()));
    let faults = Faults::new(&folder).store(&below).room(bytes);
    world.daemon.set_envs(faults.env()?);
    ensure!(world.daemon.terminate().await?.success(), "the daemon did not end well");
    world.daemon.serve().await?;
    faults.arm()?;
    stays(&world, &first).await?;
    ensure!(!faults.fired().is_empty(), "the disk was never full");
    faults.disarm()?;
    goes_through(&world, &first).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_at_the_first_byte_changes_nothing() -> Result<()> {
    full_after(0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_in_the_middle_of_a_version_changes_nothing() -> Result<()> {
    full_after(2_000).await
}
