//! An older row that is put back behind the store's back is found: by itself, or together with its note.

use std::sync::Arc;

use keywheel::{
    model::{Secret, Stage, Target, Version, VersionId},
    store::{
        NewEvent, StoreError, agenda, event,
        read_audit::{self, Read},
        schedule, secret, target, version,
    },
};
use keywheel_contract::EventId;

use super::world::{World, mint, now};

/// One secret with all that belongs to it.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) target: Target,
    pub(crate) secret: Secret,
    versions: Vec<Version>,
    events: Vec<String>,
    reads: Vec<String>,
}

impl Row {
    pub(crate) fn version_of(&self, key: &str) -> VersionId {
        self.versions.iter().find(|version| version.id.as_str() == key).expect("one of these").id.clone()
    }
}

/// Secrets with all that belongs to them.
pub(crate) struct Filled {
    pub(crate) rows: Vec<Row>,
    roots: Vec<String>,
}

impl Filled {
    /// The keys of a table.
    pub(crate) fn keys(&self, table: &str) -> Vec<String> {
        if table == "tenant_root" {
            self.roots.clone()
        } else {
            self.rows.iter().flat_map(|row| keys_of(row, table)).collect()
        }
    }

    /// The secret that a row belongs to.
    pub(crate) fn of(&self, table: &str, key: &str) -> &Row {
        let has = |row: &&Row| keys_of(row, table).iter().any(|found| found == key);
        self.rows.iter().find(has).unwrap_or(&self.rows[0])
    }

    /// Reads everything that does not belong to the damaged row's secret.
    pub(crate) async fn check_others(&self, world: &World, key: &str) -> Result<(), StoreError> {
        let tables = ["secret", "version", "schedule", "target", "event", "read_audit"];
        let is_of = |row: &Row| tables.iter().any(|table| keys_of(row, table).iter().any(|found| found == key));
        let (mut tx, keyring, tenant) = (world.read().await, &world.keyring, &world.tenant);
        for row in self.rows.iter().filter(|row| !is_of(row)).take(2) {
            assert_eq!(secret::find(&mut tx, keyring, tenant, &row.secret.id).await?.as_ref(), Some(&row.secret));
            let versions = version::list(&mut tx, keyring, tenant, &row.secret.id).await?;
            assert_eq!(versions.len(), row.versions.len());
            assert!(schedule::find(&mut tx, keyring, tenant, &row.secret.id).await?.is_some());
            assert!(target::find(&mut tx, keyring, tenant, &row.target.id).await?.is_some());
            let events = event::list_of_subject(&mut tx, keyring, tenant, row.secret.id.as_str(), 99).await?;
            assert_eq!(events.len(), row.events.len());
        }
        Ok(())
    }
}

fn keys_of(row: &Row, table: &str) -> Vec<String> {
    match table {
        "secret" | "schedule" => vec![row.secret.id.to_string()],
        "target" => vec![row.target.id.to_string()],
        "version" => row.versions.iter().map(|version| version.id.to_string()).collect(),
        "event" => row.events.clone(),
        "read_audit" => row.reads.clone(),
        _ => Vec::new(),
    }
}

/// Fills a store; every row was written at least twice, and events name the last writes.
pub(crate) async fn fill(world: &World, secrets: usize) -> Filled {
    let mut rows = Vec::new();
    for n in 0..secrets {
        rows.push(put(world, n).await);
    }
    Filled { rows, roots: world.texts("SELECT id FROM tenant_root").await }
}

