//! `keywheel init`: master key, store, first tenant and its first root.
//!
//! A file in the data directory says that it has begun, and goes when everything is durable. A crash in between
//! leaves that file with a list of what may be there; no daemon starts on it, so nothing was ever kept in it. A failure
//! that is told leaves nothing.

use std::path::PathBuf;

use super::{open, random::OsRandom};
use crate::{
    cli::{CliError, Cx, Exit, init},
    clock::{Clock, SystemClock},
    config::{Config, KeySource, StoreKind},
    keyring::{Existing, FileError, MasterKeys, PassphraseParameters, next_generation, write_private},
    lifecycle::{DataDir, DataLock, LifecycleError, harden},
    model::{Minter, TenantId},
    store::{Store, StoreError, tenant},
};

/// Makes a data directory and tells what was made.
pub(super) async fn run(cx: &Cx, config: &Config) -> Result<Exit, CliError> {
    harden()?;
    let made = make(config).await?;
    let store = match config.store.kind {
        StoreKind::Sqlite => "sqlite",
        StoreKind::Postgres => "postgres",
    };
    init::tell(cx, &init::Made { data_dir: &config.daemon.data_dir, master_key: made.as_deref(), store });
    Ok(Exit::Done)
}

/// Makes a data directory; answers the file of master keys, if one was made.
pub(super) async fn make(config: &Config) -> Result<Option<PathBuf>, CliError> {
    let data = DataDir::new(&config.daemon.data_dir);
    data.create()?;
    data.check()?;
    let _lock = DataLock::take(data.path())?;
    data.check_complete()?;
    let will_make = files(config, &data);
    if let Some(path) = will_make.iter().find(|path| path.exists()) {
        return Err(LifecycleError::Exists { path: path.clone() }.into());
    }
    data.begin_init(&will_make)?;
    let outcome = fill(config).await;
    if outcome.is_err() {
        // None of these existed before: a failure that is told leaves nothing behind.
        for path in &will_make {
            let _ = std::fs::remove_file(path);
        }
    }
    data.end_init()?;
    outcome
}

/// Makes key and store; answers the file of master keys, if one was made.
async fn fill(config: &Config) -> Result<Option<PathBuf>, CliError> {
    let key = make_key(config)?;
    let masters = open::masters(config).await?;
    let store = open::store(config).await?;
    first_tenant(&store, &masters).await?;
    store.checkpoint().await?;
    store.close().await;
    Ok(key)
}

/// The files that will be made, of which none may exist.
fn files(config: &Config, data: &DataDir) -> Vec<PathBuf> {
    let key = match config.keys.source {
        KeySource::File => Some(config.keys.file(data.path())),
        KeySource::Passphrase => Some(config.keys.parameters(data.path())),
        KeySource::SystemdCredential | KeySource::Command | KeySource::Environment => None,
    };
    let store = data.store();
    let own = (config.store.kind == StoreKind::Sqlite).then_some(store);
    let beside = |path: PathBuf| {
        let with = |end: &str| PathBuf::from(format!("{}{end}", path.display()));
        [with(""), with("-wal"), with("-shm")]
    };
    key.into_iter().chain(own.into_iter().flat_map(beside)).collect()
}

fn make_key(config: &Config) -> Result<Option<PathBuf>, CliError> {
    let (random, data_dir) = (OsRandom::new(), &config.daemon.data_dir);
    let (path, text) = match config.keys.source {
        KeySource::File => (config.keys.file(data_dir), MasterKeys::generate(&random).to_text().to_string()),
        KeySource::Passphrase => (config.keys.parameters(data_dir), PassphraseParameters::generate(&random).to_text()),
        KeySource::SystemdCredential | KeySource::Command | KeySource::Environment => return Ok(None),
    };
    let text = zeroize::Zeroizing::new(text);
    write_private(&path, &text, Existing::Refuse, &random).map_err(|error: FileError| {
        CliError::new(Exit::Failed, error.code(), error.to_string(), error.hint()).caused_by(&error)
    })?;
    Ok(Some(path))
}

/// Makes the first tenant with its first root, in one transaction.
async fn first_tenant(store: &Store, masters: &MasterKeys) -> Result<(), CliError> {
    let (now, random) = (SystemClock.now(), OsRandom::new());
    let id = Minter { at: now, random: &random }.mint(TenantId::mint);
    let root = next_generation(&id, None, masters, now, &random).map_err(crate::engine::Trouble::from)?;
    let written: Result<(), StoreError> = store
        .write(move |tx| {
            Box::pin(async move {
                tenant::insert(tx, &id, tenant::ROOT, now).await?;
                tenant::insert_root(tx, &root).await
            })
        })
        .await;
    match written {
        Err(StoreError::Exists { .. }) => Err(LifecycleError::StoreInitialised.into()),
        other => Ok(other?),
    }
}
