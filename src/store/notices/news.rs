//! News: events that are yet to be turned into notices. Written with the event, deleted with what was made of it.

use crate::model::{DocumentId, EventId, TenantId};
use crate::store::{
    StoreError, Tx,
    codec::Reader,
    tx::{execute, on},
};

/// An event that is yet to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The event.
    pub event: EventId,
    /// The one channel to be told, when it missed the event because it is new; none for all.
    pub channel: Option<DocumentId>,
}

/// Notes that an event is to be told.
pub(in crate::store) async fn insert_all(tx: &mut Tx, tenant: &str, event: &str) -> Result<(), StoreError> {
    execute!(
        tx,
        "note the news",
        "INSERT INTO news (event_id, channel_id, tenant_id) VALUES ($1, '', $2)
         ON CONFLICT (event_id, channel_id) DO NOTHING",
        event,
        tenant,
    )
    .map(|_| ())
}

/// Notes that an event is to be told to one channel that is new.
pub async fn insert_for(
    tx: &mut Tx,
    tenant: &TenantId,
    event: &EventId,
    channel: &DocumentId,
) -> Result<(), StoreError> {
    execute!(
        tx,
        "note the news for a channel",
        "INSERT INTO news (event_id, channel_id, tenant_id) VALUES ($1, $2, $3)
         ON CONFLICT (event_id, channel_id) DO NOTHING",
        event.as_str(),
        channel.as_str(),
        tenant.as_str(),
    )?;
    tx.has_news = true;
    Ok(())
}

/// The oldest news of a tenant that nobody else works on, locked until the commit.
pub async fn list_oldest(tx: &mut Tx, tenant: &TenantId, limit: i64) -> Result<Vec<News>, StoreError> {
    let sql = tx.dialect().news;
    let rows: Vec<(String, String)> = on!(tx, "read the news", |conn| {
        sqlx::query_as(sql).bind(tenant.as_str()).bind(limit).fetch_all(&mut *conn).await
    })?;
    rows.into_iter()
        .map(|(event, channel)| {
            let reader = Reader { table: "news", row: &event };
            let named = (!channel.is_empty()).then_some(channel.as_str());
            Ok(News {
                event: reader.id("event_id", EventId::parse, &event)?,
                channel: reader.optional("channel_id", DocumentId::parse, named)?,
            })
        })
        .collect()
}

/// Whether there are news of a tenant.
pub async fn is_any(tx: &mut Tx, tenant: &TenantId) -> Result<bool, StoreError> {
    let found: Option<i64> = on!(tx, "look for news", |conn| {
        sqlx::query_scalar("SELECT CAST(1 AS BIGINT) FROM news WHERE tenant_id = $1 LIMIT 1")
            .bind(tenant.as_str())
            .fetch_optional(&mut *conn)
            .await
    })?;
    Ok(found.is_some())
}

/// Forgets news: notices were made of them in the same transaction.
pub async fn delete(tx: &mut Tx, tenant: &TenantId, news: &News) -> Result<(), StoreError> {
    execute!(
        tx,
        "forget the news",
        "DELETE FROM news WHERE event_id = $1 AND channel_id = $2 AND tenant_id = $3",
        news.event.as_str(),
        news.channel.as_ref().map_or("", DocumentId::as_str),
        tenant.as_str(),
    )
    .map(|_| ())
}
