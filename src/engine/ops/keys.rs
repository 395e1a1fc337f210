//! Rotating keys: a new master key that wraps the roots, or new roots under which old values are sealed anew.
//!
//! Master: the new key is in its file, before the old ones, before a root is wrapped with it; then all roots are
//! wrapped anew in one transaction. A crash between the two leaves roots that the old key opens, and that stays in the
//! file; repeating goes on with the key that is there. Roots: the new root is in the store before it seals; then
//! values are sealed anew one by one, in the background, resumed by what their rows say. The old root stays, because
//! the MACs of events and audit rows are made with it.

use std::sync::Arc;

use keywheel_contract::Random;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    engine::{Engine, Kind, Trouble, core::version_place},
    keyring::{
        Existing, FileError, MasterKeys, MasterSource, SourceError, Surroundings, masters_in_use, next_generation,
        rewrap, write_private,
    },
    model::{Actor, EventId, KeyId, SecretText, Version},
    store::{NewEvent, StoreError, Tx, agenda, event, tenant, version},
};

/// Learns the roots that another replica has added to a shared store.
pub async fn learn_roots(engine: &Engine) -> Result<(), Trouble> {
    if !engine.store.is_shared() {
        return Ok(());
    }
    let known = engine.keyring().generations(&engine.tenant);
    let mut roots = tenant::list_roots(&mut engine.store.read().await?).await?;
    roots.retain(|root| root.tenant == engine.tenant && !known.contains(&root.key_id));
    if roots.is_empty() {
        return Ok(());
    }
    let masters = read(&source_of(engine)?).await?;
    for root in roots {
        engine.keyring().add(root.unwrap(&masters)?);
    }
    Ok(())
}

/// Values that one step seals anew.
const STEP: i64 = 100;

/// What is to be rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RotateKeys {
    /// New roots instead of a new master key: what helps after a root, or a master key with the store, has leaked.
    pub roots: bool,
}

/// What was rotated.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RotatedKeys {
    /// The master key that wraps the roots now.
    pub master: String,
    /// Master keys that nothing in the store needs any more; backups may.
    pub unused_masters: Vec<String>,
    /// The root that seals now.
    pub root: String,
    /// Whether old values are being sealed anew in the background.
    pub is_reencrypting: bool,
}

/// The keys in use.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct KeysInUse {
    /// Master keys that the store's roots need.
    pub masters: Vec<String>,
    /// The tenant's roots, newest first; the first seals.
    pub roots: Vec<String>,
    /// Whether values under older roots are left; they are sealed anew in the background.
    pub is_reencrypting: bool,
}

/// Tells which keys are in use.
pub async fn show(engine: &Engine) -> Result<KeysInUse, Trouble> {
    let mut tx = engine.store.read().await?;
    let masters = masters_in_use(&tenant::list_roots(&mut tx).await?);
    let roots = engine.keyring().generations(&engine.tenant);
    Ok(KeysInUse {
        masters: masters.iter().map(ToString::to_string).collect(),
        is_reencrypting: !left_to_seal(engine, &mut tx, 1).await?.is_empty(),
        roots: roots.iter().map(ToString::to_string).collect(),
    })
}

/// Rotates the master key, or the roots.
pub async fn rotate(engine: &Arc<Engine>, actor: Actor, what: RotateKeys) -> Result<RotatedKeys, Trouble> {
    let Ok(_alone) = engine.keys_rotating.try_lock() else {
        let hint = "wait until it is done, then look with `keywheel events`";
        return Err(Trouble::new(Kind::Conflict, "keys-rotating", "a rotation of keys runs", hint));
    };
    let source = source_of(engine)?;
    let masters = read(&source).await?;
    let masters = if what.roots {
        new_root(engine, actor, &masters).await?;
        masters
    } else {
        new_master(engine, actor, &source, masters).await?
    };
    let in_use = show(engine).await?;
    let unused =
        masters.ids().filter(|id| !in_use.masters.contains(&id.to_string())).map(ToString::to_string).collect();
    Ok(RotatedKeys {
        master: masters.newest_id().to_string(),
        unused_masters: unused,
        root: in_use.roots.first().cloned().unwrap_or_default(),
        is_reencrypting: in_use.is_reencrypting,
    })
}

