//! Keys that are rotated over a store with values in it.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use chrono::{DateTime, TimeDelta};

use super::*;
use crate::{
    clock::{ManualClock, from_micros},
    engine::{Options, Parts, Rotators},
    keyring::Keyring,
    model::{Material, Name, Secret, SecretId, Stage, TenantId, VersionId},
    store::{SqliteOptions, Store, secret},
};

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Seeded(AtomicU64);

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let n = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *byte = (n ^ (n >> 31)).to_be_bytes()[0];
        }
    }
}

struct World {
    folder: tempfile::TempDir,
    engine: Arc<Engine>,
    clock: Arc<ManualClock>,
}

fn start() -> DateTime<chrono::Utc> {
    from_micros(1_800_000_000_000_000)
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let random = Arc::new(Seeded(AtomicU64::new(7)));
        let key = folder.path().join("master.key");
        let masters = MasterKeys::generate(&*random);
        write_private(&key, &masters.to_text(), Existing::Refuse, &*random).expect("written");
        let tenant = TenantId::mint(start(), [1; 10]);
        let root = next_generation(&tenant, None, &masters, start(), &*random).expect("drawn");
        let store = open(folder.path().join("k.db")).await;
        let (id, stored) = (tenant.clone(), root.clone());
        let made: Result<(), StoreError> = store
            .write(move |tx| {
                Box::pin(async move {
                    tenant::insert(tx, &id, tenant::ROOT, start()).await?;
                    tenant::insert_root(tx, &stored).await
                })
            })
            .await;
        made.expect("made");
        store.keyring().add(root.unwrap(&masters).expect("opens"));
        let clock = Arc::new(ManualClock::at(start() + TimeDelta::minutes(1)));
        let options = Options { keys: Some(MasterSource::File { path: key }), ..Options::default() };
        let rotators = Rotators::default();
        let parts = Parts { store, clock: clock.clone(), random, rotators, options, tenant };
        Self { folder, engine: Engine::new(parts), clock }
    }

    async fn put(&self, name: &str, value: &str) {
        let engine = Arc::clone(&self.engine);
        let secret = secret_named(&engine, name);
        let version = sealed(&engine, &secret, value);
        let put: Result<(), Trouble> = self
            .engine
            .write(move |tx| {
                Box::pin(async move {
                    agenda::insert(tx, secret.id.as_str(), &secret.tenant, "", None).await?;
                    let rows = [
                        secret::insert(tx, engine.keyring(), &secret).await?,
                        version::insert(tx, engine.keyring(), &version).await?,
                    ];
                    Ok(event::note_without_event(tx, &rows).await?)
                })
            })
            .await;
        put.expect("put");
    }

    /// Opens every value anew, as a daemon does that starts with what lies on the disk.
    async fn values_after_a_start(&self) -> Vec<String> {
        let masters = read(&source_of(&self.engine).expect("a source")).await.expect("readable");
        let store = open(self.folder.path().join("k.db")).await;
        let mut tx = store.read().await.expect("a connection");
        for root in tenant::list_roots(&mut tx).await.expect("roots") {
            store.keyring().add(root.unwrap(&masters).expect("the file's keys open every root"));
        }
        let (keyring, tenant) = (store.keyring(), &self.engine.tenant);
        let mut values = Vec::new();
        for secret in secret::list(&mut tx, keyring, tenant, "", "", 100).await.expect("listed") {
            for version in version::list(&mut tx, keyring, tenant, &secret.id).await.expect("listed") {
                let token = version.token.as_ref().expect("a value");
                let plain = keyring.open(&version_place(&version), &version.key, token).expect("opens");
                let value = Material::from_json(&plain).expect("a value");
                values.push(value.text("password").expect("a field").to_owned());
            }
        }
        values
    }

    async fn rotate(&self, roots: bool) -> Result<RotatedKeys, Trouble> {
        self.clock.advance(std::time::Duration::from_mins(1));
        rotate(&self.engine, Actor::local(0), RotateKeys { roots }).await
    }
}

async fn open(path: PathBuf) -> Store {
    Store::open_sqlite(&path, &SqliteOptions::default(), Arc::new(Keyring::new())).await.expect("opened")
}