async fn put(world: &World, n: usize) -> Row {
    let target = world.target(&format!("target/{n}"));
    let secret = world.secret(&format!("secret/{n}"), Some(&target));
    let versions =
        vec![world.version(&secret, Stage::Previous, Some(1)), world.version(&secret, Stage::Current, Some(2))];
    let events: Vec<NewEvent> = (0..3)
        .map(|k| {
            let event = world.event(secret.id.as_str(), &format!("a.{k}"), vec![]);
            NewEvent { rotation: secret.rotation.clone(), ..event }
        })
        .collect();
    let mut row = Row {
        events: events.iter().map(|event| event.id.to_string()).collect(),
        reads: Vec::new(),
        target,
        secret,
        versions,
    };
    let read = Read {
        id: mint(EventId::mint),
        tenant: world.tenant.clone(),
        secret: row.secret.id.clone(),
        version: row.versions[1].id.clone(),
        reader: keywheel::model::Actor::local(1000),
        via: "api",
        at: now(),
    };
    row.reads.push(read.id.to_string());
    let (keyring, mut schedule, mut put) = (world.keyring.clone(), world.schedule(&row.secret), row.clone());
    let written = world.write(move |tx| {
        Box::pin(async move {
            agenda::insert(tx, put.secret.id.as_str(), &put.secret.tenant, "", None).await?;
            let mut written = vec![
                target::insert(tx, &keyring, &put.target).await?,
                secret::insert(tx, &keyring, &put.secret).await?,
                schedule::put(tx, &keyring, &mut schedule).await?,
            ];
            for version in &put.versions {
                written.push(version::insert(tx, &keyring, version).await?);
            }
            let mut events = events.into_iter();
            let first = events.next().expect("three");
            event::append(tx, &keyring, NewEvent { written, ..first }).await?;
            read_audit::insert(tx, &keyring, &read).await?;
            change(tx, &keyring, &mut put, &mut schedule, events.collect()).await?;
            Ok(put)
        })
    });
    written.await.expect("written")
}

async fn change(
    tx: &mut keywheel::store::Tx,
    keyring: &Arc<keywheel::keyring::Keyring>,
    put: &mut Row,
    schedule: &mut keywheel::model::ScheduleRow,
    events: Vec<NewEvent>,
) -> Result<(), StoreError> {
    for event in events {
        put.target.parallel += 1;
        put.secret.next_number += 1;
        let mut written = vec![
            target::update(tx, keyring, &mut put.target).await?,
            secret::update(tx, keyring, &mut put.secret).await?,
            schedule::put(tx, keyring, schedule).await?,
        ];
        for version in &mut put.versions {
            version.identity.push('+');
            written.push(version::update(tx, keyring, version).await?);
        }
        event::append(tx, keyring, NewEvent { written, ..event }).await?;
    }
    Ok(())
}

mod proofs {
    use anyhow::{Result, ensure};
    use keywheel::store::verify;

    use super::*;
    use crate::support::proof::{Proof, count};

    const TABLES: [&str; 4] = ["secret", "version", "schedule", "target"];

    /// Keeps every row and note as they are.
    async fn keep(world: &World) {
        for table in TABLES.iter().chain(&["row_mac"]) {
            world.sql(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await;
        }
    }

    async fn set_from_kept(world: &World, table: &str, key: &str, id: &str) {
        let columns = world.texts(&columns_sql(world, table)).await.join(", ");
        world
            .sql(&format!(
                "UPDATE {table} SET ({columns}) = (SELECT {columns} FROM kept_{table} WHERE {key} = '{id}')
                 WHERE {key} = '{id}'"
            ))
            .await;
    }

    fn columns_sql(world: &World, table: &str) -> String {
        if world.is_sqlite() {
            return format!("SELECT name FROM pragma_table_info('{table}')");
        }
        format!("SELECT CAST(column_name AS TEXT) FROM information_schema.columns WHERE table_name = '{table}'")
    }

    /// Puts older rows back, each alone; with its note too in every second round.
    async fn rollbacks(world: World, proof: Proof, owed: u64) -> Result<()> {
        let filled = fill(&world, 3).await;
        keep(&world).await;
        let newer = change_all(&world, filled).await;
        ensure!(verify::verify_all(&world.store).await?.is_empty(), "found before anything was put back");
        let after = "after";
        for table in TABLES.iter().chain(&["row_mac"]) {
            world.sql(&format!("CREATE TABLE {after}_{table} AS SELECT * FROM {table}")).await;
        }
        let mut found_all = 0;
        for round in 0..owed {
            let with_note = round % 2 == 1;
            let table = TABLES[usize::try_from(round / 2)? % TABLES.len()];
            let keys = newer.keys(table);
            let id = &keys[usize::try_from(round / 8)? % keys.len()];
            let key = if table == "schedule" { "secret_id" } else { "id" };
            set_from_kept(&world, table, key, id).await;
            if with_note {
                world.sql(&note_sql("kept", table, id)).await;
            }
            let found = verify::verify_all(&world.store).await?;
            let is_named = found.len() == 1 && found[0].table == table && found[0].row == *id;
            ensure!(is_named, "{table} {id} with its note {with_note}: {found:?}");
            if !with_note {
                let refused = newer.check_one(&world, table, id).await;
                ensure!(matches!(refused, Err(StoreError::Tampered { .. })), "{table} {id} is served");
            }
            found_all += 1;
            repair(&world, table, key, id).await;
        }
        ensure!(verify::verify_all(&world.store).await?.is_empty(), "the repairs left something");
        proof.end(found_all, owed)
    }

    fn note_sql(from: &str, table: &str, id: &str) -> String {
        format!(
            "UPDATE row_mac SET (revision, mac) = (SELECT revision, mac FROM {from}_row_mac
                 WHERE kind = '{table}' AND row_id = '{id}') WHERE kind = '{table}' AND row_id = '{id}'"
        )
    }

