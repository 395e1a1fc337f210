//! The engine's parts: store, keys, time, randomness, rotators, and what the configuration file allows on this host.

mod hook;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use chrono::{DateTime, Utc};
use keywheel_contract::{Random, Rotator};
use tokio::sync::{Notify, watch};

use crate::{
    clock::Clock,
    expiry::{Observation, Steady},
    keyring::{Keyring, MasterSource, Place},
    model::{HolderId, Material, Minter, Rising, TenantId, Version},
    notify,
    store::Store,
};

pub use hook::{Hook, HookFailure};

use super::{
    Counts, Kind, Trouble,
    claims::Claims,
    lanes::Lanes,
    notices::channels::Opened,
    ops::{
        access::{Uses, listener::Listening},
        pki::Ready,
    },
};

/// The rotators that this daemon knows, by kind.
#[derive(Clone, Default)]
pub struct Rotators(BTreeMap<&'static str, Arc<dyn Rotator>>);

impl Rotators {
    /// Adds a rotator under its kind.
    #[must_use]
    pub fn with(mut self, rotator: Arc<dyn Rotator>) -> Self {
        self.0.insert(rotator.kind(), rotator);
        self
    }

    /// The kinds.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    /// Finds a rotator.
    pub fn find(&self, kind: &str) -> Result<Arc<dyn Rotator>, Trouble> {
        self.0.get(kind).cloned().ok_or_else(|| {
            let known = self.0.keys().copied().collect::<Vec<_>>().join("`, `");
            let sentence = format!("no rotator is named `{kind}`");
            Trouble::new(Kind::Invalid, "unknown-rotator", sentence, format!("choose one of `{known}`"))
        })
    }
}

/// A folder below which the daemon may write deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRoot {
    /// The folder.
    pub path: PathBuf,
}

/// What the configuration says to the engine.
#[derive(Debug, Clone)]
pub struct Options {
    /// Rotations and other work at the same time.
    pub tasks: usize,
    /// Work at the same time at one target, unless the target says otherwise.
    pub per_target: usize,
    /// How long a claim lasts without renewal.
    pub claim: Duration,
    /// How long one outside call may take.
    pub step_deadline: Duration,
    /// How long verification looks for the candidate to work everywhere.
    pub verify_for: Duration,
    /// How often the current value of a managed secret is probed; none switches it off.
    pub probe_every: Option<Duration>,
    /// How long the loop sleeps at most.
    pub longest_sleep: Duration,
    /// Failures in a row after which a target's breaker opens.
    pub breaker_after: u32,
    /// Rotations that may be tried for one occurrence.
    pub rotations_per_occurrence: i64,
    /// How long before an expiry a rotation must have begun.
    pub expiry_margin: Duration,
    /// Commands that may be run, by name.
    pub hooks: BTreeMap<String, Hook>,
    /// Folders that may be written below, by name.
    pub delivery_roots: BTreeMap<String, DeliveryRoot>,
    /// Folders below which certificates may be looked for, by name.
    pub scan_roots: BTreeMap<String, PathBuf>,
    /// Where the daemon keeps its files.
    pub data_dir: PathBuf,
    /// Where the master keys come from, for their rotation; none where they cannot be rotated.
    pub keys: Option<MasterSource>,
    /// Bytes of the ballast file that is released when the disk is full; 0 for none.
    pub ballast: u64,
    /// Where people reach the daemon; links in notices begin with it.
    pub public_url: Option<String>,
    /// What every channel is bound to.
    pub notify: notify::Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tasks: 64,
            per_target: 8,
            claim: Duration::from_secs(15),
            step_deadline: Duration::from_secs(10),
            verify_for: Duration::from_mins(1),
            probe_every: Some(Duration::from_hours(24)),
            longest_sleep: Duration::from_secs(5),
            breaker_after: 5,
            rotations_per_occurrence: 5,
            expiry_margin: Duration::from_hours(24),
            hooks: BTreeMap::new(),
            delivery_roots: BTreeMap::new(),
            scan_roots: BTreeMap::new(),
            data_dir: PathBuf::new(),
            keys: None,
            ballast: 8 << 20,
            public_url: None,
            notify: notify::Limits::default(),
        }
    }
}

/// What the composition root brings.
pub struct Parts {
    /// The store.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// The rotators.
    pub rotators: Rotators,
    /// The settings.
    pub options: Options,
    /// The first tenant.
    pub tenant: TenantId,
}

