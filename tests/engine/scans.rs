//! Kept scans are repeated daily, on a manual clock, by one daemon of those that share a store.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use keywheel::{
    clock::{Clock, ManualClock, SystemClock},
    engine::{
        Options,
        ops::pki::scan::{self, ScanCertificates},
    },
    model::Actor,
};
use keywheel_contract::kit::{FakeRotator, FakeTarget};

use super::world::World;
use crate::{
    pki::files::Files,
    support::wait::{eventually, never},
};

const DAY: Duration = Duration::from_hours(24);
const LIMIT: Duration = Duration::from_secs(20);

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

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_just_being_replaced_has_not_vanished() -> Result<()> {
    let files = Files::new()?;
    files.put("a.pem", "a.example.org", 90)?;
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let options = Options { scan_roots: BTreeMap::from([("etc".to_owned(), files.root())]), ..Options::default() };
    let fake = |fake| Arc::new(FakeRotator { target: fake }) as _;
    let world = World::with(options, Arc::clone(&clock) as _, FakeTarget::new(), fake).await;
    let engine = Arc::clone(&world.engine);
    let look = async move || scan::scan(&engine, &Actor::local(1000), asked(&["etc"])).await.expect("scanned");
    ensure!(look().await.certificates[0].standing == "new");
    std::fs::remove_file(files.at("a.pem"))?;
    let scanning = tokio::spawn(async move { look().await });
    let ended = async || scanning.is_finished().then_some(());
    never(Duration::from_millis(300), "a verdict after one look", ended).await?;
    files.put("a.pem", "a.example.org", 91)?;
    let ended = async || {
        clock.advance(Duration::from_secs(1));
        scanning.is_finished().then_some(())
    };
    eventually(LIMIT, "the second look is over", ended).await?;
    ensure!(scanning.await?.certificates[0].standing == "renewed", "it has vanished");
    Ok(())
}
