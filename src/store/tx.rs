//! A connection inside a transaction, of either engine, and the macro that writes a body once for both.

use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection, Transaction, pool::PoolConnection};

use super::{StoreError, connect::Lent, error::is_io_failure};

/// An open transaction, or a connection that reads.
pub struct Tx {
    pub(super) inner: Inner,
    /// The failure that ended the transaction. SQLite may have rolled it back by itself; a further statement would
    /// then run and commit on its own, so [`on!`] sends none.
    pub(super) severe: Option<Severe>,
    /// Whether an event was written that is to be told.
    pub(super) has_news: bool,
}

/// A failure that ends the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severe {
    /// No room.
    Full,
    /// Reading, writing or syncing the file failed.
    Io,
}

pub(super) enum Inner {
    Sqlite(PoolConnection<Sqlite>),
    SqliteRead(Lent),
    PgRead(PoolConnection<Postgres>),
    PgWrite(Transaction<'static, Postgres>),
}

pub(super) enum Conn<'t> {
    Sqlite(&'t mut SqliteConnection),
    Pg(&'t mut PgConnection),
}

impl Tx {
    pub(super) fn new(inner: Inner) -> Self {
        Self { inner, severe: None, has_news: false }
    }

    /// Refuses to go on in a transaction that is over.
    pub(super) fn check_usable(&self) -> Result<(), StoreError> {
        match self.severe {
            None => Ok(()),
            Some(Severe::Full) => Err(StoreError::Full),
            Some(Severe::Io) => Err(StoreError::Broken),
        }
    }

    /// Turns a driver's error into the store's, remembering a severe one.
    pub(super) fn failed(&mut self, operation: &'static str, source: sqlx::Error) -> StoreError {
        if let Inner::SqliteRead(conn) = &mut self.inner {
            conn.distrust();
        }
        if is_io_failure(&source) {
            self.severe = Some(Severe::Io);
        }
        let error = StoreError::database(operation, source);
        if matches!(error, StoreError::Full) {
            self.severe = Some(Severe::Full);
        }
        error
    }

    pub(super) fn conn(&mut self) -> Conn<'_> {
        match &mut self.inner {
            Inner::Sqlite(conn) => Conn::Sqlite(conn),
            Inner::SqliteRead(conn) => Conn::Sqlite(conn),
            Inner::PgRead(conn) => Conn::Pg(conn),
            Inner::PgWrite(tx) => Conn::Pg(tx),
        }
    }

    /// The words that differ between the engines.
    pub(super) fn dialect(&self) -> &'static super::dialect::Dialect {
        match &self.inner {
            Inner::Sqlite(_) | Inner::SqliteRead(_) => &super::dialect::SQLITE,
            Inner::PgRead(_) | Inner::PgWrite(_) => &super::dialect::POSTGRES,
        }
    }
}

/// Expands a body for each engine, with the connection in the given name; the body is a `Result` of sqlx's.
macro_rules! on {
    ($tx:expr, $operation:literal, |$conn:ident| $body:expr) => {
        match $tx.check_usable() {
            Err(over) => Err(over),
            Ok(()) => match $tx.conn() {
                $crate::store::tx::Conn::Sqlite($conn) => $body,
                $crate::store::tx::Conn::Pg($conn) => $body,
            }
            .map_err(|source| $tx.failed($operation, source)),
        }
    };
}
pub(super) use on;

/// Runs a statement that answers no rows and tells how many it changed.
macro_rules! execute {
    ($tx:expr, $operation:literal, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::store::tx::on!($tx, $operation, |conn| {
            sqlx::query($sql)$(.bind($bind))*.execute(&mut *conn).await.map(|done| done.rows_affected())
        })
    };
}
pub(super) use execute;
