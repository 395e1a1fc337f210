//! Opening the store.

use std::{
    fs::{OpenOptions, Permissions, set_permissions},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    panic::resume_unwind,
    path::Path,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use sqlx::{
    Connection, PgPool, Sqlite, SqlitePool,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Notify;

pub(super) use self::readers::Lent;
use self::readers::Readers;
use super::{StoreError, Tx, migrate, postgres, tx::Inner, writer::SqliteWriter};
use crate::keyring::Keyring;

mod readers;

/// Connections that read SQLite's file, unless something else is asked for.
pub(super) const READERS: u32 = 4;

/// How SQLite's file is opened.
#[derive(Debug, Clone, Default)]
pub struct SqliteOptions {
    /// Connections that read; 0 means 4.
    pub readers: u32,
}

/// A connection that was idle for so long is tried before it is used: the server may have been restarted.
const UNTRIED: Duration = Duration::from_secs(1);

#[derive(Clone)]
enum Engine {
    Sqlite { readers: Readers, writer: SqliteWriter },
    Postgres(PgPool),
}

/// The store: SQLite in the data directory, or PostgreSQL. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    keyring: Arc<Keyring>,
    news: Arc<Notify>,
}

impl Store {
    /// Opens, and creates or migrates, the file. The caller holds the lock on the data directory.
    pub async fn open_sqlite(path: &Path, options: &SqliteOptions, keyring: Arc<Keyring>) -> Result<Self, StoreError> {
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true)
            .statement_cache_capacity(200)
            .pragma("journal_size_limit", "67108864")
            // The writer does this itself, and sees when it fails.
            .pragma("wal_autocheckpoint", "0")
            .pragma("temp_store", "memory")
            .pragma("secure_delete", "on");
        let opened = |source| StoreError::database("open its file", source);
        create_private(path).map_err(|error| opened(sqlx::Error::Io(error)))?;
        let writers = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(connect.clone())
            .await
            .map_err(opened)?;
        let mut conn = writers.acquire().await.map_err(opened)?;
        migrate::sqlite(&mut conn).await?;
        let count = if options.readers == 0 { READERS } else { options.readers };
        let readers = SqlitePoolOptions::new()
            .max_connections(count)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(connect)
            .await
            .map_err(opened)?;
        Ok(Self::over_sqlite(Readers::of(readers, count), conn, keyring))
    }

    /// A store over a file that is only read, by [`READERS`] connections; its writes fail.
    pub(super) async fn of_readers(readers: SqlitePool, keyring: Arc<Keyring>) -> Result<Self, StoreError> {
        let conn = readers.acquire().await.map_err(|source| StoreError::database("get a connection", source))?;
        Ok(Self::over_sqlite(Readers::of(readers, READERS - 1), conn, keyring))
    }

    fn over_sqlite(readers: Readers, conn: PoolConnection<Sqlite>, keyring: Arc<Keyring>) -> Self {
        let news = Arc::new(Notify::new());
        let writer = SqliteWriter::start(conn, Arc::clone(&news));
        Self { engine: Engine::Sqlite { readers, writer }, keyring, news }
    }

    /// Waits until this process has committed an event that is to be told.
    pub async fn wait_for_news(&self) {
        self.news.notified().await;
    }

    /// Connects to PostgreSQL and migrates its schema.
    pub async fn open_postgres(url: &str, connections: u32, keyring: Arc<Keyring>) -> Result<Self, StoreError> {
        let opened = |source| StoreError::database("connect to PostgreSQL", source);
        let options = PgConnectOptions::from_str(url)
            .map_err(opened)?
            .application_name("keywheel/store")
            .statement_cache_capacity(200)
            .options([("synchronous_commit", "on"), ("idle_in_transaction_session_timeout", "10000")]);
        let pool = PgPoolOptions::new()
            // One more for the listener.
            .max_connections(connections.max(2) + 1)
            .acquire_timeout(Duration::from_secs(10))
            .test_before_acquire(false)
            .before_acquire(|conn, seen| {
                Box::pin(async move {
                    if seen.idle_for >= UNTRIED {
                        conn.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await
            .map_err(opened)?;
        migrate::postgres(&pool).await?;
        Ok(Self { engine: Engine::Postgres(pool), keyring, news: Arc::default() })
    }

    /// The keyring that makes and checks the MACs of rows.
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Whether several replicas may share this store.
    pub fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Whether a failed sync has made this process's view unreliable.
    pub fn is_broken(&self) -> bool {
        match &self.engine {
            Engine::Sqlite { writer, .. } => writer.is_broken(),
            Engine::Postgres(_) => false,
        }
    }

    /// The pool, where the store is PostgreSQL: for listening to notifications.
    pub fn postgres(&self) -> Option<&PgPool> {
        match &self.engine {
            Engine::Sqlite { .. } => None,
            Engine::Postgres(pool) => Some(pool),
        }
    }

    /// Writes in one transaction and answers after its commit. The job is not cut short when the asker is dropped. A
    /// panic of the job rolls back and goes on in the asker.
    pub async fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    {
        match &self.engine {
            Engine::Sqlite { writer, .. } => writer.write(job).await,
            Engine::Postgres(pool) => {
                match tokio::spawn(postgres::write(pool.clone(), Arc::clone(&self.news), job)).await {
                    Ok(result) => result,
                    Err(ended) => match ended.try_into_panic() {
                        Ok(panic) => resume_unwind(panic),
                        // The runtime is shutting down around it.
                        Err(_) => Err(StoreError::CommitUnknown.into()),
                    },
                }
            }
        }
    }

    /// A connection to read with.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        match &self.engine {
            Engine::Sqlite { readers, .. } => readers.lend().await.map(Inner::SqliteRead),
            Engine::Postgres(pool) => pool.acquire().await.map(Inner::PgRead),
        }
        .map(Tx::new)
        .map_err(|source| StoreError::database("get a connection", source))
    }

    /// Moves SQLite's log into its file and syncs both: at start, so that what an earlier process left unsynced is
    /// written again, and before a backup.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        if self.is_shared() {
            return Ok(());
        }
        let mut tx = self.read().await?;
        super::tx::execute!(tx, "checkpoint its log", "PRAGMA wal_checkpoint(PASSIVE)").map(|_| ())
    }

    /// Ends all connections.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { readers, .. } => readers.close().await,
            Engine::Postgres(pool) => pool.close().await,
        }
    }
}

/// Creates the file, or takes others' rights on it away. SQLite gives its log and the log's index the same mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    for end in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(end);
        match set_permissions(Path::new(&file), Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
