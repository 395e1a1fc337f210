//! New time-zone data: due times were made by the data that the earlier binary carried, so a binary with another
//! release makes those of calendars anew and lists what moved.
//!
//! Runs once before the loop. Each schedule is a transaction of its own; a crash in between leaves schedules under the
//! old release, which the next start finds. Intervals follow elapsed time and never move.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    Engine, Trouble,
    due::{CountFrom, read},
};
use crate::{
    model::{Actor, EventId, ScheduleRow},
    schedule::{Rule, zone_data_version},
    store::{NewEvent, agenda, event, meta, schedule, secret, version},
};

/// The fact about the store that names the release.
const FACT: &str = "zone-data";
const BATCH: i64 = 500;

impl Engine {
    /// Makes the due times of calendars anew if the zone data changed; answers how many moved.
    pub(super) async fn follow_zone_data(self: &Arc<Self>) -> Result<usize, Trouble> {
        let mut tx = self.store.read().await?;
        let known = meta::find(&mut tx, FACT).await?;
        drop(tx);
        if known.as_deref() == Some(zone_data_version()) {
            return Ok(0);
        }
        let mut moved = 0;
        let mut after = String::new();
        loop {
            let mut tx = self.store.read().await?;
            let rows = schedule::list(&mut tx, self.keyring(), &self.tenant, &after, BATCH).await?;
            drop(tx);
            let Some(last) = rows.last() else { break };
            after = last.secret.as_str().to_owned();
            for row in rows.into_iter().filter(|row| row.zone_data != zone_data_version()) {
                moved += usize::from(self.follow(row).await?);
            }
        }
        self.store.write(|tx| Box::pin(meta::put(tx, FACT, zone_data_version()))).await?;
        if let Some(known) = known {
            tracing::info!(from = known, to = zone_data_version(), moved, "due times follow new time-zone data");
        }
        Ok(moved)
    }

    /// Brings one schedule to the new data; answers whether its due time moved.
    async fn follow(self: &Arc<Self>, row: ScheduleRow) -> Result<bool, Trouble> {
        let engine = Arc::clone(self);
        self.write(move |tx| {
            Box::pin(async move {
                let keyring = engine.keyring();
                agenda::lock(tx, row.secret.as_str()).await?;
                let Some(mut row) = schedule::find(tx, keyring, &row.tenant, &row.secret).await? else {
                    return Ok(false);
                };
                let Some(secret) = secret::find(tx, keyring, &row.tenant, &row.secret).await? else { return Ok(false) };
                let published_at = version::find_current(tx, keyring, &row.tenant, &row.secret)
                    .await?
                    .and_then(|version| version.published_at);
                let before = row.next_due_at;
                let due = engine.moved_due(&row, &secret, published_at)?;
                zone_data_version().clone_into(&mut row.zone_data);
                row.next_due_at = due;
                let written = vec![schedule::put(tx, keyring, &mut row).await?];
                if due == before {
                    event::note_without_event(tx, &written).await?;
                    return Ok(false);
                }
                let facts = json!({ "v": 1, "before": before, "after": due, "zone_data": row.zone_data });
                let new = NewEvent {
                    id: engine.mint(EventId::mint),
                    tenant: row.tenant.clone(),
                    subject: row.secret.as_str().to_owned(),
                    rotation: None,
                    kind: "schedule.moved".to_owned(),
                    facts,
                    written,
                    actor: Actor::daemon(),
                    reason: "new time-zone data".to_owned(),
                    at: engine.now(),
                };
                event::append(tx, keyring, new).await?;
                agenda::pull(tx, row.secret.as_str(), engine.now()).await?;
                Ok(true)
            })
        })
        .await
    }

    /// The due time by the new data. What is overdue, paused or no calendar stays as it is.
    fn moved_due(
        &self,
        row: &ScheduleRow,
        secret: &crate::model::Secret,
        published_at: Option<DateTime<Utc>>,
    ) -> Result<Option<DateTime<Utc>>, Trouble> {
        let now = self.now();
        let follows_a_calendar = matches!(read(row)?.rule, Rule::Cron(_) | Rule::Named(_));
        let lies_ahead = row.next_due_at.is_some_and(|due| due > now) && row.paused_at.is_none();
        if !follows_a_calendar || !lies_ahead {
            return Ok(row.next_due_at);
        }
        let from = CountFrom { origin: now, published_at, now };
        Ok(self.next_due(row, secret, from)?.map(|due| due.at))
    }
}