fn source_of(engine: &Engine) -> Result<MasterSource, Trouble> {
    let refused = |sentence: &str, hint: &str| Err(Trouble::new(Kind::Conflict, "keys-source", sentence, hint));
    match &engine.options.keys {
        Some(MasterSource::Passphrase { .. }) => {
            let sentence = "a master key that is made from a passphrase is not rotated while the daemon runs";
            refused(sentence, "change the source of `[keys]` to a file, and keep the passphrase until then")
        }
        Some(source) => Ok(source.clone()),
        None => refused("the daemon does not know where its master keys come from", "set `[keys] source`"),
    }
}

async fn read(source: &MasterSource) -> Result<MasterKeys, Trouble> {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY");
    let variable = |name: &str| std::env::var(name).ok().map(SecretText::new);
    let surroundings = Surroundings {
        credentials_directory: directory.as_deref().map(std::path::Path::new),
        passphrase: None,
        variable: Some(&variable),
    };
    source.read(&surroundings).await.map_err(|error: SourceError| unavailable(error.code(), error.hint(), &error))
}

/// Trouble of an error, with what lies beneath it.
fn unavailable(code: &'static str, hint: String, error: &dyn std::error::Error) -> Trouble {
    let mut trouble = Trouble::new(Kind::Unavailable, code, error.to_string(), hint);
    trouble.source = error.source().map(|cause| Box::from(cause.to_string()));
    trouble
}

/// Puts a new key before the others in its file, then wraps all roots with it.
async fn new_master(
    engine: &Arc<Engine>,
    actor: Actor,
    source: &MasterSource,
    masters: MasterKeys,
) -> Result<MasterKeys, Trouble> {
    let in_use = masters_in_use(&tenant::list_roots(&mut engine.store.read().await?).await?);
    // A newest key that wraps nothing is one that was added before: by an operator, or by a run that was cut short.
    let masters = match source {
        _ if !in_use.contains(masters.newest_id()) => masters,
        MasterSource::File { path } => {
            let (path, engine) = (path.clone(), Arc::clone(engine));
            let random = engine.random.clone();
            blocking(move || prepend(&path, &masters, &*random)).await?
        }
        _ => {
            let sentence = "the newest master key of this source is in use already";
            let hint = "put a new key (`head -c 32 /dev/urandom | base64`) before the others where they come from, then repeat";
            return Err(Trouble::new(Kind::Conflict, "keys-newest-in-use", sentence, hint));
        }
    };
    wrap_all(engine, actor, &masters).await?;
    Ok(masters)
}

fn prepend(path: &std::path::Path, masters: &MasterKeys, random: &dyn Random) -> Result<MasterKeys, Trouble> {
    let longer = masters.prepend_new(random);
    let written = write_private(path, &longer.to_text(), Existing::Replace, random);
    written.map_err(|error: FileError| unavailable(error.code(), error.hint(), &error))?;
    Ok(longer)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("writing keys does not panic")
}

/// Wraps every root anew, in one transaction with its event.
async fn wrap_all(engine: &Arc<Engine>, actor: Actor, masters: &MasterKeys) -> Result<(), Trouble> {
    let (worker, masters) = (Arc::clone(engine), masters.clone());
    engine
        .write(move |tx| {
            Box::pin(async move {
                let old = tenant::list_roots(tx).await?;
                for root in rewrap(&old, &masters)? {
                    tenant::update_root(tx, &root).await?;
                }
                let facts = json!({ "master": masters.newest_id().to_string(), "roots": old.len() });
                tell(&worker, tx, "keys.master-rotated", facts, actor).await
            })
        })
        .await
}

