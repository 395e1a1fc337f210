//! Fills a store through its own functions, many secrets to a transaction: targets, admins, managed secrets with a
//! sealed current version, schedule and agenda row, and the event that tells of each.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use chrono::{DateTime, Utc};
use keywheel::{
    engine::Engine,
    model::{
        Actor, Breaker, EventId, KeyId, Material, Name, ScheduleRow, Secret, SecretId, Stage, Target, TargetId,
        Version, VersionId,
    },
    schedule::zone_data_version,
    store::{NewEvent, StoreError, Tx, Written, agenda, event, schedule, secret, target, version},
};
use serde_json::{Value, json};

/// Secrets in one transaction.
const BATCH: usize = 1000;

/// When the secrets of a store are rotated.
pub(crate) struct Timing<'a> {
    /// The rule, such as `2s`.
    pub(crate) every: &'a str,
    /// When the secret with a number is first due.
    pub(crate) first_due: &'a (dyn Fn(usize) -> DateTime<Utc> + Sync),
}

/// Managed secrets that are to be written.
pub(crate) struct Filling<'a> {
    pub(crate) target: &'a Target,
    /// How many.
    pub(crate) count: usize,
    /// What their names and roles begin with.
    pub(crate) prefix: &'a str,
    /// The first password of every role.
    pub(crate) password: &'a str,
    /// The schedule; none for secrets that rotate when asked.
    pub(crate) timing: Option<Timing<'a>>,
}

/// Everything of one secret, made before the transaction.
struct Made {
    secret: Secret,
    version: Version,
    schedule: Option<ScheduleRow>,
    event: NewEvent,
}

/// Writes a target and its admin.
pub(crate) async fn put_target(engine: &Arc<Engine>, name: &str, settings: Value, admin: &Material) -> Result<Target> {
    let admin_name = Name::parse(&format!("{name}/admin"))?;
    let target = Target {
        id: engine.mint(TargetId::mint),
        tenant: engine.tenant.clone(),
        name: Name::parse(name)?,
        rotator: "postgres".to_owned(),
        settings,
        admin: Some(admin_name.clone()),
        acknowledged: Vec::new(),
        parallel: 32,
        breaker: Breaker::Closed,
        created_at: engine.now(),
        created_by: Actor::daemon(),
        revision: 1,
    };
    let holder = make(engine, admin_name, None, admin, Value::Null, None)?;
    let (row, keyring) = (target.clone(), Arc::clone(engine.keyring()));
    let told = told(engine, row.id.as_str(), "target.created");
    engine
        .store
        .write(move |tx| {
            Box::pin(async move {
                let written = vec![target::insert(tx, &keyring, &row).await?];
                event::append(tx, &keyring, NewEvent { written, ..told }).await?;
                write(tx, &keyring, holder, "").await
            })
        })
        .await?;
    Ok(target)
}

/// Writes managed secrets in batches; answers their ids.
pub(crate) async fn fill(engine: &Arc<Engine>, filling: &Filling<'_>) -> Result<Vec<SecretId>> {
    let mut ids = Vec::with_capacity(filling.count);
    let numbers: Vec<usize> = (0..filling.count).collect();
    for batch in numbers.chunks(BATCH) {
        let made = batch.iter().map(|number| filling.make(engine, *number)).collect::<Result<Vec<Made>>>()?;
        ids.extend(made.iter().map(|made| made.secret.id.clone()));
        let (keyring, lane) = (Arc::clone(engine.keyring()), filling.target.id.as_str().to_owned());
        let written: Result<(), StoreError> = engine
            .store
            .write(move |tx| {
                Box::pin(async move {
                    for one in made {
                        write(tx, &keyring, one, &lane).await?;
                    }
                    Ok(())
                })
            })
            .await;
        written?;
    }
    Ok(ids)
}

impl Filling<'_> {
    /// The role of a secret.
    pub(crate) fn role(prefix: &str, number: usize) -> String {
        format!("{prefix}_{number}")
    }

    fn make(&self, engine: &Engine, number: usize) -> Result<Made> {
        let role = Self::role(self.prefix, number);
        let material = Material::of_texts([("username", role.as_str()), ("password", self.password)]);
        let due = self.timing.as_ref().map(|timing| (json!({ "every": timing.every }), (timing.first_due)(number)));
        let settings = json!({ "strategy": "single", "role": role });
        make(engine, Name::parse(&format!("{}/{number}", self.prefix))?, Some(self.target), &material, settings, due)
    }
}

fn make(
    engine: &Engine,
    name: Name,
    target: Option<&Target>,
    material: &Material,
    settings: Value,
    due: Option<(Value, DateTime<Utc>)>,
) -> Result<Made> {
    let (now, tenant) = (engine.now(), engine.tenant.clone());
    let secret = Secret {
        id: engine.mint(SecretId::mint),
        tenant: tenant.clone(),
        name,
        kind: "password".to_owned(),
        owner: String::new(),
        description: String::new(),
        tags: BTreeMap::new(),
        target: target.map(|target| target.id.clone()),
        settings,
        acknowledged: Vec::new(),
        overlap_us: 0,
        recovery_us: 0,
        expires_at: None,
        next_number: 2,
        rotation: None,
        probe_at: None,
        deleted_at: None,
        created_at: now,
        created_by: Actor::daemon(),
        revision: 1,
    };
    let mut version = Version {
        id: engine.mint(VersionId::mint),
        tenant: tenant.clone(),
        secret: secret.id.clone(),
        number: Some(1),
        stage: Stage::Current,
        identity: material.text("username").unwrap_or_default().to_owned(),
        key: KeyId::mint(now, [0; 10]),
        token: None,
        fingerprint: String::new(),
        rotation: None,
        created_at: now,
        created_by: Actor::daemon(),
        published_at: Some(now),
        retire_at: None,
        retired_at: None,
        deleted_at: None,
        deactivated_at: None,
        destroyed_at: None,
        revision: 1,
    };
    engine.seal_into(&mut version, material)?;
    let schedule = due.map(|(rule, next)| ScheduleRow {
        secret: secret.id.clone(),
        tenant,
        rule,
        paused_at: None,
        pause_reason: String::new(),
        counted_from: now,
        next_due_at: Some(next),
        zone_data: zone_data_version().to_owned(),
        revision: 0,
    });
    let event = told(engine, secret.id.as_str(), "secret.adopted");
    Ok(Made { secret, version, schedule, event })
}

fn told(engine: &Engine, subject: &str, kind: &str) -> NewEvent {
    NewEvent {
        id: engine.mint(EventId::mint),
        tenant: engine.tenant.clone(),
        subject: subject.to_owned(),
        rotation: None,
        kind: kind.to_owned(),
        facts: json!({ "v": 1 }),
        written: Vec::new(),
        actor: Actor::daemon(),
        reason: String::new(),
        at: engine.now(),
    }
}

async fn write(tx: &mut Tx, keyring: &keywheel::keyring::Keyring, made: Made, lane: &str) -> Result<(), StoreError> {
    let Made { secret, version, schedule: row, event } = made;
    let mut written: Vec<Written> = vec![secret::insert(tx, keyring, &secret).await?];
    written.push(version::insert(tx, keyring, &version).await?);
    let due = row.as_ref().and_then(|row| row.next_due_at);
    if let Some(mut row) = row {
        written.push(schedule::put(tx, keyring, &mut row).await?);
    }
    agenda::insert(tx, secret.id.as_str(), &secret.tenant, lane, due).await?;
    event::append(tx, keyring, NewEvent { written, ..event }).await.map(drop)
}
