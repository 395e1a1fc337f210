//! Writing on SQLite: one writer task.
//!
//! What waits is committed together, each job in a savepoint of its own, and answered after the commit. A crash before
//! the commit leaves none of a batch. When a sync fails, pages that this process believes written may not be
//! (PostgreSQL's "fsyncgate", 2018): the store is then broken until it is reopened, and no sync is repeated. For the
//! same reason the log is moved into the file here and not by SQLite itself, which tells nobody when that fails.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::{BoxFuture, FutureExt};
use sqlx::{Sqlite, pool::PoolConnection};
use tokio::sync::{Notify, mpsc, oneshot};

use super::{
    StoreError, Tx,
    tx::{Inner, Severe, execute, on},
};

/// What became of a job's batch.
#[derive(Debug, Clone)]
enum Fate {
    Committed,
    Full,
    /// The commit's sync failed: what reached the disk is known at the next start.
    Unknown,
    Failed {
        operation: &'static str,
        because: String,
    },
}

impl Fate {
    fn error(self) -> Option<StoreError> {
        match self {
            Self::Committed => None,
            Self::Full => Some(StoreError::Full),
            Self::Unknown => Some(StoreError::CommitUnknown),
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

/// What a job answers; the outer error is its panic, which goes on in the asker.
type Outcome<T, E> = Result<Result<T, E>, Box<dyn Any + Send>>;

struct Asked<T, E, F> {
    work: Option<F>,
    result: Option<Outcome<T, E>>,
    answer: oneshot::Sender<Outcome<T, E>>,
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
            let result = AssertUnwindSafe(async { work(tx).await }).catch_unwind().await;
            let keep = matches!(result, Ok(Ok(_)));
            self.result = Some(result);
            keep
        })
    }

    fn answer(self: Box<Self>, fate: Fate) {
        let told = match (self.result, fate.error()) {
            // What the job itself said is the better answer where it failed.
            (Some(Err(panic)), _) => Err(panic),
            (Some(Ok(Err(error))), _) => Ok(Err(error)),
            (_, Some(error)) => Ok(Err(error.into())),
            (Some(Ok(done)), None) => Ok(done),
            (None, None) => Ok(Err(StoreError::Broken.into())),
        };
        // Nobody listens any more when the asker was dropped; the work stands all the same.
        let _ = self.answer.send(told);
    }
}

/// The most jobs that share a commit.
const BATCH: usize = 256;

/// Jobs after which the log is moved into the file.
const CHECKPOINT_AFTER: usize = 500;

/// Pages of the log after which readers are waited for, so that it begins anew.
const LONG_LOG: i64 = 16_384;

/// The way to SQLite's writer task.
#[derive(Clone)]
pub(super) struct SqliteWriter {
    jobs: mpsc::Sender<Box<dyn Job>>,
    broken: Arc<AtomicBool>,
}

impl SqliteWriter {
    /// Starts the task; `news` is told of commits that hold some.
    pub(super) fn start(conn: PoolConnection<Sqlite>, news: Arc<Notify>) -> Self {
        let (jobs, queue) = mpsc::channel(1024);
        let broken = Arc::new(AtomicBool::new(false));
        tokio::spawn(run(Tx::new(Inner::Sqlite(conn)), queue, Arc::clone(&broken), news));
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
        match answered.await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(StoreError::Broken.into()),
        }
    }
}

async fn run(mut tx: Tx, mut queue: mpsc::Receiver<Box<dyn Job>>, broken: Arc<AtomicBool>, news: Arc<Notify>) {
    let mut since_checkpoint = 0;
    while let Some(first) = queue.recv().await {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(job) = queue.try_recv()
        {
            batch.push(job);
        }
        let fate = run_batch(&mut tx, &mut batch).await;
        // Said before the answers, so that whoever learns of a failed sync finds the store broken.
        broken.fetch_or(tx.severe == Some(Severe::Io), Ordering::AcqRel);
        if tx.has_news && matches!(fate, Fate::Committed) {
            news.notify_one();
        }
        since_checkpoint += batch.len();
        for job in batch {
            job.answer(fate.clone());
        }
        if since_checkpoint >= CHECKPOINT_AFTER && !broken.load(Ordering::Acquire) {
            since_checkpoint = 0;
            checkpoint(&mut tx).await;
            broken.fetch_or(tx.severe == Some(Severe::Io), Ordering::AcqRel);
        }
        if broken.load(Ordering::Acquire) {
            return;
        }
    }
}

async fn run_batch(tx: &mut Tx, batch: &mut [Box<dyn Job>]) -> Fate {
    (tx.severe, tx.has_news) = (None, false);
    let (at_commit, error) = match run_jobs(tx, batch).await {
        Err(error) => (false, error),
        Ok(()) => match execute!(tx, "commit", "COMMIT") {
            Ok(_) => return Fate::Committed,
            Err(error) => (true, error),
        },
    };
    let severe = tx.severe.take();
    // SQLite has already rolled back after a severe failure; then this one fails, and nothing is lost by it.
    let _ = execute!(tx, "roll back", "ROLLBACK");
    tx.severe = severe.or(tx.severe);
    match (severe, error) {
        (Some(Severe::Io), _) if at_commit => Fate::Unknown,
        (Some(Severe::Full), _) => Fate::Full,
        (_, StoreError::Database { operation, source }) => Fate::Failed { operation, because: source.to_string() },
        (_, other) => Fate::Failed { operation: "write", because: other.to_string() },
    }
}