/// Attempts to deliver notices at the same time, in all and by one channel.
const TELLING: usize = 128;
const PER_CHANNEL: usize = 8;

/// The engine. Shared by its loop, its tasks and the surfaces.
pub struct Engine {
    /// The store.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// The rotators.
    pub rotators: Rotators,
    /// The settings.
    pub options: Options,
    /// The first tenant; the only one yet.
    pub tenant: TenantId,
    /// This life of this process.
    pub holder: HolderId,
    pub(super) wake: Notify,
    /// Channels that are open.
    pub(crate) channels: Opened,
    /// Authorities that are ready to sign.
    pub(super) authorities: Ready,
    /// Whether the wall clock is believed.
    pub(super) steady: Mutex<Steady>,
    /// The id that was minted last: ids grow within a millisecond too.
    minted: Mutex<Rising>,
    pub(super) claims: Claims,
    pub(super) lanes: Lanes,
    /// Room for telling, apart from that for work: no receiver takes any from rotations.
    pub(super) telling: Lanes,
    pub(super) wake_telling: Notify,
    pub(super) stopping: watch::Sender<bool>,
    /// Set while the store's disk has no room for new work.
    pub(super) short_of_room: AtomicBool,
    /// What the process counts about itself.
    pub counts: Counts,
    /// How the HTTPS listener does.
    pub listening: Listening,
    /// Uses of tokens that were noted lately.
    pub(super) uses: Uses,
    /// Held while keys are rotated: one rotation of keys at a time.
    pub(super) keys_rotating: tokio::sync::Mutex<()>,
    /// Held while certificates are looked for: one scan at a time.
    pub(super) scanning: tokio::sync::Mutex<()>,
}

impl Engine {
    /// Puts the parts together. Nothing runs yet.
    pub fn new(parts: Parts) -> Arc<Self> {
        let minter = Minter { at: parts.clock.now(), random: &*parts.random };
        let holder = minter.mint(HolderId::mint);
        let first = Observation { wall_at: parts.clock.now(), boot: parts.clock.boot() };
        Arc::new(Self {
            minted: Mutex::default(),
            claims: Claims::default(),
            lanes: Lanes::new(parts.options.tasks, parts.options.per_target),
            telling: Lanes::new(TELLING, PER_CHANNEL),
            wake_telling: Notify::new(),
            store: parts.store,
            clock: parts.clock,
            random: parts.random,
            rotators: parts.rotators,
            options: parts.options,
            tenant: parts.tenant,
            holder,
            wake: Notify::new(),
            channels: Opened::default(),
            authorities: Ready::default(),
            steady: Mutex::new(Steady::starting(first)),
            stopping: watch::Sender::new(false),
            short_of_room: AtomicBool::new(false),
            counts: Counts::default(),
            listening: Listening::default(),
            uses: Uses::default(),
            keys_rotating: tokio::sync::Mutex::default(),
            scanning: tokio::sync::Mutex::default(),
        })
    }

    /// The wall time.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The keyring.
    pub fn keyring(&self) -> &Arc<Keyring> {
        self.store.keyring()
    }

    /// Mints an id.
    pub fn mint<T>(&self, of: impl FnOnce(DateTime<Utc>, [u8; 10]) -> T) -> T {
        let mut minted = self.minted.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.now();
        let part = minted.next(at, &*self.random);
        of(at, part)
    }

    /// A random number, for jitter.
    pub(super) fn draw(&self) -> u32 {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// Wakes the loops: a due time may have been pulled forward.
    pub fn wake(&self) {
        self.wake.notify_one();
        self.wake_telling.notify_one();
    }

    /// Opens the value of a version. The caller records the read where the value leaves the daemon.
    pub fn open(&self, version: &Version) -> Result<Material, Trouble> {
        let Some(token) = &version.token else {
            let sentence = format!("the value of version `{}` was destroyed", version.id);
            return Err(Trouble::new(
                Kind::Conflict,
                "version-destroyed",
                sentence,
                "choose a version that has a value",
            ));
        };
        let place = version_place(version);
        let plain = self.keyring().open(&place, &version.key, token)?;
        Material::from_json(&plain)
            .map_err(|error| Trouble::new(Kind::Internal, "value-unreadable", error.to_string(), "restore a backup"))
    }

    /// Whether the engine is asked to stop.
    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}

/// Where a version's value is sealed.
pub(super) fn version_place(version: &Version) -> Place<'_> {
    Place { tenant: &version.tenant, table: "version", row: version.id.as_str(), column: "token" }
}
