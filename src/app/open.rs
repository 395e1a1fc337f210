//! From a configuration to an engine: master keys, store, roots, parts.

use std::{path::Path, sync::Arc};

use super::{random::OsRandom, rotators};
use crate::{
    cli::{CliError, Exit},
    clock::SystemClock,
    config::{Config, Every, KeySource, Network, StoreKind},
    engine::{DeliveryRoot, Engine, Hook, Options, Parts},
    keyring::{Keyring, KeyringError, MasterKeys, Surroundings, read_private},
    lifecycle::{DataDir, LifecycleError},
    model::SecretText,
    notify::{Cidr, Limits},
    store::{SqliteOptions, Store, tenant},
};

/// Reads the master keys from where the configuration says.
pub(super) async fn masters(config: &Config) -> Result<MasterKeys, CliError> {
    let source = config.keys.source(&config.daemon.data_dir);
    if let Some(warning) = source.warning() {
        tracing::warn!("{warning}");
    }
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY");
    let variable = |name: &str| std::env::var(name).ok().map(SecretText::new);
    let surroundings = Surroundings {
        credentials_directory: directory.as_deref().map(Path::new),
        passphrase: passphrase(config)?,
        variable: Some(&variable),
    };
    source.read(&surroundings).await.map_err(|error| {
        let sentence = "the master keys cannot be read";
        CliError::new(Exit::Failed, error.code(), sentence, error.hint()).caused_by(&error)
    })
}

/// The passphrase from its file or the terminal, where the configuration says that there is one.
pub(super) fn passphrase(config: &Config) -> Result<Option<SecretText>, CliError> {
    if config.keys.source != KeySource::Passphrase {
        return Ok(None);
    }
    let Some(path) = &config.keys.passphrase_file else {
        return crate::cli::ask_passphrase().map(Some);
    };
    let read = read_private(path).map_err(|error| {
        CliError::new(Exit::Failed, error.code(), error.to_string(), error.hint()).caused_by(&error)
    })?;
    Ok(Some(SecretText::new(read.trim_end_matches(['\n', '\r']).to_owned())))
}

/// Opens the store that the configuration names, with an empty keyring.
pub(super) async fn store(config: &Config) -> Result<Store, CliError> {
    let keyring = Arc::new(Keyring::new());
    let opened = match config.store.kind {
        StoreKind::Sqlite => {
            let path = DataDir::new(&config.daemon.data_dir).store();
            Store::open_sqlite(&path, &SqliteOptions { readers: config.store.connections }, keyring).await
        }
        StoreKind::Postgres => {
            let url = url(config)?;
            Store::open_postgres(url.expose(), config.store.connections, keyring).await
        }
    };
    Ok(opened?)
}

/// The URL of PostgreSQL. It may hold a password, so no error repeats it.
fn url(config: &Config) -> Result<SecretText, CliError> {
    let refused = |sentence: String, hint: &str| CliError::new(Exit::Failed, "store-url", sentence, hint);
    match (&config.store.url_file, &config.store.url_env) {
        (Some(path), _) => read_private(path).map(|text| SecretText::new(text.trim().to_owned())).map_err(|error| {
            refused("the file of the store's URL cannot be read".to_owned(), &error.hint()).caused_by(&error)
        }),
        (None, Some(name)) => std::env::var(name)
            .map(SecretText::new)
            .map_err(|_| refused(format!("environment variable `{name}` holds no URL"), "set it, or name a file")),
        (None, None) => Err(refused("no URL of the store is named".to_owned(), "set `[store] url_file`")),
    }
}

/// Opens every root with the master keys and adds it to the store's keyring.
pub(super) async fn unwrap_roots(store: &Store, masters: &MasterKeys) -> Result<(), CliError> {
    let roots = tenant::list_roots(&mut store.read().await?).await?;
    for root in roots {
        store.keyring().add(root.unwrap(masters).map_err(|error| wrong_key(&error))?);
    }
    Ok(())
}

fn wrong_key(error: &KeyringError) -> CliError {
    let sentence = "the master keys do not open the store";
    CliError::new(Exit::Failed, error.code(), sentence, error.hint()).caused_by(error)
}

/// Puts the engine together over an opened store.
pub(super) async fn engine(config: &Config, store: Store) -> Result<Arc<Engine>, CliError> {
    let found = tenant::find_by_name(&mut store.read().await?, tenant::ROOT).await?;
    let tenant = found.ok_or(LifecycleError::StoreEmpty)?;
    let options = options(config);
    Ok(Engine::new(Parts {
        store,
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom::new()),
        rotators: rotators::all(config, &options.hooks),
        options,
        tenant,
    }))
}

fn options(config: &Config) -> Options {
    let engine = &config.engine;
    let hook = |hook: &crate::config::Hook| {
        let (argv, user) = (hook.argv.clone(), hook.user.clone());
        (hook.name.clone(), Hook { argv, timeout: hook.timeout.as_duration(), user })
    };
    let root = |root: &crate::config::DeliveryRoot| (root.name.clone(), DeliveryRoot { path: root.path.clone() });
    Options {
        tasks: engine.tasks as usize,
        per_target: engine.per_target as usize,
        claim: engine.claim.as_duration(),
        step_deadline: engine.step_deadline.as_duration(),
        verify_for: engine.verify_for.as_duration(),
        probe_every: match engine.probe_every {
            Every::Off => None,
            Every::Interval(interval) => Some(interval.as_duration()),
        },
        longest_sleep: engine.longest_sleep.as_duration(),
        breaker_after: engine.breaker_after,
        expiry_margin: engine.expiry_margin.as_duration(),
        hooks: config.hooks.iter().map(hook).collect(),
        delivery_roots: config.delivery_roots.iter().map(root).collect(),
        scan_roots: config.scan_roots.iter().map(|root| (root.name.clone(), root.path.clone())).collect(),
        data_dir: config.daemon.data_dir.clone(),
        ballast: engine.ballast.0,
        keys: Some(config.keys.source(&config.daemon.data_dir)),
        public_url: config.daemon.public_url.clone(),
        notify: Limits {
            allow: networks(&config.notify.allow),
            may_allow: networks(&config.notify.may_allow),
            ..Limits::default()
        },
        ..Options::default()
    }
}

/// The networks of the configuration as channels know them: both read the same texts.
fn networks(named: &[Network]) -> Vec<Cidr> {
    named.iter().map(|network| network.to_string().parse().expect("the configuration checked it")).collect()
}
