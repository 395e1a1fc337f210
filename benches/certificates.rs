//! Certificates: how many a private authority issues and stores in a second with 16 clients, over bare rcgen on the same
//! cores; how long an RSA key from the pool takes; atomic installations over bare durable writes of the same files;
//! and 500 certificates of one authority that are renewed at once.
#![allow(
    dead_code,
    unused_imports,
    clippy::disallowed_methods,
    clippy::duplicated_attributes,
    clippy::wildcard_imports,
    clippy::print_stdout,
    reason = "a bench uses a part of the tests' harness, measures in running time, and prints its figures"
)]

#[path = "support/mod.rs"]
mod ground;
#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    io::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use ground::{
    figures::{Goal, per_second, quantile_ms, say, tell_pairs, tell_value},
    pause::pause,
    world::World,
};
use keywheel::{
    engine::{
        Engine, Options,
        ops::{
            pki::{
                authorities::{self, CreateAuthority},
                certificates::{self, KeepCertificate},
                issue::{self, IssueCertificate},
            },
            rotate::{self, RequestRotation},
        },
    },
    model::Actor,
};
use keywheel_certificate::{
    host::{InstallRoot, InstallRules, Installer, Place, VersionFile, VersionName},
    x509::{KeyKind, RsaPool},
};

const PAIRS: usize = 5;
const SPAN: Duration = Duration::from_secs(4);
const CLIENTS: usize = 16;
const RENEWED: usize = 500;
const INSTALLED: usize = 300;
const KEYS: usize = 8;

#[tokio::main]
async fn main() -> Result<()> {
    issuing().await?;
    from_the_pool().await?;
    installing().await?;
    renewing().await
}

fn actor() -> Actor {
    Actor::daemon()
}

async fn authority(engine: &Arc<Engine>) -> Result<()> {
    let root = CreateAuthority { permit: vec!["example.org".to_owned()], ..CreateAuthority::default() };
    authorities::create(engine, &actor(), "root", root).await?;
    Ok(())
}

fn wanted(kind: KeyKind) -> IssueCertificate {
    let names = vec!["a.example.org".to_owned()];
    IssueCertificate { names, key: Some(kind), lifetime: Some("1d".to_owned()), ..IssueCertificate::default() }
}

async fn issuing() -> Result<()> {
    let world = World::new(Options::default()).await?;
    authority(&world.engine).await?;
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let ours = stored(&world.engine).await?;
        pairs.push((ours, bare().await?));
    }
    let rates: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
    tell_value("P-256 certificates stored in a second, 16 clients", Goal::AtLeast(2000.0), middle(rates), "median");
    tell_pairs("the same over bare rcgen: key, signature, PEM", Goal::AtLeast(0.0), &pairs);
    Ok(())
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn stored(engine: &Arc<Engine>) -> Result<f64> {
    let mut tasks = tokio::task::JoinSet::new();
    let begin = Instant::now();
    for _ in 0..CLIENTS {
        let engine = Arc::clone(engine);
        tasks.spawn(async move {
            let mut done = 0_usize;
            while begin.elapsed() < SPAN {
                issue::issue(&engine, &actor(), "root", wanted(KeyKind::P256)).await?;
                done += 1;
            }
            anyhow::Ok(done)
        });
    }
    let mut all = 0;
    while let Some(done) = tasks.join_next().await {
        all += done??;
    }
    Ok(per_second(all, begin.elapsed()))
}

/// Bare rcgen on both cores.
async fn bare() -> Result<f64> {
    let mut tasks = tokio::task::JoinSet::new();
    let begin = Instant::now();
    for _ in 0..2 {
        tasks.spawn_blocking(move || {
            let root_key = rcgen::KeyPair::generate()?;
            let issuer = rcgen::Issuer::new(rcgen::CertificateParams::new(vec![])?, root_key);
            let mut done = 0_usize;
            while begin.elapsed() < SPAN {
                let key = rcgen::KeyPair::generate()?;
                let leaf = rcgen::CertificateParams::new(vec!["a.example.org".to_owned()])?.signed_by(&key, &issuer)?;
                std::hint::black_box((key.serialize_pem(), leaf.pem()));
                done += 1;
            }
            anyhow::Ok(done)
        });
    }
    let mut all = 0;
    while let Some(done) = tasks.join_next().await {
        all += done??;
    }
    Ok(per_second(all, begin.elapsed()))
}

