//! A small world: an engine on a store in a temporary folder, with in-memory targets.

use std::{path::PathBuf, sync::Arc, time::Duration};

use keywheel::{
    clock::{Clock, SystemClock},
    engine::{Engine, Options, Parts, Rotators},
    keyring::{Keyring, MasterKeys, next_generation},
    model::{
        Actor, Material, Minter, Name, Occurrence, OccurrenceId, OccurrenceOrigin, ScheduleRow, Secret, SecretId,
        Stage, Target, TargetId, TenantId, Version, VersionId,
    },
    rotation::Recorded,
    schedule::{DueContext, NextDue, Schedule, next_due, zone_data_version},
    store::{
        NewEvent, SqliteOptions, Store, StoreError, agenda, event, occurrence, rotation, schedule, secret, target,
        tenant, version,
    },
};
use keywheel_contract::{
    EventId, KeyId, Rotator,
    kit::{FakeRotator, FakeTarget, Strategy, SystemRandom},
};
use serde_json::json;

/// The world. Dropping it ends nothing by itself: tests stop the engine.
pub(crate) struct World {
    pub(crate) fake: Arc<FakeTarget>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) tenant: TenantId,
    /// The kind of secrets that are adopted, and for how long the one before stays.
    pub(crate) birth: (&'static str, Duration),
    folder: tempfile::TempDir,
    keyring: Arc<Keyring>,
    options: Options,
    clock: Arc<dyn Clock>,
    rotator: Arc<dyn Rotator>,
    running: Option<tokio::task::JoinHandle<()>>,
}

impl World {
    pub(crate) async fn new(options: Options) -> Self {
        Self::with(options, Arc::new(SystemClock), FakeTarget::new(), |fake| Arc::new(FakeRotator { target: fake }))
            .await
    }

    /// A world with a clock, a target and a rotator of its own.
    pub(crate) async fn with(
        options: Options,
        clock: Arc<dyn Clock>,
        fake: FakeTarget,
        rotator: impl FnOnce(Arc<FakeTarget>) -> Arc<dyn Rotator>,
    ) -> Self {
        let folder = folder();
        let keyring = Arc::new(Keyring::new());
        let random = SystemRandom;
        let minter = Minter { at: clock.now(), random: &random };
        let tenant = minter.mint(TenantId::mint);
        let masters = MasterKeys::generate(&random);
        let root = next_generation(&tenant, None, &masters, clock.now(), &random).expect("a first root");
        keyring.add(root.unwrap(&masters).expect("it was just wrapped"));
        let store = open(folder.path().join("keywheel.db"), &keyring).await;
        let (id, now) = (tenant.clone(), clock.now());
        let made: Result<(), StoreError> = store
            .write(move |tx| {
                Box::pin(async move {
                    tenant::insert(tx, &id, tenant::ROOT, now).await?;
                    tenant::insert_root(tx, &root).await
                })
            })
            .await;
        made.expect("a tenant");
        let fake = Arc::new(fake);
        let rotator = rotator(Arc::clone(&fake));
        let engine = engine_on(store, &rotator, &clock, &tenant, &options);
        let birth = ("password", Duration::ZERO);
        Self { fake, engine, tenant, birth, folder, keyring, options, clock, rotator, running: None }
    }

    pub(crate) fn start(&mut self) {
        self.running = Some(tokio::spawn(Arc::clone(&self.engine).run()));
    }

    /// Stops and waits until no claim is held.
    pub(crate) async fn stop(&mut self) {
        self.engine.stop();
        if let Some(running) = self.running.take() {
            running.await.expect("the loop does not panic");
        }
        assert!(self.engine.is_idle(), "a claim is held after a stop");
    }

    /// Abandons the engine where it is, as a crash does, and begins another life on the same store.
    pub(crate) async fn crash_and_restart(&mut self) {
        self.crash().await;
        self.restart().await;
    }

