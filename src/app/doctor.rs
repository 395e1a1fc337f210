//! `keywheel doctor`: looks at configuration, data directory, keys and store from outside, and asks the daemon.

use super::open;
use crate::{
    cli::{
        CliError, Cx, Exit,
        doctor::{Diagnosis, ask_daemon, tell},
    },
    config::{Config, KeySource, Loaded, StoreKind},
    engine::ops::backup,
    lifecycle::{DataDir, DataLock, LifecycleError},
};

/// Looks at everything that can be reached; changes nothing.
pub(super) async fn run(cx: &Cx, loaded: Result<Loaded, CliError>) -> Result<Exit, CliError> {
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return Ok(tell(cx, &[Diagnosis::broken("configuration", &error)])),
    };
    let config = &loaded.config;
    let file = loaded.file.as_ref().map_or_else(|| "no file: defaults".to_owned(), |file| file.display().to_string());
    let mut found = vec![Diagnosis::well("configuration", file)];
    let data = DataDir::new(&config.daemon.data_dir);
    let has_own_store = config.store.kind == StoreKind::Sqlite;
    let directory = data.check().and_then(|()| data.check_initialised(has_own_store));
    let is_open = directory.is_ok();
    found.push(match directory {
        Ok(()) => Diagnosis::well("data directory", data.path().display().to_string()),
        Err(error) => Diagnosis::broken("data directory", &error.into()),
    });
    let daemon = ask_daemon(cx).await;
    let runs = daemon.is_some();
    found.extend(daemon.unwrap_or_else(|| {
        let mend = "start it with `keywheel serve`, if it should run here";
        vec![Diagnosis::attention("daemon", "no daemon can be reached: nothing is rotated", mend)]
    }));
    if is_open {
        found.extend(keys_and_store(config, &data, runs).await);
    }
    Ok(tell(cx, &found))
}

async fn keys_and_store(config: &Config, data: &DataDir, runs: bool) -> Vec<Diagnosis> {
    if config.keys.source == KeySource::Passphrase && config.keys.passphrase_file.is_none() {
        return vec![Diagnosis::well("keys", "a passphrase: not asked for here")];
    }
    let masters = match open::masters(config).await {
        Ok(masters) => masters,
        Err(error) => return vec![Diagnosis::broken("keys", &error)],
    };
    let mut found = vec![Diagnosis::well("keys", format!("master key {} is the newest", masters.newest_id()))];
    if let Some(warning) = config.keys.source(data.path()).warning() {
        found.push(Diagnosis::attention("keys", warning, "set `[keys] source`"));
    }
    if runs && config.store.kind == StoreKind::Sqlite {
        found.push(Diagnosis::well(
            "store",
            "the daemon has it open; `keywheel backup create` and `verify` look at its rows",
        ));
        return found;
    }
    found.push(match whole_store(config, data, &masters).await {
        Ok(diagnosis) => diagnosis,
        Err(error) => Diagnosis::broken("store", &error),
    });
    found
}

/// Looks at every row of the store. A file of SQLite is looked at under the lock of the data directory.
async fn whole_store(
    config: &Config,
    data: &DataDir,
    masters: &crate::keyring::MasterKeys,
) -> Result<Diagnosis, CliError> {
    let _lock = match config.store.kind {
        StoreKind::Sqlite => Some(DataLock::take(data.path()).map_err(|error: LifecycleError| CliError::from(error))?),
        StoreKind::Postgres => None,
    };
    let store = open::store(config).await?;
    open::unwrap_roots(&store, masters).await?;
    if store.is_shared() {
        return Ok(Diagnosis::well("store", "PostgreSQL answers, and the keys open its roots"));
    }
    let verified = backup::verify(&store).await?;
    store.close().await;
    Ok(match verified.wrong.first() {
        None => Diagnosis::well("store", format!("{} values that open, {} events", verified.values, verified.events)),
        Some(first) => {
            let error = CliError::new(Exit::Failed, "rows-wrong", first, "restore these rows from a backup");
            Diagnosis::broken("store", &error)
        }
    })
}
