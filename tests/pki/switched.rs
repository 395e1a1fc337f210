//! Switches beside an nginx that is reloaded in a loop, clients that shake hands, and a reader that opens the folder one
//! time for each pair.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::Utc;
use keywheel_certificate::host::{InstallRoot, InstallRules, Installer, Place, VersionFile, VersionName};
use keywheel_certificate::x509::{
    Authority, AuthorityRequest, KeyKind, LeafRequest, OnClamp, PrivateKey, Profile, SubjectName, bundle,
};
use keywheel_contract::kit::SystemRandom;
use rustix::fs::{Mode, OFlags};

use super::pair::prove_pair;
use super::world::HOST;
use crate::support::nginx::{Nginx, presented};
use crate::support::wait::eventually;

/// One version: its name, its files, and its leaf.
struct Version {
    name: VersionName,
    files: Vec<VersionFile>,
    leaf: String,
}

/// An authority of the test's own, and where it is exported to.
fn authority(folder: &Path) -> Result<(Authority, PathBuf)> {
    let request = AuthorityRequest {
        common_name: "Switching Root".to_owned(),
        organisation: None,
        key: KeyKind::P256,
        lifetime: Duration::from_hours(48),
        path_length: None,
        permitted: Vec::new(),
        excluded: Vec::new(),
    };
    let authority = Authority::create_root(&request, &SystemRandom, Utc::now())?;
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, authority.root().pem())?;
    Ok((authority, ca))
}

fn issue(authority: &Authority) -> Result<Version> {
    let request = LeafRequest {
        common_name: None,
        organisation: None,
        names: vec![SubjectName::parse(HOST)?],
        profile: Profile::Server,
        lifetime: Duration::from_hours(24),
        on_clamp: OnClamp::Refuse,
        crl_url: None,
    };
    let key = PrivateKey::generate(KeyKind::P256)?;
    let issued = authority.issue(&request, &key, &SystemRandom, Utc::now())?;
    let leaf = issued.certificate.pem();
    let files = vec![
        VersionFile::private("key.pem", key.to_pem().expose().as_bytes()),
        VersionFile::public("cert.pem", leaf.as_bytes()),
        VersionFile::public("chain.pem", issued.root.pem()),
        VersionFile::public("fullchain.pem", bundle::full_chain_pem(&issued)),
        VersionFile::private("combined.pem", bundle::combined_pem(&issued, &key).expose().as_bytes()),
    ];
    Ok(Version { name: VersionName::parse(&issued.certificate.facts().serial)?, files, leaf })
}

