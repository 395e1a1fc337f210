//! Kept scans are repeated daily, on a manual clock, by one daemon of those that share a store.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use chrono::{DateTime, Utc};
use keywheel::{
    clock::{Clock, ManualClock, Sleep, SystemClock},
    engine::{
        Options,
        ops::pki::scan::{self, ScanCertificates},
    },
    model::Actor,
};
use keywheel_contract::kit::{FakeRotator, FakeTarget};

use super::world::World;
use crate::pki::files::Files;

const DAY: Duration = Duration::from_hours(24);

fn asked(roots: &[&str]) -> ScanCertificates {
    let roots = roots.iter().map(|root| (*root).to_owned()).collect();
    ScanCertificates { roots, ..ScanCertificates::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_scan_is_repeated_after_a_day_and_not_before() -> Result<()> {
    let files = Files::new()?;
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let options = Options { scan_roots: BTreeMap::from([("etc".to_owned(), files.root())]), ..Options::default() };
    let fake = |fake| Arc::new(FakeRotator { target: fake }) as _;
    let world = World::with(options, Arc::clone(&clock) as _, FakeTarget::new(), fake).await;
    let me = Actor::local(1000);
    let first = scan::scan(&world.engine, &me, asked(&["etc"])).await.expect("scanned");
    ensure!(first.certificates.is_empty() && first.kept.as_deref() == Some("etc"));
    files.put("a.pem", "a.example.org", 90)?;
    clock.advance(DAY.saturating_sub(Duration::from_hours(2)));
    scan::again(&world.engine).await.expect("looked");
    ensure!(scan::list(&world.engine).await.expect("listed")[0].found == 0, "it was not due yet");
    clock.advance(Duration::from_hours(4));
    let another = world.another().await;
    let (one, other) = tokio::join!(scan::again(&world.engine), scan::again(&another));
    one.and(other).expect("repeated");
    let kept = scan::list(&world.engine).await.expect("listed");
    ensure!(kept[0].found == 1 && kept[0].next_at.0 > clock.now() + DAY - Duration::from_hours(2), "{kept:?}");
    scan::forget(&world.engine, &me, "etc").await.expect("forgotten");
    ensure!(scan::list(&world.engine).await.expect("listed").is_empty());
    Ok(())
}

/// A clock that does not wait: at each sleep it copies a file to where it belongs, as a tool does that replaces one.
struct Replacing {
    from: PathBuf,
    to: PathBuf,
    sleeps: AtomicUsize,
}

impl Clock for Replacing {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now()
    }

    fn boot(&self) -> Duration {
        SystemClock.boot()
    }

    fn sleep(&self, _: Duration) -> Sleep {
        self.sleeps.fetch_add(1, Ordering::Relaxed);
        std::fs::copy(&self.from, &self.to).expect("copied");
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_just_being_replaced_has_not_vanished() -> Result<()> {
    let files = Files::new()?;
    files.put("a.pem", "a.example.org", 90)?;
    let next = files.make("b.example.org", 90)?;
    let clock = Arc::new(Replacing { from: next, to: files.at("a.pem"), sleeps: AtomicUsize::new(0) });
    let options = Options { scan_roots: BTreeMap::from([("etc".to_owned(), files.root())]), ..Options::default() };
    let fake = |fake| Arc::new(FakeRotator { target: fake }) as _;
    let world = World::with(options, Arc::clone(&clock) as _, FakeTarget::new(), fake).await;
    let me = Actor::local(1000);
    let standing = async || {
        let report = scan::scan(&world.engine, &me, asked(&["etc"])).await.expect("scanned");
        report.certificates.iter().map(|one| one.standing.clone()).collect::<Vec<_>>()
    };
    ensure!(standing().await == ["new"] && clock.sleeps.load(Ordering::Relaxed) == 0, "nothing was missed");
    std::fs::remove_file(files.at("a.pem"))?;
    ensure!(
        standing().await == ["renewed"] && clock.sleeps.load(Ordering::Relaxed) == 1,
        "it was not looked for again"
    );
    Ok(())
}