    async fn repair(world: &World, table: &str, key: &str, id: &str) {
        let columns = world.texts(&columns_sql(world, table)).await.join(", ");
        world
            .sql(&format!(
                "UPDATE {table} SET ({columns}) = (SELECT {columns} FROM after_{table} WHERE {key} = '{id}')
                 WHERE {key} = '{id}'"
            ))
            .await;
        world.sql(&note_sql("after", table, id)).await;
    }

    async fn change_all(world: &World, filled: Filled) -> Filled {
        let mut rows = Vec::new();
        for mut row in filled.rows.clone() {
            let event = world.event(row.secret.id.as_str(), "a.later", vec![]);
            row.events.push(event.id.to_string());
            let keyring = world.keyring.clone();
            let changed = world.write(move |tx| {
                Box::pin(async move {
                    let tenant = row.secret.tenant.clone();
                    let found = schedule::find(tx, &keyring, &tenant, &row.secret.id).await?;
                    let mut schedule = found.expect("it was put");
                    change(tx, &keyring, &mut row, &mut schedule, vec![event]).await?;
                    Ok(row)
                })
            });
            rows.push(changed.await.expect("changed"));
        }
        Filled { rows, ..filled }
    }

    impl Filled {
        async fn check_one(&self, world: &World, table: &str, id: &str) -> Result<(), StoreError> {
            let (row, mut tx) = (self.of(table, id), world.read().await);
            let (keyring, tenant) = (&world.keyring, &world.tenant);
            match table {
                "secret" => secret::find(&mut tx, keyring, tenant, &row.secret.id).await.map(|_| ()),
                "version" => version::find(&mut tx, keyring, tenant, &row.version_of(id)).await.map(|_| ()),
                "target" => target::find(&mut tx, keyring, tenant, &row.target.id).await.map(|_| ()),
                _ => schedule::find(&mut tx, keyring, tenant, &row.secret.id).await.map(|_| ()),
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_older_row_put_back_on_sqlite_is_found() -> Result<()> {
        rollbacks(World::sqlite().await, Proof::begin("55", "rows put back on SQLite"), count(100, 100)).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_older_row_put_back_on_postgres_is_found() -> Result<()> {
        rollbacks(World::postgres().await, Proof::begin("55", "rows put back on PostgreSQL"), count(100, 100)).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_row_that_vanished_with_its_note_is_found() -> Result<()> {
        let world = World::sqlite().await;
        let filled = fill(&world, 2).await;
        let id = filled.keys("version").remove(0);
        world.sql(&format!("DELETE FROM version WHERE id = '{id}'")).await;
        world.sql(&format!("DELETE FROM row_mac WHERE row_id = '{id}'")).await;
        let found = verify::verify_all(&world.store).await?;
        ensure!(found.len() == 1 && found[0].row == id, "{found:?}");
        let event = filled.keys("event").remove(1);
        world.sql(&format!("DELETE FROM event WHERE id = '{event}'")).await;
        ensure!(
            verify::verify_all(&world.store).await?.iter().any(|found| found.table == "event"),
            "the gap is not found"
        );
        Ok(())
    }
}