/// Puts a new root into the store, and only then lets it seal.
async fn new_root(engine: &Arc<Engine>, actor: Actor, masters: &MasterKeys) -> Result<(), Trouble> {
    let newest = engine.keyring().generations(&engine.tenant).into_iter().next();
    let root = next_generation(&engine.tenant, newest.as_ref(), masters, engine.now(), &*engine.random)?;
    let (worker, stored) = (Arc::clone(engine), root.clone());
    engine
        .write(move |tx| {
            Box::pin(async move {
                tenant::insert_root(tx, &stored).await?;
                let facts = json!({ "root": stored.key_id.as_str() });
                tell(&worker, tx, "keys.root-added", facts, actor).await
            })
        })
        .await?;
    engine.keyring().add(root.unwrap(masters)?);
    Ok(())
}

async fn tell(engine: &Engine, tx: &mut Tx, kind: &str, facts: serde_json::Value, actor: Actor) -> Result<(), Trouble> {
    let new = NewEvent {
        id: engine.mint(EventId::mint),
        tenant: engine.tenant.clone(),
        subject: engine.tenant.as_str().to_owned(),
        rotation: None,
        kind: kind.to_owned(),
        facts,
        written: Vec::new(),
        actor,
        reason: String::new(),
        at: engine.now(),
    };
    Ok(event::append(tx, engine.keyring(), new).await.map(|_| ())?)
}

async fn left_to_seal(engine: &Engine, tx: &mut Tx, limit: i64) -> Result<Vec<Version>, StoreError> {
    let Some(newest) = engine.keyring().generations(&engine.tenant).into_iter().next() else { return Ok(Vec::new()) };
    version::list_sealed_before(tx, engine.keyring(), &engine.tenant, &newest, limit).await
}

/// Seals some values anew under the newest root; answers whether more may be left. A row that changes meanwhile is
/// met again by the next step.
pub async fn reencrypt_step(engine: &Arc<Engine>) -> Result<bool, Trouble> {
    let Some(newest) = engine.keyring().generations(&engine.tenant).into_iter().next() else { return Ok(false) };
    let found = left_to_seal(engine, &mut engine.store.read().await?, STEP).await?;
    let is_more = !found.is_empty();
    for version in found {
        let (worker, newest) = (Arc::clone(engine), newest.clone());
        engine.write(move |tx| Box::pin(async move { seal_anew(&worker, tx, version, &newest).await })).await?;
    }
    Ok(is_more)
}

async fn seal_anew(engine: &Engine, tx: &mut Tx, found: Version, newest: &KeyId) -> Result<(), Trouble> {
    agenda::lock(tx, found.secret.as_str()).await?;
    let (keyring, tenant) = (engine.keyring(), &engine.tenant);
    let Some(mut version) = version::find(tx, keyring, tenant, &found.id).await? else { return Ok(()) };
    if version.key >= *newest {
        return Ok(());
    }
    if let Some(token) = &version.token {
        let place = version_place(&version);
        let opened = keyring.open_dated(&place, &version.key, token)?;
        let sealed = keyring.seal(&place, &opened.plain, opened.sealed_at)?;
        let fingerprint = keyring.fingerprint(tenant, version.secret.as_str(), &opened.plain)?;
        (version.key, version.token, version.fingerprint) = (sealed.key_id, Some(sealed.token), fingerprint);
    } else {
        version.key = newest.clone();
    }
    let written = version::update(tx, keyring, &mut version).await?;
    let new = NewEvent {
        id: engine.mint(EventId::mint),
        tenant: tenant.clone(),
        subject: version.secret.as_str().to_owned(),
        rotation: None,
        kind: "version.resealed".to_owned(),
        facts: json!({ "version": version.id.as_str(), "root": version.key.as_str() }),
        written: vec![written],
        actor: Actor::daemon(),
        reason: String::new(),
        at: engine.now(),
    };
    Ok(event::append(tx, keyring, new).await.map(|_| ())?)
}

#[cfg(test)]
mod tests;
