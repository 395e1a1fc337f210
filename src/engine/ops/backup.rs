//! Backups: a snapshot of SQLite's file, and checking one row by row.

use std::{fs::File, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    engine::{Engine, Kind, Trouble, core::version_place},
    model::{Actor, EventId, SecretId, TenantId},
    store::{NewEvent, Store, StoreError, backup, event, secret, target, version},
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
    /// Secrets.
    pub secrets: u64,
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

    /// Counts an answer, or notes what is wrong.
    fn take<T: Default>(&mut self, found: Result<T, StoreError>) -> T {
        found.unwrap_or_else(|error| {
            self.note(&error);
            T::default()
        })
    }
}

/// Looks at every row of a store whose keyring holds its roots: the file, the MACs, and whether each value opens.
pub async fn verify(store: &Store) -> Result<Verified, Trouble> {
    let mut found = Verified::default();
    let mut tx = store.read().await?;
    for damage in backup::list_damage(&mut tx).await? {
        found.note(&format_args!("SQLite: {damage}"));
    }
    let tenants = backup::list_tenants(&mut tx).await?;
    drop(tx);
    for tenant in &tenants {
        verify_secrets(store, tenant, &mut found).await?;
        verify_events(store, tenant, &mut found).await?;
        let mut tx = store.read().await?;
        let listed = target::list(&mut tx, store.keyring(), tenant).await;
        found.targets += found.take(listed).len() as u64;
    }
    Ok(found)
}

async fn verify_secrets(store: &Store, tenant: &TenantId, found: &mut Verified) -> Result<(), Trouble> {
    let mut after = String::new();
    loop {
        let mut tx = store.read().await?;
        let page = secret::list(&mut tx, store.keyring(), tenant, "", &after, PAGE).await;
        let page = found.take(page);
        let Some(last) = page.last() else { return Ok(()) };
        after = last.name.to_string();
        for one in &page {
            found.secrets += 1;
            let loaded = secret::find(&mut tx, store.keyring(), tenant, &one.id).await;
            found.take(loaded);
            verify_values(store, tenant, &one.id, found).await?;
        }
    }
}

async fn verify_values(store: &Store, tenant: &TenantId, id: &SecretId, found: &mut Verified) -> Result<(), Trouble> {
    let mut tx = store.read().await?;
    let listed = version::list(&mut tx, store.keyring(), tenant, id).await;
    for one in found.take(listed) {
        let Some(token) = &one.token else { continue };
        match store.keyring().open(&version_place(&one), &one.key, token) {
            Ok(_) => found.values += 1,
            Err(error) => found.note(&format_args!("version `{}`: {error}", one.id)),
        }
    }
    Ok(())
}

async fn verify_events(store: &Store, tenant: &TenantId, found: &mut Verified) -> Result<(), Trouble> {
    let mut after = String::new();
    loop {
        let mut tx = store.read().await?;
        let page = event::list_after(&mut tx, store.keyring(), tenant, &after, PAGE).await;
        let page = found.take(page);
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id.to_string();
        found.events += page.len() as u64;
    }
}