fn read_at(folder: &OwnedFd, name: &str) -> Result<String> {
    let opened = rustix::fs::openat(folder, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = String::new();
    File::from(opened).read_to_string(&mut text)?;
    Ok(text)
}

/// What happens beside the switches.
#[derive(Default)]
struct Beside {
    is_over: AtomicBool,
    reloads: AtomicU64,
    refused: AtomicU64,
    handshakes: AtomicU64,
    reads: AtomicU64,
}

impl Beside {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    fn seen(&self) -> [u64; 3] {
        [&self.reloads, &self.handshakes, &self.reads].map(|count| count.load(Ordering::Relaxed))
    }

    /// Reloads in a loop. nginx goes through the link for each file: one that meets a switch in between it refuses, and
    /// stays as it is.
    fn reload(&self, nginx: &Nginx) -> Result<()> {
        while self.goes_on() {
            match nginx.reload() {
                Ok(()) => self.reloads.fetch_add(1, Ordering::Relaxed),
                Err(error) if error.to_string().contains("key values mismatch") => {
                    self.refused.fetch_add(1, Ordering::Relaxed)
                }
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }

    /// Every handshake shows a certificate that was issued, by the word of a client that verifies it.
    fn shake_hands(&self, nginx: &Nginx, ca: &Path, leaves: &BTreeMap<String, usize>) -> Result<()> {
        while self.goes_on() {
            let seen = presented(nginx.ports[0], HOST, ca).with_context(|| nginx.log())?;
            ensure!(leaves.contains_key(&seen), "nobody issued {seen}");
            self.handshakes.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Every folder that is opened holds a key and a certificate of the same version.
    fn read(&self, current: &Path, keys: &BTreeMap<String, usize>, leaves: &BTreeMap<String, usize>) -> Result<()> {
        while self.goes_on() {
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
            let folder = rustix::fs::open(current, flags, Mode::empty())?;
            let (key, leaf) = (read_at(&folder, "key.pem")?, read_at(&folder, "cert.pem")?);
            let (key, leaf) = (keys.get(&key), leaves.get(&leaf));
            ensure!(key.is_some() && key == leaf, "the key is of {key:?} and the certificate of {leaf:?}");
            self.reads.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// nginx, an authority, and versions to switch between.
struct Bench {
    nginx: Nginx,
    ca: PathBuf,
    versions: Vec<Version>,
    installer: Installer,
}

impl Bench {
    /// The first version is installed and served.
    async fn begin(issued: usize) -> Result<Self> {
        let nginx = Nginx::prepare(1)?;
        let (authority, ca) = authority(nginx.tls().parent().context("a folder")?)?;
        let versions = (0..issued).map(|_| issue(&authority)).collect::<Result<Vec<_>>>()?;
        let root = InstallRoot::new("nginx", nginx.tls(), InstallRules::default());
        let installer = Installer::new(Place::new(&root, vec!["shop".to_owned()])?);
        let bench = Self { nginx, ca, versions, installer };
        bench.switch_to(0).await?;
        bench.nginx.reload()?;
        bench.until_shown(0).await?;
        Ok(bench)
    }

    async fn switch_to(&self, at: usize) -> Result<()> {
        let version = &self.versions[at];
        self.installer.install(&version.name, version.files.clone()).await?;
        Ok(self.installer.switch(&version.name).await?)
    }

    async fn until_shown(&self, at: usize) -> Result<()> {
        let seen = || presented(self.nginx.ports[0], HOST, &self.ca).ok();
        let is_shown = async || (seen()? == self.versions[at].leaf).then_some(());
        eventually(Duration::from_secs(20), "nginx presents the newest pair", is_shown).await
    }

    /// Which version the text of a file belongs to.
    fn by_text(&self, name: &str) -> BTreeMap<String, usize> {
        let text = |version: &Version| {
            let file = version.files.iter().find(|file| file.name == name).expect("it was made");
            String::from_utf8_lossy(&file.content).into_owned()
        };
        self.versions.iter().enumerate().map(|(n, version)| (text(version), n)).collect()
    }

    /// Switches from version to version until enough of everything has been seen; answers the last, and how many.
    async fn switch_on(&self, beside: &Beside, owed: [u64; 4]) -> Result<(usize, u64)> {
        let (mut at, mut switches) = (0, 0);
        let is_enough = |switches| {
            let [reloads, handshakes, reads] = beside.seen();
            switches >= owed[0] && reloads >= owed[1] && handshakes >= owed[2] && reads >= owed[3]
        };
        while !is_enough(switches) && beside.goes_on() {
            at = (at + 1) % self.versions.len();
            self.switch_to(at).await?;
            switches += 1;
        }
        Ok((at, switches))
    }

    /// The same beside all that reads.
    fn switch_beside(&self, beside: &Beside, owed: [u64; 4]) -> Result<(usize, u64)> {
        let (keys, leaves, current) = (self.by_text("key.pem"), self.by_text("cert.pem"), self.nginx.current());
        let tasks: [&(dyn Fn() -> Result<()> + Sync); 3] =
            [&|| beside.reload(&self.nginx), &|| beside.shake_hands(&self.nginx, &self.ca, &leaves), &|| {
                beside.read(&current, &keys, &leaves)
            }];
        std::thread::scope(|scope| {
            let ending = |task: &(dyn Fn() -> Result<()> + Sync)| {
                let done = task();
                beside.is_over.store(true, Ordering::Relaxed);
                done
            };
            let running: Vec<_> = tasks.into_iter().map(|task| scope.spawn(move || ending(task))).collect();
            let switching = self.switch_on(beside, owed);
            let done = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(switching));
            beside.is_over.store(true, Ordering::Relaxed);
            for one in running {
                one.join().expect("it does not panic")?;
            }
            done
        })
    }
}

mod proofs {
    use super::*;
    use crate::support::proof::{Proof, count};

    const ISSUED: usize = 12;

    #[tokio::test(flavor = "multi_thread")]
    async fn nginx_that_is_reloaded_in_a_loop_ends_on_the_newest_pair_and_nobody_sees_a_mixed_one() -> Result<()> {
        let proof = Proof::begin("certificates: switched", "switches beside reloads, handshakes and reads");
        let owed = [count(20, 200), count(10, 100), count(10, 200), count(5_000, 100_000)];
        let (bench, beside) = (Bench::begin(ISSUED).await?, Beside::default());
        let (at, switches) = bench.switch_beside(&beside, owed)?;
        bench.nginx.reload()?;
        bench.until_shown(at).await?;
        ensure!(prove_pair(&bench.nginx.current(), &bench.ca)? == bench.versions[at].leaf, "another pair is linked");
        let refused = beside.refused.load(Ordering::Relaxed);
        proof.figure(&format!("{:?} reloads, handshakes and reads; {refused} reloads refused", beside.seen()))?;
        proof.end(switches, owed[0])
    }
}
