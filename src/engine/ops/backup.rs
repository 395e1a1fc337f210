//! Backups: a snapshot of SQLite's file, and checking one row by row.

use std::{fs::File, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    engine::{Engine, Kind, Trouble, core::version_place},
    model::{Actor, EventId, TenantId},
    store::{NewEvent, Store, StoreError, Tx, backup, event, overview, verify::verify_all, version},
};

const PAGE: i64 = 500;

/// Makes a snapshot and opens it; its name is gone already, so that nothing is left of it when the file is closed.
/// Recorded as an event. Needs as much room on the store's disk as the store takes.
pub async fn create(engine: &Arc<Engine>, actor: Actor) -> Result<File, Trouble> {
    if engine.store.is_shared() {
        let sentence = "the store is PostgreSQL, which has backups of its own";
        let hint = "use `pg_dump`, or a physical backup; keep the master keys elsewhere";
        return Err(Trouble::new(Kind::Conflict, "backup-not-ours", sentence, hint));
    }
    let worker = Arc::clone(engine);
    let recorded: Result<(), StoreError> = engine
        .write(move |tx| {
            Box::pin(async move {
                let new = NewEvent {
                    id: worker.mint(EventId::mint),
                    tenant: worker.tenant.clone(),
                    subject: worker.tenant.as_str().to_owned(),
                    rotation: None,
                    kind: "backup.created".to_owned(),
                    facts: json!({}),
                    written: Vec::new(),
                    actor,
                    reason: String::new(),
                    at: worker.now(),
                };
                event::append(tx, worker.keyring(), new).await.map(|_| ())
            })
        })
        .await;
    recorded?;
    let path = engine.options.data_dir.join(format!("{SNAPSHOT}{}", engine.mint(EventId::mint)));
    let made = backup::snapshot(&engine.store, &path).await;
    let opened = File::open(&path);
    let _ = std::fs::remove_file(&path);
    made?;
    opened.map_err(|error| {
        let mut trouble =
            Trouble::new(Kind::Unavailable, "backup-unreadable", "the snapshot cannot be read", "try again");
        trouble.source = Some(Box::new(error));
        trouble
    })
}

/// How the names of snapshots begin, in the data directory.
const SNAPSHOT: &str = "snapshot-";

/// Removes snapshots that an earlier life was making when it ended.
pub fn remove_leftovers(data_dir: &std::path::Path) {
    let Ok(entries) = std::fs::read_dir(data_dir) else { return };
    let left = entries.flatten().map(|entry| entry.path());
    let is_snapshot =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(SNAPSHOT));
    for path in left.filter(is_snapshot) {
        let _ = std::fs::remove_file(path);
    }
}

/// What a look at every row found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Verified {
    /// Values that open.
    pub values: u64,
    /// Targets.
    pub targets: u64,
    /// Events.
    pub events: u64,
    /// What is wrong, a sentence each; at most 100.
    pub wrong: Vec<String>,
}

impl Verified {
    fn note(&mut self, what: &dyn std::fmt::Display) {
        if self.wrong.len() < 100 {
            self.wrong.push(what.to_string());
        }
    }
}

/// Looks at every row of a store whose keyring holds its roots: the file, the MACs against the events, and whether each
/// value opens.
pub async fn verify(store: &Store) -> Result<Verified, Trouble> {
    let mut found = Verified::default();
    let mut tx = store.read().await?;
    if !store.is_shared() {
        for damage in backup::list_damage(&mut tx).await? {
            found.note(&format_args!("SQLite: {damage}"));
        }
    }
    for wrong in verify_all(store).await? {
        found.note(&format_args!("{} `{}`: {}", wrong.table, wrong.row, wrong.because));
    }
    for tenant in &backup::list_tenants(&mut tx).await? {
        let counts = overview::count(&mut tx, tenant).await?;
        found.targets += u64::try_from(counts.targets).unwrap_or(0);
        found.events += overview::count_events(&mut tx, tenant).await?;
        verify_values(store, &mut tx, tenant, &mut found).await?;
    }
    Ok(found)
}

/// Opens every value. A row whose MAC is wrong was noted before and is passed over.
async fn verify_values(store: &Store, tx: &mut Tx, tenant: &TenantId, found: &mut Verified) -> Result<(), Trouble> {
    let mut after = String::new();
    loop {
        let page = overview::list_sealed(tx, tenant, &after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.as_str().to_owned();
        for id in &page {
            let Ok(Some(version)) = version::find(tx, store.keyring(), tenant, id).await else { continue };
            let Some(token) = &version.token else { continue };
            match store.keyring().open(&version_place(&version), &version.key, token) {
                Ok(_) => found.values += 1,
                Err(error) => found.note(&format_args!("version `{id}`: {error}")),
            }
        }
    }
}