    /// Abandons the engine where it is. What it had given to the store is written or not before this returns.
    pub(crate) async fn crash(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            let _ = running.await;
        }
        let drained: Result<(), StoreError> = self.engine.store.write(|_| Box::pin(async { Ok(()) })).await;
        drained.expect("the writer goes on");
    }

    /// Begins another life on the same store.
    pub(crate) async fn restart(&mut self) {
        let store = open(self.folder.path().join("keywheel.db"), &self.keyring).await;
        self.engine.store.close().await;
        self.engine = engine_on(store, &self.rotator, &self.clock, &self.tenant, &self.options);
        self.start();
    }

    /// Another engine on the same rows, as another process has it.
    pub(crate) async fn another(&self) -> Arc<Engine> {
        let store = open(self.folder.path().join("keywheel.db"), &self.keyring).await;
        engine_on(store, &self.rotator, &self.clock, &self.tenant, &self.options)
    }

    /// Adds a target and a managed secret whose account accepts `first-password`.
    pub(crate) async fn adopt(&self, name: &str, strategy: Strategy) -> SecretId {
        self.adopt_on(name, strategy, None).await
    }

    /// The same with a schedule, which is due as its rule says from now on.
    pub(crate) async fn adopt_on(&self, name: &str, strategy: Strategy, rule: Option<serde_json::Value>) -> SecretId {
        let material = self.fake.enroll(name, strategy, "first-password");
        let strategy = if matches!(strategy, Strategy::Single) { "single" } else { "alternate" };
        let engine = Arc::clone(&self.engine);
        let target = Target {
            id: engine.mint(TargetId::mint),
            tenant: self.tenant.clone(),
            name: Name::parse(&format!("target/{name}")).expect("a name"),
            rotator: "fake".to_owned(),
            settings: json!({ "address": name }),
            admin: None,
            acknowledged: Vec::new(),
            parallel: 8,
            breaker: keywheel::model::Breaker::Closed,
            created_at: engine.now(),
            created_by: Actor::daemon(),
            revision: 1,
        };
        let secret = self.secret_of(name, &target, json!({ "account": name, "strategy": strategy }));
        let version = self.version_of(&secret, &material);
        let mut schedule = rule.map(|rule| self.schedule_of(&secret, rule));
        let due_at = schedule.as_ref().and_then(|schedule| schedule.next_due_at);
        let (id, tenant) = (secret.id.clone(), self.tenant.clone());
        let event = |engine: &Engine, subject: &str| NewEvent {
            id: engine.mint(EventId::mint),
            tenant: tenant.clone(),
            subject: subject.to_owned(),
            rotation: None,
            kind: "secret.adopted".to_owned(),
            facts: json!({ "v": 1 }),
            written: Vec::new(),
            actor: Actor::daemon(),
            reason: String::new(),
            at: engine.now(),
        };
        let mut adopted = event(&engine, id.as_str());
        let written: Result<(), StoreError> = self
            .engine
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let keyring = Arc::clone(engine.keyring());
                    adopted.written.push(target::insert(tx, &keyring, &target).await?);
                    adopted.written.push(secret::insert(tx, &keyring, &secret).await?);
                    adopted.written.push(version::insert(tx, &keyring, &version).await?);
                    agenda::insert(tx, secret.id.as_str(), &secret.tenant, target.id.as_str(), due_at).await?;
                    if let Some(schedule) = &mut schedule {
                        adopted.written.push(schedule::put(tx, &keyring, schedule).await?);
                    }
                    event::append(tx, &keyring, adopted).await.map(|_| ())
                })
            })
            .await;
        written.expect("adopted");
        id
    }

    fn schedule_of(&self, secret: &Secret, rule: serde_json::Value) -> ScheduleRow {
        let now = self.engine.now();
        let schedule: Schedule = serde_json::from_value(rule.clone()).expect("a good schedule");
        let cx = DueContext {
            after: now,
            now,
            secret_id: secret.id.as_str(),
            lifetime: None,
            expiry_margin: self.engine.options.expiry_margin,
        };
        let next_due_at = match next_due(&schedule.compile(), &cx) {
            NextDue::At(due) => Some(due.at),
            NextDue::Never(_) => None,
        };
        ScheduleRow {
            secret: secret.id.clone(),
            tenant: secret.tenant.clone(),
            rule,
            paused_at: None,
            pause_reason: String::new(),
            counted_from: now,
            next_due_at,
            zone_data: zone_data_version().to_owned(),
            revision: 0,
        }
    }

    fn secret_of(&self, name: &str, target: &Target, settings: serde_json::Value) -> Secret {
        Secret {
            id: self.engine.mint(SecretId::mint),
            tenant: self.tenant.clone(),
            name: Name::parse(name).expect("a name"),
            kind: self.birth.0.to_owned(),
            owner: String::new(),
            description: String::new(),
            tags: std::collections::BTreeMap::new(),
            target: Some(target.id.clone()),
            settings,
            acknowledged: Vec::new(),
            overlap_us: i64::try_from(self.birth.1.as_micros()).expect("short"),
            recovery_us: 0,
            expires_at: None,
            next_number: 2,
            rotation: None,
            probe_at: None,
            deleted_at: None,
            created_at: self.engine.now(),
            created_by: Actor::daemon(),
            revision: 1,
        }
    }

    fn version_of(&self, secret: &Secret, material: &Material) -> Version {
        let now = self.engine.now();
        let mut version = Version {
            id: self.engine.mint(VersionId::mint),
            tenant: secret.tenant.clone(),
            secret: secret.id.clone(),
            number: Some(1),
            stage: Stage::Current,
            identity: material.text("username").unwrap_or_default().to_owned(),
            key: KeyId::mint(now, [0; 10]),
            token: None,
            fingerprint: String::new(),
            rotation: None,
            created_at: now,
            created_by: Actor::daemon(),
            published_at: Some(now),
            retire_at: None,
            retired_at: None,
            deleted_at: None,
            deactivated_at: None,
            destroyed_at: None,
            revision: 1,
        };
        self.engine.seal_into(&mut version, material).expect("sealed");
        version
    }

    /// Whether the served value of an account logs in there.
    pub(crate) async fn served_logs_in(&self, name: &str, id: &SecretId) -> bool {
        let current = self.current(id).await;
        self.fake.logs_in(name, &self.engine.open(&current).expect("opens"))
    }

    pub(crate) async fn current(&self, id: &SecretId) -> Version {
        let mut tx = self.engine.store.read().await.expect("a connection");
        let found = version::find_current(&mut tx, self.engine.keyring(), &self.tenant, id).await.expect("readable");
        found.expect("a current version")
    }

    /// Waits until the current version has a number, and everything that follows is done.
    pub(crate) async fn until_number(&self, id: &SecretId, number: i64) {
        let what = format!("version {number} becomes current");
        let arrived = async || (self.current(id).await.number == Some(number)).then_some(());
        crate::support::wait::eventually(Duration::from_secs(20), &what, arrived).await.expect("in time");
    }

    /// Waits until the newest rotation of a secret is in a state.
    pub(crate) async fn until_status(&self, id: &SecretId, status: &str) {
        let what = format!("the newest rotation is {status}");
        let arrived = async || {
            let mut tx = self.engine.store.read().await.ok()?;
            let newest = rotation::list(&mut tx, &self.tenant, Some(id), None, 1).await.ok()?;
            (newest.first()?.status == status).then_some(())
        };
        crate::support::wait::eventually(Duration::from_secs(20), &what, arrived).await.expect("in time");
    }

    /// Asks for a rotation.
    pub(crate) async fn request(&self, id: &SecretId) {
        let now = self.engine.now();
        let occurrence = Occurrence {
            id: self.engine.mint(OccurrenceId::mint),
            tenant: self.tenant.clone(),
            secret: id.clone(),
            origin: OccurrenceOrigin::Requested,
            end: None,
            first_at: now,
            last_at: now,
            fires: 1,
            attempts: 0,
            not_before: None,
            actor: Actor::daemon(),
            reason: "a test".to_owned(),
            rotation: None,
            candidate_from: None,
            why: String::new(),
            created_at: now,
            ended_at: None,
        };
        let told = NewEvent {
            id: self.engine.mint(EventId::mint),
            tenant: self.tenant.clone(),
            subject: id.as_str().to_owned(),
            rotation: None,
            kind: "rotation.requested".to_owned(),
            facts: json!({ "v": 1, "occurrence": occurrence.id }),
            written: Vec::new(),
            actor: Actor::daemon(),
            reason: "a test".to_owned(),
            at: now,
        };
        let keyring = Arc::clone(self.engine.keyring());
        let asked: Result<(), StoreError> = self
            .engine
            .store
            .write(move |tx| {
                Box::pin(async move {
                    agenda::lock(tx, occurrence.secret.as_str()).await?;
                    occurrence::insert(tx, &occurrence).await?;
                    event::append(tx, &keyring, told).await?;
                    agenda::pull(tx, occurrence.secret.as_str(), now).await
                })
            })
            .await;
        asked.expect("asked");
        self.engine.wake();
    }

    /// Writes an event into the journal of the rotation that runs, as an operator's request does.
    pub(crate) async fn tell_rotation(&self, id: &SecretId, recorded: &Recorded) {
        let mut tx = self.engine.store.read().await.expect("a connection");
        let newest = rotation::list(&mut tx, &self.tenant, Some(id), None, 1).await.expect("readable");
        drop(tx);
        let (kind, facts) = recorded.to_wire();
        let told = NewEvent {
            id: self.engine.mint(EventId::mint),
            tenant: self.tenant.clone(),
            subject: id.as_str().to_owned(),
            rotation: Some(newest[0].id.clone()),
            kind,
            facts,
            written: Vec::new(),
            actor: Actor::daemon(),
            reason: "a test".to_owned(),
            at: self.engine.now(),
        };
        let (keyring, subject) = (Arc::clone(&self.keyring), id.as_str().to_owned());
        let written: Result<(), StoreError> = self
            .engine
            .store
            .write(move |tx| {
                Box::pin(async move {
                    agenda::lock(tx, &subject).await?;
                    event::append(tx, &keyring, told).await.map(|_| ())
                })
            })
            .await;
        written.expect("told");
    }

    /// The open occurrences of a secret.
    pub(crate) async fn open_occurrences(&self, id: &SecretId) -> Vec<Occurrence> {
        let mut tx = self.engine.store.read().await.expect("a connection");
        occurrence::list_open(&mut tx, &self.tenant, id).await.expect("readable")
    }

    /// The kinds of the events of a secret, oldest first.
    pub(crate) async fn event_kinds(&self, id: &SecretId) -> Vec<String> {
        let mut tx = self.engine.store.read().await.expect("a connection");
        let mut events = event::list_of_subject(&mut tx, self.engine.keyring(), &self.tenant, id.as_str(), 1000)
            .await
            .expect("readable");
        events.reverse();
        events.into_iter().map(|event| event.kind).collect()
    }
}

async fn open(path: PathBuf, keyring: &Arc<Keyring>) -> Store {
    Store::open_sqlite(&path, &SqliteOptions::default(), Arc::clone(keyring)).await.expect("a store")
}

fn engine_on(
    store: Store,
    rotator: &Arc<dyn Rotator>,
    clock: &Arc<dyn Clock>,
    tenant: &TenantId,
    options: &Options,
) -> Arc<Engine> {
    Engine::new(Parts {
        store,
        clock: Arc::clone(clock),
        random: Arc::new(SystemRandom),
        rotators: Rotators::default().with(Arc::clone(rotator)),
        options: options.clone(),
        tenant: tenant.clone(),
    })
}

/// In memory where there is such a place: these worlds prove nothing about syncs.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}
