//! Waking other replicas: PostgreSQL tells them when a due time was pulled forward.
//!
//! A notification may be lost with its connection; a slow poll is the net.

use sqlx::postgres::PgListener;

use super::{Store, StoreError};

/// The channel of notifications.
pub(super) const CHANNEL: &str = "keywheel.agenda";

/// Hears when due times were pulled forward.
pub struct Wakes(PgListener);

impl Store {
    /// Listens for due times that others pull forward; nothing where no other may.
    pub async fn listen(&self) -> Result<Option<Wakes>, StoreError> {
        let Some(pool) = self.postgres() else { return Ok(None) };
        let cannot = |source| StoreError::database("listen for wake-ups", source);
        let mut listener = PgListener::connect_with(pool).await.map_err(cannot)?;
        listener.listen(CHANNEL).await.map_err(cannot)?;
        Ok(Some(Wakes(listener)))
    }
}

impl Wakes {
    /// Waits for the next one. Answers also after the connection was lost and made anew, as some may have been missed.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        let heard = self.0.try_recv().await;
        heard.map(|_| ()).map_err(|source| StoreError::database("hear a wake-up", source))
    }
}