async fn from_the_pool() -> Result<()> {
    let world = World::new(Options::default()).await?;
    authority(&world.engine).await?;
    RsaPool::shared().warm(KeyKind::Rsa2048, KEYS);
    let begin = Instant::now();
    while RsaPool::shared().ready(KeyKind::Rsa2048) < KEYS && begin.elapsed() < Duration::from_mins(3) {
        pause(Duration::from_millis(100)).await;
    }
    say(&format!("{} RSA-2048 keys made ahead in {:.1} s", KEYS, begin.elapsed().as_secs_f64()));
    let mut times = Vec::new();
    for _ in 0..KEYS {
        let begin = Instant::now();
        issue::issue(&world.engine, &actor(), "root", wanted(KeyKind::Rsa2048)).await?;
        times.push(i64::try_from(begin.elapsed().as_micros())?);
    }
    let slowest = quantile_ms(&mut times, 1.0);
    tell_value("RSA-2048 certificate while the pool lasts, slowest", Goal::AtMost(50.0), slowest, "ms");
    Ok(())
}

fn files() -> Vec<VersionFile> {
    let (key, certificate) = ("k".repeat(240), "c".repeat(1200));
    vec![
        VersionFile::private("key.pem", key.clone()),
        VersionFile::public("cert.pem", certificate.clone()),
        VersionFile::public("chain.pem", certificate.clone()),
        VersionFile::public("fullchain.pem", format!("{certificate}{certificate}")),
        VersionFile::private("combined.pem", format!("{key}{certificate}{certificate}")),
    ]
}

async fn installing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let root = InstallRoot::new("bench", folder.path(), InstallRules::default());
    let mut pairs = Vec::new();
    for round in 0..PAIRS {
        let installer = Installer::new(Place::new(&root, vec![format!("place{round}")])?);
        let begin = Instant::now();
        for at in 0..INSTALLED {
            let version = VersionName::parse(&format!("{at:06x}"))?;
            installer.install(&version, files()).await?;
            installer.switch(&version).await?;
        }
        let ours = per_second(INSTALLED, begin.elapsed());
        let begin = Instant::now();
        for at in 0..INSTALLED {
            durable(&folder.path().join(format!("bare{round}")), at)?;
        }
        pairs.push((ours, per_second(INSTALLED, begin.elapsed())));
    }
    tell_pairs("atomic installations over bare durable writes of key and certificate", Goal::AtLeast(0.7), &pairs);
    Ok(())
}

/// A pair of files written and synced, with their folder.
fn durable(folder: &Path, at: usize) -> Result<()> {
    let folder = folder.join(format!("{at:06x}"));
    std::fs::create_dir_all(&folder)?;
    for file in files().iter().filter(|file| ["key.pem", "fullchain.pem"].contains(&file.name)) {
        let mut made = std::fs::File::create(folder.join(file.name))?;
        made.write_all(&file.content)?;
        made.sync_all()?;
    }
    std::fs::File::open(&folder)?.sync_all()?;
    Ok(())
}

async fn renewing() -> Result<()> {
    let mut world = World::new(Options::default()).await?;
    authority(&world.engine).await?;
    let names: Vec<String> = (0..RENEWED).map(|at| format!("web/{at:03}")).collect();
    for name in &names {
        let request = KeepCertificate {
            authority: "root".to_owned(),
            names: vec![format!("{}.example.org", name.replace('/', "-"))],
            install: Some(format!("bench/{}", name.replace('/', "-"))),
            ..KeepCertificate::default()
        };
        certificates::keep(&world.engine, &actor(), name, request).await?;
    }
    let begin = Instant::now();
    world.start();
    wait_for(&world, RENEWED, 1).await?;
    say(&format!("first {RENEWED} certificates issued and installed: {:.1} s", begin.elapsed().as_secs_f64()));
    let begin = Instant::now();
    let request = RequestRotation { names, acknowledge: vec!["cuts-overlap".to_owned()], ..RequestRotation::default() };
    rotate::request(&world.engine, &actor(), request).await?;
    wait_for(&world, RENEWED, 2).await?;
    let rate = per_second(RENEWED, begin.elapsed());
    tell_value(
        "certificates renewed and installed in a second, 500 at once",
        Goal::AtLeast(120.0),
        rate,
        "from the request to the last publish",
    );
    world.stop().await;
    Ok(())
}

async fn wait_for(world: &World, count: usize, version: i64) -> Result<()> {
    let begin = Instant::now();
    loop {
        let lines = certificates::list(&world.engine, &actor()).await?;
        if lines.iter().filter(|line| line.version.is_some_and(|found| found >= version)).count() >= count {
            return Ok(());
        }
        ensure!(begin.elapsed() < Duration::from_mins(5), "not all reached version {version}");
        pause(Duration::from_millis(250)).await;
    }
}
