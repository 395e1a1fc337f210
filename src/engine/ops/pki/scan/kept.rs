//! Scans that people asked for are kept, and repeated daily. A kept scan is a document of the kind `scan`.
//!
//! Who repeats one first moves its next time on, in the revision that was read: of several daemons one goes on. A
//! daemon leaves alone what names roots that it does not have.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{
    ask::run,
    report::{KeptScan, ScanCertificates, ScanReport},
};
use crate::{
    engine::{
        Engine, Kind, Trouble,
        ops::{
            asked::{Asked, conflict, read_name},
            wire::Moment,
        },
    },
    model::Actor,
    store::{document, document::Document},
};

/// The type of a document that is a kept scan.
const SCAN: &str = "scan";
/// The most that are kept.
const MOST: i64 = 100;
/// A scan is repeated after at least this time, in hours, and at most two hours later.
const AGAIN_HOURS: i64 = 23;
const JITTER_SECONDS: u32 = 2 * 3_600;

/// The name under which a scan is kept. Errors: `name-invalid`.
pub(super) fn name_of(request: &ScanCertificates) -> Result<String, Trouble> {
    let usual = || match (request.roots.is_empty(), request.endpoints.is_empty()) {
        (false, _) => request.roots.join("+"),
        (true, true) => "all".to_owned(),
        (true, false) => "all+endpoints".to_owned(),
    };
    let name = request.name.clone().unwrap_or_else(usual);
    Ok(read_name(&name)?.to_string())
}

impl Engine {
    fn next_scan(&self, now: DateTime<Utc>) -> Moment {
        let jitter = TimeDelta::seconds(i64::from(self.draw() % JITTER_SECONDS));
        Moment(now + TimeDelta::hours(AGAIN_HOURS) + jitter)
    }
}

fn read(document: &Document) -> Option<KeptScan> {
    serde_json::from_value(document.body.clone()).ok()
}

/// Keeps a scan that ran just now. Errors: `scans-too-many`.
pub(super) async fn keep(
    engine: &Arc<Engine>,
    actor: &Actor,
    name: &str,
    request: &ScanCertificates,
    report: &ScanReport,
) -> Result<(), Trouble> {
    let asked = Asked::new(engine, actor);
    let body = KeptScan {
        name: name.to_owned(),
        roots: request.roots.clone(),
        endpoints: request.endpoints.clone(),
        last_at: Moment(asked.now),
        next_at: engine.next_scan(asked.now),
        found: report.certificates.len(),
        wrong: report.certificates.iter().filter(|one| one.needs_a_look()).count(),
    };
    let reason = request.reason.clone();
    asked.write(move |asked, tx| Box::pin(async move { asked.put_scan(tx, &body, &reason).await })).await
}

impl Asked {
    async fn put_scan(&self, tx: &mut crate::store::Tx, body: &KeptScan, reason: &str) -> Result<(), Trouble> {
        let known = document::find(tx, self.keyring(), self.tenant(), SCAN, &body.name).await?;
        if known.is_none() {
            let others = document::list(tx, self.keyring(), self.tenant(), SCAN, "", MOST).await?;
            if i64::try_from(others.len()).is_ok_and(|count| count >= MOST) {
                let sentence = format!("{MOST} scans are kept already");
                return Err(conflict("scans-too-many", sentence, "forget one: `keywheel cert scans --forget NAME`"));
            }
        }
        let mut row = known.unwrap_or_else(|| self.new_document(SCAN, &body.name));
        row.body = json!(body);
        let written = document::put(tx, self.keyring(), &mut row).await?;
        let facts = json!({ "v": 1, "name": body.name, "found": body.found, "wrong": body.wrong });
        self.tell_of_document(tx, &row, "scan.done", facts, reason, vec![written]).await
    }

    /// Moves the next time of a kept scan on; whether nobody else did.
    async fn take_scan(&self, mut row: Document, mut body: KeptScan) -> Result<bool, Trouble> {
        body.next_at = self.engine.next_scan(self.now);
        row.body = json!(body);
        let taken = self.write(move |asked, tx| {
            Box::pin(async move {
                let mut row = row;
                let written = document::put(tx, asked.keyring(), &mut row).await?;
                let facts = json!({ "v": 1, "name": row.name });
                asked.tell_of_document(tx, &row, "scan.begun", facts, "", vec![written]).await
            })
        });
        match taken.await {
            Ok(()) => Ok(true),
            Err(trouble) if trouble.kind == Kind::Conflict => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }
}

/// Lists the scans that are repeated.
pub async fn list(engine: &Arc<Engine>) -> Result<Vec<KeptScan>, Trouble> {
    let mut tx = engine.store.read().await?;
    let rows = document::list(&mut tx, engine.keyring(), &engine.tenant, SCAN, "", MOST).await?;
    Ok(rows.iter().filter_map(read).collect())
}

/// Repeats a scan no more; what it found stays tracked. Errors: `not-found`.
pub async fn forget(engine: &Arc<Engine>, actor: &Actor, name: &str) -> Result<(), Trouble> {
    let name = name.to_owned();
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                let found = document::find(tx, asked.keyring(), asked.tenant(), SCAN, &name).await?;
                let found = found.ok_or_else(|| {
                    let hint = "`keywheel cert scans` lists them";
                    Trouble::new(Kind::NotFound, "not-found", format!("no scan is named `{name}`"), hint)
                })?;
                document::delete(tx, asked.tenant(), &found.id).await?;
                let facts = json!({ "v": 1, "name": found.name });
                asked.tell_of_document(tx, &found, "document.deleted", facts, "", Vec::new()).await
            })
        })
        .await
}

/// Repeats the kept scans that are due. Harmless to miss or repeat.
pub async fn again(engine: &Arc<Engine>) -> Result<(), Trouble> {
    let mut tx = engine.store.read().await?;
    let rows = document::list(&mut tx, engine.keyring(), &engine.tenant, SCAN, "", MOST).await?;
    drop(tx);
    for row in rows {
        let Some(body) = read(&row) else { continue };
        let is_due = body.next_at.0 <= engine.now() && engine.find_scan_roots(&body.roots).is_ok();
        if !is_due || engine.is_stopping() {
            continue;
        }
        if let Err(trouble) = repeat(engine, row, body).await {
            tracing::warn!(code = %trouble.code, "a scan: {trouble}");
        }
    }
    Ok(())
}

async fn repeat(engine: &Arc<Engine>, row: Document, body: KeptScan) -> Result<(), Trouble> {
    let actor = Actor::daemon();
    if !Asked::new(engine, &actor).take_scan(row, body.clone()).await? {
        return Ok(());
    }
    let KeptScan { name, roots, endpoints, .. } = body;
    let request = ScanCertificates { roots, endpoints, ..ScanCertificates::default() };
    let report = run(engine, &actor, &request).await?;
    for remark in &report.remarks {
        tracing::warn!(scan = %name, "{remark}");
    }
    keep(engine, &actor, &name, &request, &report).await
}
