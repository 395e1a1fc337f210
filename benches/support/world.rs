//! An engine over a SQLite store (`synchronous=FULL`) in a temporary folder, with the rotator for PostgreSQL.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use keywheel::{
    clock::{Clock, SystemClock},
    engine::{Engine, Options, Parts, Rotators},
    keyring::{Keyring, MasterKeys, next_generation},
    model::{Actor, EventId, Material, Minter, Occurrence, OccurrenceId, OccurrenceOrigin, SecretId, Target, TenantId},
    store::{NewEvent, SqliteOptions, Store, StoreError, agenda, event, occurrence, tenant},
};
use keywheel_certificate::{
    host::{HookError, Hooks, InstallRoot, InstallRules},
    rotator::{CertificateRotator, Host},
};
use keywheel_contract::kit::SystemRandom;
use keywheel_database::PostgresRotator;
use serde_json::json;

use super::{
    figures::per_second,
    pause::pause,
    seed::{Filling, Timing, fill, put_target},
    servers::postgres::{ADMIN_PASSWORD, PostgresServer},
    tail::{Seen, Tail},
};

/// How often the feeder looks for what was published.
const LOOK: Duration = Duration::from_millis(25);
/// The first password of every role of a bench.
const FIRST: &str = "first-password-of-the-bench";

/// A server as a production one would be: synced, without a log of statements.
pub(crate) fn server() -> PostgresServer {
    PostgresServer::builder()
        .line("fsync = on")
        .line("log_statement = none")
        .line("log_connections = off")
        .line("log_min_error_statement = panic")
        .line("log_min_messages = panic")
        .line("max_connections = 200")
        .line("shared_buffers = 64MB")
        .start()
}

/// The engine and what it stands on.
pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    folder: tempfile::TempDir,
    running: Option<tokio::task::JoinHandle<()>>,
}

impl World {
    /// Makes a store with one tenant, and an engine that does not run yet.
    pub(crate) async fn new(options: Options) -> Result<Self> {
        let folder = tempfile::tempdir().context("a temporary folder")?;
        let (clock, random) = (SystemClock, SystemRandom);
        let tenant = Minter { at: clock.now(), random: &random }.mint(TenantId::mint);
        let masters = MasterKeys::generate(&random);
        let root = next_generation(&tenant, None, &masters, clock.now(), &random)?;
        let keyring = Arc::new(Keyring::new());
        keyring.add(root.unwrap(&masters)?);
        let path = folder.path().join("keywheel.db");
        let store = Store::open_sqlite(&path, &SqliteOptions::default(), keyring).await?;
        let (id, now) = (tenant.clone(), clock.now());
        let made: Result<(), StoreError> = store
            .write(move |tx| {
                Box::pin(async move {
                    tenant::insert(tx, &id, tenant::ROOT, now).await?;
                    tenant::insert_root(tx, &root).await
                })
            })
            .await;
        made?;
        let options = Options { data_dir: folder.path().to_owned(), probe_every: None, ..options };
        let engine = engine_over(store, tenant, options);
        Ok(Self { engine, folder, running: None })
    }

    /// The store's file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("keywheel.db")
    }

    /// Lets the engine run.
    pub(crate) fn start(&mut self) {
        self.running = Some(tokio::spawn(Arc::clone(&self.engine).run()));
    }

    /// Stops the engine.
    pub(crate) async fn stop(&mut self) {
        self.engine.stop();
        if let Some(running) = self.running.take() {
            let _ = running.await;
        }
    }

    /// Adds a target that is reached over a port of this host.
    pub(crate) async fn add_target(&self, name: &str, port: u16) -> Result<Target> {
        let settings = json!({ "host": "127.0.0.1", "port": port, "tls": "off" });
        let admin = Material::of_texts([("username", "postgres"), ("password", ADMIN_PASSWORD)]);
        put_target(&self.engine, name, settings, &admin).await
    }

    /// Adds roles to a server, and secrets of a target for them.
    pub(crate) async fn adopt(
        &self,
        server: &PostgresServer,
        target: &Target,
        prefix: &str,
        count: usize,
        timing: Option<Timing<'_>>,
    ) -> Result<Vec<SecretId>> {
        server.sql(&format!(
            "DO $$ BEGIN FOR i IN 0..{} LOOP EXECUTE format('CREATE ROLE {prefix}_%s LOGIN PASSWORD %L', i, '{FIRST}'); \
             END LOOP; END $$",
            count - 1
        ));
        fill(&self.engine, &Filling { target, count, prefix, password: FIRST, timing }).await
    }

    /// Asks for a rotation of each of these secrets, in one transaction.
    pub(crate) async fn request(&self, secrets: Vec<SecretId>) -> Result<()> {
        let (now, engine) = (self.engine.now(), Arc::clone(&self.engine));
        let asked: Vec<Occurrence> = secrets.into_iter().map(|secret| self.occurrence(secret)).collect();
        let written: Result<(), StoreError> = self
            .engine
            .store
            .write(move |tx| {
                Box::pin(async move {
                    for one in &asked {
                        agenda::lock(tx, one.secret.as_str()).await?;
                        occurrence::insert(tx, one).await?;
                        event::append(tx, engine.keyring(), requested(&engine, one)).await?;
                        agenda::pull(tx, one.secret.as_str(), now).await?;
                    }
                    Ok(())
                })
            })
            .await;
        written?;
        self.engine.wake();
        Ok(())
    }

    fn occurrence(&self, secret: SecretId) -> Occurrence {
        let now = self.engine.now();
        Occurrence {
            id: self.engine.mint(OccurrenceId::mint),
            tenant: self.engine.tenant.clone(),
            secret,
            origin: OccurrenceOrigin::Requested,
            end: None,
            first_at: now,
            last_at: now,
            fires: 1,
            attempts: 0,
            not_before: None,
            actor: Actor::daemon(),
            reason: "a bench".to_owned(),
            rotation: None,
            candidate_from: None,
            why: String::new(),
            created_at: now,
            ended_at: None,
        }
    }
}

