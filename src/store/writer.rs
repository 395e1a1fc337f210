//! Writing: one writer task on SQLite, transactions of the pool on PostgreSQL.
//!
//! On SQLite what waits is committed together, each job in a savepoint of its own, and answered after the commit.
//! A crash before the commit leaves none of a batch. When a sync fails, pages that this process believes written may
//! not be (PostgreSQL's "fsyncgate", 2018): the store is then broken until it is reopened, and no sync is repeated.
//! On PostgreSQL a commit whose answer is lost is asked for by its transaction id (`pg_xact_status`).

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::future::BoxFuture;
use sqlx::{PgPool, Sqlite, pool::PoolConnection};
use tokio::sync::{mpsc, oneshot};

use super::{
    StoreError, Tx,
    tx::{Inner, Severe, execute, on},
};

/// What became of a job's batch.
#[derive(Debug, Clone)]
enum Fate {
    Committed,
    Full,
    Failed { operation: &'static str, because: String },
}

impl Fate {
    fn error(self) -> Option<StoreError> {
        match self {
            Self::Committed => None,
            Self::Full => Some(StoreError::Full),
            Self::Failed { operation, because } => {
                Some(StoreError::Database { operation, source: sqlx::Error::Protocol(because) })
            }
        }
    }
}

/// A job of the queue.
trait Job: Send {
    /// Runs inside a savepoint; tells whether to keep its work.
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool>;
    /// Answers, once the batch's fate is known; also for a job that was never run.
    fn answer(self: Box<Self>, fate: Fate);
}

struct Asked<T, E, F> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Asked<T, E, F>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
{
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool> {
        Box::pin(async move {
            let work = self.work.take().expect("a job is run once");
            let result = work(tx).await;
            let keep = result.is_ok();
            self.result = Some(result);
            keep
        })
    }

    fn answer(self: Box<Self>, fate: Fate) {
        let told = match (self.result, fate.error()) {
            // What the job itself said is the better answer where it failed.
            (Some(Err(error)), _) => Err(error),
            (_, Some(error)) => Err(error.into()),
            (Some(done), None) => done,
            (None, None) => Err(StoreError::Broken.into()),
        };
        // Nobody listens any more when the asker was dropped; the work stands all the same.
        let _ = self.answer.send(told);
    }
}

/// The most jobs that share a commit.
const BATCH: usize = 256;

/// The way to SQLite's writer task.
#[derive(Clone)]
pub(super) struct SqliteWriter {
    jobs: mpsc::Sender<Box<dyn Job>>,
    broken: Arc<AtomicBool>,
}

impl SqliteWriter {
    pub(super) fn start(conn: PoolConnection<Sqlite>) -> Self {
        let (jobs, queue) = mpsc::channel(1024);
        let broken = Arc::new(AtomicBool::new(false));
        tokio::spawn(run(Tx::new(Inner::Sqlite(conn)), queue, Arc::clone(&broken)));
        Self { jobs, broken }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    {
        if self.is_broken() {
            return Err(StoreError::Broken.into());
        }
        let (answer, answered) = oneshot::channel();
        let job = Asked { work: Some(work), result: None, answer };
        self.jobs.send(Box::new(job)).await.map_err(|_| StoreError::Broken)?;
        answered.await.map_err(|_| StoreError::Broken)?
    }
}

async fn run(mut tx: Tx, mut queue: mpsc::Receiver<Box<dyn Job>>, broken: Arc<AtomicBool>) {
    while let Some(first) = queue.recv().await {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(job) = queue.try_recv()
        {
            batch.push(job);
        }
        tx.severe = None;
        let outcome = run_batch(&mut tx, &mut batch).await;
        if tx.severe == Some(Severe::Io) {
            broken.store(true, Ordering::Release);
        }
        let fate = match outcome {
            Ok(()) => Fate::Committed,
            Err(_) if tx.severe == Some(Severe::Full) => Fate::Full,
            Err(StoreError::Database { operation, source }) => Fate::Failed { operation, because: source.to_string() },
            Err(other) => Fate::Failed { operation: "commit", because: other.to_string() },
        };
        for job in batch {
            job.answer(fate.clone());
        }
        if broken.load(Ordering::Acquire) {
            return;
        }
    }
}

async fn run_batch(tx: &mut Tx, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let outcome = run_jobs(tx, batch).await;
    if outcome.is_err() {
        // SQLite has already rolled back after a severe failure; then this one fails, and nothing is lost by it.
        let _ = execute!(tx, "roll back", "ROLLBACK");
    }
    outcome
}

async fn run_jobs(tx: &mut Tx, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    execute!(tx, "begin a transaction", "BEGIN IMMEDIATE")?;
    for job in batch {
        execute!(tx, "set a savepoint", "SAVEPOINT job")?;
        if !job.run(tx).await {
            execute!(tx, "go back to a savepoint", "ROLLBACK TO job")?;
        }
        execute!(tx, "release a savepoint", "RELEASE job")?;
    }
    execute!(tx, "commit", "COMMIT")?;
    Ok(())
}

/// Runs a job in a transaction of PostgreSQL.
pub(super) async fn write_pg<T, E, F>(pool: &PgPool, job: F) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
{
    let begun = pool.begin().await.map_err(|source| StoreError::database("begin a transaction", source))?;
    let mut tx = Tx::new(Inner::PgWrite(begun));
    let done = job(&mut tx).await?;
    let id: Option<String> = on!(tx, "learn the transaction's id", |conn| {
        sqlx::query_scalar("SELECT CAST(pg_current_xact_id_if_assigned() AS TEXT)").fetch_one(&mut *conn).await
    })?;
    let Inner::PgWrite(open) = tx.inner else { return Ok(done) };
    match open.commit().await {
        Ok(()) => Ok(done),
        Err(error) if error.as_database_error().is_some() => Err(StoreError::database("commit", error).into()),
        Err(_) => match id {
            None => Ok(done),
            Some(id) => fate_of(pool, &id).await.map(|()| done).map_err(E::from),
        },
    }
}

/// Asks for the fate of a commit whose answer was lost: up to 20 tries over fresh connections.
async fn fate_of(pool: &PgPool, id: &str) -> Result<(), StoreError> {
    for _ in 0..20 {
        let asked = sqlx::query_scalar::<_, Option<String>>("SELECT pg_xact_status(CAST($1 AS xid8))")
            .bind(id)
            .fetch_one(pool)
            .await;
        match asked.ok().flatten().as_deref() {
            Some("committed") => return Ok(()),
            Some("aborted") => {
                let source = sqlx::Error::Protocol("the transaction was aborted when its connection was lost".into());
                return Err(StoreError::Database { operation: "commit", source });
            }
            _ => {
                #[expect(clippy::disallowed_methods, reason = "a driver's retry in running time, not a schedule")]
                tokio::time::sleep(std::time::Duration::from_millis(250)).await;
            }
        }
    }
    Err(StoreError::CommitUnknown)
}
