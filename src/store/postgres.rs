//! Writing on PostgreSQL: a transaction of the pool for each job.
//!
//! A commit whose answer is lost is asked for by its transaction id (`pg_xact_status`) over fresh connections, never
//! repeated. A session that still holds the transaction open is ended, which settles it: it has committed or it never
//! will. After a fail-over to a server that had not received the transaction, the id may belong to another one; the
//! server must be one whose commits survive (`synchronous_commit` is on for the local disk).

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use sqlx::{Connection, PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::Notify;

use super::{
    StoreError, Tx,
    tx::{Inner, on},
};

/// How often a lost commit is asked for, a quarter of a second apart.
const ASKED: u32 = 240;

/// How long one connection may take to tell.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a write stands that has not been committed.
struct Open {
    id: String,
    backend: i32,
}

/// Runs a job in a transaction; `news` is told of a commit that holds some.
pub(super) async fn write<T, E, F>(pool: PgPool, news: Arc<Notify>, job: F) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
{
    let begun = begin(&pool).await.map_err(|source| StoreError::database("begin a transaction", source))?;
    let mut tx = Tx::new(Inner::PgWrite(begun));
    let done = job(&mut tx).await?;
    // Where a statement failed and the job went on, this one fails too; a COMMIT would answer that it rolled back, and
    // call that a success.
    let (id, backend): (Option<String>, i32) = on!(tx, "learn the transaction's id", |conn| {
        sqlx::query_as("SELECT CAST(pg_current_xact_id_if_assigned() AS TEXT), pg_backend_pid()")
            .fetch_one(&mut *conn)
            .await
    })?;
    let has_news = tx.has_news;
    let Inner::PgWrite(transaction) = tx.inner else { return Ok(done) };
    let committed = transaction.commit().await;
    if has_news {
        // Even where the answer was lost: whoever is woken looks at what is there.
        news.notify_one();
    }
    let Err(error) = committed else { return Ok(done) };
    // Without an id nothing was written, so nothing can be lost.
    let Some(id) = id else { return Ok(done) };
    // Even an error of the server may come after the commit: a shutdown is told in place of the answer.
    tracing::warn!("the answer to a commit was lost, its fate is asked for: {error}");
    if is_committed(&pool, &Open { id, backend }).await? {
        return Ok(done);
    }
    Err(StoreError::database("commit", error).into())
}

/// Begins. An idle connection may have been cut since it was last used; nothing was sent over it, so another is tried.
async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    for _ in 0..pool.options().get_max_connections() {
        match pool.begin().await {
            Err(error) if is_cut(&error) => {}
            other => return other,
        }
    }
    pool.begin().await
}

/// Whether a connection was found to be over: cut, or ended by a server that shut down (57P01, 57P02).
fn is_cut(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    matches!(error, sqlx::Error::Io(_)) || code.is_some_and(|code| matches!(&*code, "57P01" | "57P02"))
}

async fn is_committed(pool: &PgPool, open: &Open) -> Result<bool, StoreError> {
    for _ in 0..ASKED {
        if let Ok(Ok(Some(is_committed))) = tokio::time::timeout(PATIENCE, ask(pool, open)).await {
            return Ok(is_committed);
        }
        #[expect(clippy::disallowed_methods, reason = "a driver's retry in running time, not a schedule")]
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Err(StoreError::CommitUnknown)
}

/// Asks once, over a connection of its own: those of the pool may be cut as well. `None` while it is not settled.
async fn ask(pool: &PgPool, open: &Open) -> Result<Option<bool>, sqlx::Error> {
    let mut conn = PgConnection::connect_with(&pool.connect_options()).await?;
    let status: Option<String> =
        sqlx::query_scalar("SELECT pg_xact_status(CAST($1 AS xid8))").bind(&open.id).fetch_one(&mut conn).await?;
    let settled = match status.as_deref() {
        Some("committed") => Some(true),
        Some("aborted") => Some(false),
        _ => None,
    };
    if settled.is_none() {
        // The number of a session may be given again: its transaction tells that it is ours.
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE pid = $2 AND backend_xid = CAST(CAST($1 AS xid8) AS xid)",
        )
        .bind(&open.id)
        .bind(open.backend)
        .execute(&mut conn)
        .await?;
    }
    conn.close().await?;
    Ok(settled)
}
