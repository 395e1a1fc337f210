//! A store of a test's own, on either engine, with a tenant and rows to put into it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::future::BoxFuture;
use keywheel::{
    clock::{Clock, SystemClock, from_micros},
    keyring::{Keyring, MasterKeys, Place, next_generation},
    model::{
        Actor, Breaker, Minter, Name, Occurrence, OccurrenceId, OccurrenceOrigin, RotationId, ScheduleRow, Secret,
        SecretId, Stage, Target, TargetId, TenantId, Version, VersionId,
    },
    store::{NewEvent, SqliteOptions, Store, StoreError, Tx, Written, tenant},
};
use keywheel_contract::{EventId, KeyId, kit::SystemRandom};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::support::postgres::{ADMIN_PASSWORD, PostgresServer};

/// One server for all tests of this process; it ends with it.
pub(crate) fn server() -> &'static PostgresServer {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    // Without passwords: an unoptimised client takes a fifth of a second for each.
    let start = || {
        let server = PostgresServer::builder().hba("host all postgres 127.0.0.1/32 trust");
        server.line("max_connections = 300").line("log_statement = none").start()
    };
    SERVER.get_or_init(start)
}

/// A database that nobody else uses.
pub(crate) fn fresh_database() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let name = format!("store_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server().sql(&format!("CREATE DATABASE {name}"));
    name
}

/// Where a database is reached on a port of the loopback.
pub(crate) fn url(database: &str, port: u16) -> String {
    format!("postgres://postgres:{ADMIN_PASSWORD}@127.0.0.1:{port}/{database}")
}

/// Generates each test for both engines.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::store::world::World::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::store::world::World::postgres().await).await;
            })*
        }
    };
}
pub(crate) use on_both_engines;

/// Where the rows lie.
pub(crate) enum Rows {
    File(PathBuf),
    Url(String),
}

