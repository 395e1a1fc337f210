//! Connections that read SQLite's file, lent and taken back without a word to the driver's thread.
//!
//! The driver's pool tries each connection that comes back, which costs as much as a statement. A connection to this
//! process's own file needs no trial: one whose statement failed is given back to the pool, all others wait here.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

use sqlx::{Sqlite, SqlitePool, pool::PoolConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The connections.
#[derive(Clone)]
pub(in crate::store) struct Readers {
    pool: SqlitePool,
    places: Arc<Semaphore>,
    waiting: Arc<Mutex<Vec<PoolConnection<Sqlite>>>>,
}

/// One of them, for a while.
pub(in crate::store) struct Lent {
    /// Taken only when it goes back.
    conn: Option<PoolConnection<Sqlite>>,
    home: Readers,
    is_sound: bool,
    _place: OwnedSemaphorePermit,
}

impl Readers {
    /// Lends so many connections of a pool at most.
    pub(in crate::store) fn of(pool: SqlitePool, count: u32) -> Self {
        let places = Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(1)));
        Self { pool, places, waiting: Arc::default() }
    }

    /// Lends a connection, as soon as there is one.
    pub(in crate::store) async fn lend(&self) -> Result<Lent, sqlx::Error> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let found = self.waiting().pop();
        let conn = match found {
            Some(conn) => conn,
            None => self.pool.acquire().await?,
        };
        Ok(Lent { conn: Some(conn), home: self.clone(), is_sound: true, _place: place })
    }

    /// Ends all connections; those that are lent end when they come back.
    pub(in crate::store) async fn close(&self) {
        self.places.close();
        let closing = self.pool.close();
        self.waiting().clear();
        closing.await;
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<PoolConnection<Sqlite>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent {
    /// Says that a statement failed on it.
    pub(in crate::store) fn distrust(&mut self) {
        self.is_sound = false;
    }
}

impl Deref for Lent {
    type Target = sqlx::SqliteConnection;

    fn deref(&self) -> &Self::Target {
        self.conn.as_deref().expect("it goes back last")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.conn.as_deref_mut().expect("it goes back last")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take().filter(|_| self.is_sound) else { return };
        let mut waiting = self.home.waiting();
        // Asked under the lock, so that the end finds it among those that wait.
        if !self.home.pool.is_closed() {
            waiting.push(conn);
        }
    }
}