fn secret_named(engine: &Engine, name: &str) -> Secret {
    Secret {
        id: engine.mint(SecretId::mint),
        tenant: engine.tenant.clone(),
        name: Name::parse(name).expect("a name"),
        kind: "generic".into(),
        owner: String::new(),
        description: String::new(),
        tags: std::collections::BTreeMap::new(),
        target: None,
        settings: json!({}),
        acknowledged: Vec::new(),
        overlap_us: 0,
        recovery_us: 0,
        expires_at: None,
        next_number: 2,
        rotation: None,
        probe_at: None,
        deleted_at: None,
        created_at: engine.now(),
        created_by: Actor::daemon(),
        revision: 1,
    }
}

fn sealed(engine: &Engine, secret: &Secret, value: &str) -> Version {
    let id = engine.mint(VersionId::mint);
    let plain = Material::of_texts([("password", value)]).to_json();
    let place = crate::keyring::Place { tenant: &secret.tenant, table: "version", row: id.as_str(), column: "token" };
    let sealed = engine.keyring().seal(&place, &plain, engine.now()).expect("sealed");
    Version {
        tenant: secret.tenant.clone(),
        secret: secret.id.clone(),
        number: Some(1),
        stage: Stage::Current,
        identity: String::new(),
        key: sealed.key_id,
        token: Some(sealed.token),
        fingerprint: String::new(),
        rotation: None,
        created_at: engine.now(),
        created_by: Actor::daemon(),
        published_at: Some(engine.now()),
        retire_at: None,
        retired_at: None,
        deleted_at: None,
        deactivated_at: None,
        destroyed_at: None,
        revision: 1,
        id,
    }
}

#[tokio::test]
async fn a_new_master_key_wraps_every_root_and_opens_every_value() {
    let world = World::new().await;
    world.put("a", "one").await;
    let before = show(&world.engine).await.expect("shown");
    let rotated = world.rotate(false).await.expect("rotated");
    assert_eq!(rotated.unused_masters, before.masters);
    assert_eq!(show(&world.engine).await.expect("shown").masters, [rotated.master]);
    assert_eq!(world.values_after_a_start().await, ["one"]);
}

#[tokio::test]
async fn a_crash_between_file_and_store_leaves_everything_open_and_is_gone_on_with() {
    let world = World::new().await;
    world.put("a", "one").await;
    let source = source_of(&world.engine).expect("a source");
    let MasterSource::File { path } = &source else { panic!("a file") };
    let masters = read(&source).await.expect("readable");
    let longer = prepend(path, &masters, &*world.engine.random).expect("written");
    assert_eq!(world.values_after_a_start().await, ["one"]);
    let rotated = world.rotate(false).await.expect("rotated");
    assert_eq!(rotated.master, longer.newest_id().to_string(), "the key that was there is used");
    assert_eq!(world.values_after_a_start().await, ["one"]);
}

#[tokio::test]
async fn new_roots_seal_old_values_anew_and_nothing_is_left() {
    let world = World::new().await;
    world.put("a", "one").await;
    world.put("b", "two").await;
    let rotated = world.rotate(true).await.expect("rotated");
    assert!(rotated.is_reencrypting);
    assert_eq!(world.values_after_a_start().await, ["one", "two"], "before the first step");
    assert!(reencrypt_step(&world.engine).await.expect("a step"));
    assert!(!reencrypt_step(&world.engine).await.expect("no more"));
    let after = show(&world.engine).await.expect("shown");
    assert!(!after.is_reencrypting && after.roots.len() == 2);
    assert_eq!(world.values_after_a_start().await, ["one", "two"]);
}

#[tokio::test]
async fn a_backup_verifies_and_a_changed_one_does_not() {
    use crate::{engine::ops::backup, store};
    let world = World::new().await;
    world.put("a", "one").await;
    let path = world.folder.path().join("copy.db");
    store::backup::snapshot(&world.engine.store, &path).await.expect("written");
    let keyring = world.engine.keyring();
    let opened = store::backup::open(&path, Arc::clone(keyring)).await.expect("opened");
    let verified = backup::verify(&opened).await.expect("looked at");
    assert_eq!((verified.values, verified.wrong.len()), (1, 0), "{:?}", verified.wrong);
    let bytes = std::fs::read(&path).expect("read");
    let at = bytes.windows(7).position(|part| part == b"generic").expect("the secret's kind");
    let mut changed = bytes.clone();
    changed[at] = b'G';
    std::fs::write(&path, changed).expect("written");
    let opened = store::backup::open(&path, Arc::clone(keyring)).await.expect("opened");
    assert!(!backup::verify(&opened).await.expect("looked at").wrong.is_empty());
}