/// A store with a tenant.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) tenant: TenantId,
    pub(crate) masters: MasterKeys,
    pub(crate) place: Rows,
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("keywheel.db");
        Self::on(folder, Rows::File(file)).await
    }

    pub(crate) async fn postgres() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = url(&fresh_database(), server().port());
        Self::on(folder, Rows::Url(url)).await
    }

    async fn on(folder: tempfile::TempDir, place: Rows) -> Self {
        let keyring = Arc::new(Keyring::new());
        let tenant = mint(TenantId::mint);
        let masters = MasterKeys::generate(&SystemRandom);
        let root = next_generation(&tenant, None, &masters, SystemClock.now(), &SystemRandom).expect("a first root");
        keyring.add(root.unwrap(&masters).expect("it was just wrapped"));
        let store = open(&place, &keyring).await.expect("a store");
        let world = Self { store, keyring, tenant, masters, place, _folder: folder };
        let (id, now) = (world.tenant.clone(), SystemClock.now());
        world
            .write(move |tx| {
                Box::pin(async move {
                    tenant::insert(tx, &id, tenant::ROOT, now).await?;
                    tenant::insert_root(tx, &root).await
                })
            })
            .await
            .expect("a tenant");
        world
    }

    /// Opens the same rows again, as another process would.
    pub(crate) async fn reopen(&self) -> Result<Store, StoreError> {
        open(&self.place, &self.keyring).await
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.place, Rows::File(_))
    }

    pub(crate) async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        self.store.write(job).await
    }

    pub(crate) async fn read(&self) -> Tx {
        self.store.read().await.expect("a connection")
    }

    /// Runs statements behind the store's back.
    pub(crate) async fn sql(&self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.place {
            Rows::File(file) => {
                let mut conn = SqliteConnection::connect(&file.display().to_string()).await.expect("the file opens");
                sqlx::query(sql).execute(&mut conn).await.expect("it runs").rows_affected()
            }
            Rows::Url(url) => {
                let mut conn = PgConnection::connect(url).await.expect("the server answers");
                sqlx::query(sql).execute(&mut conn).await.expect("it runs").rows_affected()
            }
        }
    }

    /// Reads texts behind the store's back.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.place {
            Rows::File(file) => {
                let mut conn = SqliteConnection::connect(&file.display().to_string()).await.expect("the file opens");
                sqlx::query_scalar(sql).fetch_all(&mut conn).await.expect("it runs")
            }
            Rows::Url(url) => {
                let mut conn = PgConnection::connect(url).await.expect("the server answers");
                sqlx::query_scalar(sql).fetch_all(&mut conn).await.expect("it runs")
            }
        }
    }

    pub(crate) fn target(&self, name: &str) -> Target {
        Target {
            id: mint(TargetId::mint),
            tenant: self.tenant.clone(),
            name: Name::parse(name).expect("a name"),
            rotator: "fake".to_owned(),
            settings: json!({ "address": name, "deep": { "é": [1, 2.5, null] } }),
            admin: Some(Name::parse("pg/admin").expect("a name")),
            acknowledged: Vec::new(),
            parallel: 8,
            breaker: Breaker::Open { since: 7, probes: 2, because: "it is silent".to_owned() },
            created_at: now(),
            created_by: Actor::local(1000),
            revision: 1,
        }
    }

    pub(crate) fn secret(&self, name: &str, target: Option<&Target>) -> Secret {
        Secret {
            id: mint(SecretId::mint),
            tenant: self.tenant.clone(),
            name: Name::parse(name).expect("a name"),
            kind: "password".to_owned(),
            owner: "billing".to_owned(),
            description: "für Rechnungen".to_owned(),
            tags: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
            target: target.map(|target| target.id.clone()),
            settings: json!({ "role": "app" }),
            acknowledged: Vec::new(),
            overlap_us: 5,
            recovery_us: 6,
            expires_at: Some(now()),
            next_number: 2,
            rotation: Some(mint(RotationId::mint)),
            probe_at: Some(now()),
            deleted_at: None,
            created_at: now(),
            created_by: Actor::daemon(),
            revision: 1,
        }
    }

    pub(crate) fn version(&self, secret: &Secret, stage: Stage, number: Option<i64>) -> Version {
        let id = mint(VersionId::mint);
        let place = Place { tenant: &self.tenant, table: "version", row: id.as_str(), column: "token" };
        let sealed = self.keyring.seal(&place, b"{\"password\":\"p\"}", now()).expect("sealed");
        Version {
            id,
            tenant: self.tenant.clone(),
            secret: secret.id.clone(),
            number,
            stage,
            identity: "app".to_owned(),
            key: sealed.key_id,
            token: Some(sealed.token),
            fingerprint: "f1".to_owned(),
            rotation: Some(mint(RotationId::mint)),
            created_at: now(),
            created_by: Actor::daemon(),
            published_at: Some(now()),
            retire_at: Some(now()),
            retired_at: (stage == Stage::Retired).then(now),
            deleted_at: None,
            deactivated_at: None,
            destroyed_at: None,
            revision: 1,
        }
    }

    pub(crate) fn schedule(&self, secret: &Secret) -> ScheduleRow {
        ScheduleRow {
            secret: secret.id.clone(),
            tenant: self.tenant.clone(),
            rule: json!({ "every": "30d" }),
            paused_at: Some(now()),
            pause_reason: "a freeze".to_owned(),
            counted_from: now(),
            next_due_at: Some(now()),
            zone_data: "2026a".to_owned(),
            revision: 0,
        }
    }

    pub(crate) fn occurrence(&self, secret: &SecretId) -> Occurrence {
        Occurrence {
            id: mint(OccurrenceId::mint),
            tenant: self.tenant.clone(),
            secret: secret.clone(),
            origin: OccurrenceOrigin::Requested,
            end: None,
            first_at: now(),
            last_at: now(),
            fires: 1,
            attempts: 0,
            not_before: Some(now()),
            actor: Actor::local(0),
            reason: "a test".to_owned(),
            rotation: Some(mint(RotationId::mint)),
            candidate_from: Some(mint(VersionId::mint)),
            why: String::new(),
            created_at: now(),
            ended_at: None,
        }
    }

    pub(crate) fn event(&self, subject: &str, kind: &str, written: Vec<Written>) -> NewEvent {
        NewEvent {
            id: mint(EventId::mint),
            tenant: self.tenant.clone(),
            subject: subject.to_owned(),
            rotation: None,
            kind: kind.to_owned(),
            facts: json!({ "v": 1, "name": subject }),
            written,
            actor: Actor::daemon(),
            reason: "because".to_owned(),
            at: now(),
        }
    }
}

pub(crate) async fn open(place: &Rows, keyring: &Arc<Keyring>) -> Result<Store, StoreError> {
    match place {
        Rows::File(file) => Store::open_sqlite(file, &SqliteOptions::default(), Arc::clone(keyring)).await,
        Rows::Url(url) => Store::open_postgres(url, 6, Arc::clone(keyring)).await,
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        std::fmt::Write::write_fmt(&mut digits, format_args!("{byte:02x}")).expect("a string takes what is written");
        digits
    })
}

/// The present, as precise as a store keeps it.
pub(crate) fn now() -> chrono::DateTime<chrono::Utc> {
    from_micros(SystemClock.now().timestamp_micros())
}

pub(crate) fn mint<T>(of: impl FnOnce(chrono::DateTime<chrono::Utc>, [u8; 10]) -> T) -> T {
    Minter { at: SystemClock.now(), random: &SystemRandom }.mint(of)
}

/// A generation's id, to compare with.
pub(crate) fn later_key() -> KeyId {
    KeyId::mint(now() + chrono::TimeDelta::days(1), [0; 10])
}