async fn run_jobs(tx: &mut Tx, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let mut is_kept = None;
    for job in batch {
        match is_kept {
            None => execute!(tx, "begin a transaction", "BEGIN IMMEDIATE; SAVEPOINT job")?,
            Some(true) => execute!(tx, "set a savepoint", "RELEASE job; SAVEPOINT job")?,
            // The savepoint that was gone back to serves again.
            Some(false) => 0,
        };
        let keep = job.run(tx).await;
        // A full disk or a failed write ends the batch: the savepoints are gone with the transaction.
        tx.check_usable()?;
        if !keep {
            execute!(tx, "go back to a savepoint", "ROLLBACK TO job")?;
        }
        is_kept = Some(keep);
    }
    // The commit releases the last savepoint.
    Ok(())
}

/// Moves the log into the file. A full disk is met again by the next write; a failed sync breaks the store.
async fn checkpoint(tx: &mut Tx) {
    tx.severe = None;
    let passive = checkpoint_by(tx, "PRAGMA wal_checkpoint(PASSIVE)").await;
    if passive.is_ok_and(|pages| pages > LONG_LOG) {
        let _ = checkpoint_by(tx, "PRAGMA wal_checkpoint(RESTART)").await;
    }
}

async fn checkpoint_by(tx: &mut Tx, pragma: &'static str) -> Result<i64, StoreError> {
    let (_, pages, _): (i64, i64, i64) =
        on!(tx, "move its log into its file", |conn| sqlx::query_as(pragma).fetch_one(&mut *conn).await)?;
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sqlx::AssertSqlSafe;

    use super::{super::Store, *};
    use crate::{
        keyring::Keyring,
        store::{SqliteOptions, meta},
    };

    async fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("keywheel.db");
        let store = Store::open_sqlite(&file, &SqliteOptions::default(), Arc::new(Keyring::new())).await;
        (folder, store.expect("a store"))
    }

    async fn put(store: &Store, name: &'static str, value: &str) -> Result<(), StoreError> {
        let value = value.to_owned();
        store.write(move |tx| Box::pin(async move { meta::put(tx, name, &value).await })).await
    }

    /// The limit is one of the connection, so it is set over the writer's own.
    async fn limit_pages(store: &Store, sql: String) -> i64 {
        let limited = store.write(move |tx| {
            Box::pin(async move {
                on!(tx, "limit the file", |conn| { sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *conn).await })
            })
        });
        let limited: Result<i64, StoreError> = limited.await;
        limited.expect("limited")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_is_told_to_all_who_wait_and_got_over_when_there_is_room() {
        let (_folder, store) = store().await;
        let pages = limit_pages(&store, "PRAGMA page_count".to_owned()).await;
        limit_pages(&store, format!("PRAGMA max_page_count = {}", pages + 20)).await;
        put(&store, "small", "enough room").await.expect("there is room for this");
        let big = "x".repeat(300_000);
        let mut jobs = tokio::task::JoinSet::new();
        for name in ["a", "b", "c", "d", "e", "f"] {
            let (store, big) = (store.clone(), big.clone());
            jobs.spawn(async move { put(&store, name, &big).await });
        }
        for told in jobs.join_all().await {
            assert!(matches!(told, Err(StoreError::Full)), "{told:?}");
        }
        let mut tx = store.read().await.expect("a connection");
        assert_eq!(meta::find(&mut tx, "small").await.expect("read").as_deref(), Some("enough room"));
        assert_eq!(meta::find(&mut tx, "a").await.expect("read"), None);
        assert!(!store.is_broken());
        limit_pages(&store, "PRAGMA max_page_count = 1000000".to_owned()).await;
        put(&store, "a", &big).await.expect("there is room again");
        assert_eq!(meta::find(&mut tx, "a").await.expect("read"), Some(big));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_that_goes_on_after_a_full_disk_writes_nothing_more() {
        let (_folder, store) = store().await;
        let pages = limit_pages(&store, "PRAGMA page_count".to_owned()).await;
        limit_pages(&store, format!("PRAGMA max_page_count = {}", pages + 20)).await;
        let deaf: Result<(), StoreError> = store
            .write(|tx| {
                Box::pin(async move {
                    let full = meta::put(tx, "big", &"x".repeat(300_000)).await;
                    assert!(matches!(full, Err(StoreError::Full)));
                    let _ = meta::put(tx, "after", "the failure").await;
                    Ok(())
                })
            })
            .await;
        assert!(matches!(deaf, Err(StoreError::Full)), "{deaf:?}");
        let mut tx = store.read().await.expect("a connection");
        assert_eq!(meta::find(&mut tx, "after").await.expect("read"), None);
    }
}