/// The event of a request.
fn requested(engine: &Engine, occurrence: &Occurrence) -> NewEvent {
    NewEvent {
        id: engine.mint(EventId::mint),
        tenant: occurrence.tenant.clone(),
        subject: occurrence.secret.as_str().to_owned(),
        rotation: None,
        kind: "rotation.requested".to_owned(),
        facts: json!({ "v": 1, "occurrence": occurrence.id }),
        written: Vec::new(),
        actor: occurrence.actor.clone(),
        reason: occurrence.reason.clone(),
        at: occurrence.created_at,
    }
}

/// Certificates are installed below the engine's own folder; nothing is run.
fn host(options: &Options) -> Host {
    let root = InstallRoot::new("bench", options.data_dir.join("installed"), InstallRules::default());
    // Where a bench installs nothing the folder is never looked at.
    let _ = std::fs::create_dir_all(options.data_dir.join("installed"));
    Host { roots: BTreeMap::from([("bench".to_owned(), root)]), hooks: Arc::new(NoHooks), acme: None }
}

struct NoHooks;

#[async_trait::async_trait]
impl Hooks for NoHooks {
    fn knows(&self, _name: &str) -> bool {
        false
    }

    fn limit(&self, _name: &str) -> Duration {
        Duration::ZERO
    }

    async fn run(&self, name: &str) -> Result<(), HookError> {
        Err(HookError::Unknown { name: name.to_owned() })
    }
}

/// An engine that knows the rotators for PostgreSQL and for certificates.
pub(crate) fn engine_over(store: Store, tenant: TenantId, options: Options) -> Arc<Engine> {
    Engine::new(Parts {
        store,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        rotators: Rotators::default()
            .with(Arc::new(PostgresRotator::new()))
            .with(Arc::new(CertificateRotator::new(host(&options)))),
        options,
        tenant,
    })
}

/// What a saturated stretch of time gave.
pub(crate) struct Stretch {
    /// Rotations in a second.
    pub(crate) rate: f64,
    pub(crate) events: Vec<Seen>,
}

/// Keeps these secrets rotating for a warm-up and a span, asking anew for each that was published; then waits until
/// all is done. Only publishes within the span count.
pub(crate) async fn saturate(world: &World, secrets: &[SecretId], warm: Duration, span: Duration) -> Result<Stretch> {
    let own: HashSet<&str> = secrets.iter().map(SecretId::as_str).collect();
    let mut tail = Tail::open(&world.file()).await?;
    world.request(secrets.to_vec()).await?;
    let (begin, mut open, mut counted, mut events) = (Instant::now(), secrets.len(), 0, Vec::new());
    while open > 0 && begin.elapsed() < warm + span + Duration::from_secs(30) {
        pause(LOOK).await;
        let at = begin.elapsed();
        let seen: Vec<Seen> = tail.next().await?.into_iter().filter(|event| own.contains(&*event.subject)).collect();
        let published = seen.iter().filter(|event| event.kind == "rotation.published");
        let again: Vec<SecretId> = published.filter_map(|event| SecretId::parse(&event.subject).ok()).collect();
        if at > warm && at <= warm + span {
            counted += again.len();
            events.extend(seen);
        }
        match at < warm + span {
            true if !again.is_empty() => world.request(again).await?,
            true => {}
            false => open -= again.len().min(open),
        }
    }
    Ok(Stretch { rate: per_second(counted, span), events })
}
