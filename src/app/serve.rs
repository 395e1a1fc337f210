//! `keywheel serve`: from a configuration to a daemon that serves, and to its end.

use std::{net::SocketAddr, sync::Arc};

use tokio::{net::TcpListener, sync::watch};

use super::{open, random::OsRandom};
use crate::{
    cli::{CliError, Exit},
    config::{Config, StoreKind},
    engine::{self, Engine, Feed, Upkeep, ops::backup},
    http::{self, Access, ApiState, Keeper, ListenError, Listeners, Readiness, Shown},
    lifecycle::{self, DataDir, DataLock, Ended, Running, Signals, harden},
    model::{Name, SecretText},
    telemetry::Metrics,
};
use keywheel_contract::Random;

/// What development mode adds.
pub(super) struct Dev {
    /// Where to listen.
    pub(super) listen: SocketAddr,
    /// The token that is let in there.
    pub(super) token: SecretText,
    /// Whether the token was made here, and must be shown.
    pub(super) is_made_here: bool,
}

/// Serves until told to stop. `dev` adds plain HTTP on a loopback port.
pub(super) async fn run(config: &Config, dev: Option<Dev>) -> Result<Exit, CliError> {
    harden()?;
    let mut signals = Signals::take().map_err(|error| {
        CliError::new(Exit::Failed, "signals", "signals cannot be taken over", "report this").caused_by(&error)
    })?;
    let data = DataDir::new(&config.daemon.data_dir);
    data.check()?;
    let _lock = DataLock::take(data.path())?;
    data.check_initialised(config.store.kind == StoreKind::Sqlite)?;
    backup::remove_leftovers(data.path());
    let engine = start(config).await?;
    let readiness = Readiness::default();
    let (stop, stopped) = watch::channel(false);
    let surface = surface(&engine, &readiness, data.owner()?, dev.as_ref());
    let mut listeners = listen(config, dev.as_ref(), &surface).await?;
    if let Some((address, name)) = config.listen.place() {
        let keeper = listen_to_network(&engine, &surface, &mut listeners, address, name).await?;
        tokio::spawn(keeper.run(stopped.clone()));
    }
    let address = listeners.tcp.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
    let upkeep = upkeep(&engine).await?;
    let running = Running {
        engine: tokio::spawn(lifecycle::run_engine(Arc::clone(&engine), stopped.clone())),
        http: tokio::spawn(http::serve(listeners, stopped)),
        stop,
        readiness: readiness.clone(),
        drain: config.daemon.drain.as_duration(),
    };
    readiness.set(true);
    lifecycle::ready();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), data_dir = %data.path().display(), "keywheel serves");
    if let (Some(dev), Some(address)) = (&dev, address) {
        crate::cli::serve::tell_dev(address, dev.is_made_here.then_some(&dev.token));
    }
    let ended = running.until_stopped(&mut signals).await;
    upkeep.stop().await;
    if ended == Ended::Drained {
        engine.store.close().await;
    }
    let _ = std::fs::remove_file(config.daemon.socket());
    tracing::info!("keywheel ended");
    Ok(if ended == Ended::Broken { Exit::Failed } else { Exit::Done })
}

/// Starts the recurring jobs, the watchdog among them where systemd asks for it.
async fn upkeep(engine: &Arc<Engine>) -> Result<Upkeep, CliError> {
    let feed: Feed = Arc::new(lifecycle::watchdog_fed);
    let feeding = lifecycle::watchdog_every().map(|every| (every, feed));
    Upkeep::start(engine, feeding).await.map_err(|error| {
        let sentence = "the recurring jobs cannot be started";
        CliError::new(Exit::Failed, "upkeep", sentence, "report this").caused_by(&error)
    })
}

/// Opens keys and store, and clears what an earlier life left.
async fn start(config: &Config) -> Result<Arc<Engine>, CliError> {
    let masters = open::masters(config).await?;
    if config.store.kind == StoreKind::Sqlite && engine::make_room(&config.daemon.data_dir) {
        tracing::warn!("the disk is full: the ballast is given up to open the store");
    }
    let store = open::store(config).await?;
    open::unwrap_roots(&store, &masters).await?;
    drop(masters);
    let engine = open::engine(config, store).await?;
    engine.store.checkpoint().await?;
    Ok(engine)
}

/// What the listeners serve, and to whom.
struct Surface {
    state: ApiState,
    access: Arc<Access>,
}

fn surface(engine: &Arc<Engine>, readiness: &Readiness, owner: u32, dev: Option<&Dev>) -> Surface {
    let metrics = Metrics::of(engine);
    let state = ApiState::new(Arc::clone(engine), readiness.clone(), Arc::new(move || metrics.render()));
    let mut key = [0; 32];
    OsRandom::new().fill(&mut key);
    Surface { state, access: Arc::new(Access::new(owner, dev.map(|dev| &dev.token), &key)) }
}

async fn listen(config: &Config, dev: Option<&Dev>, surface: &Surface) -> Result<Listeners, CliError> {
    let api = || http::api(&surface.state, Arc::clone(&surface.access));
    let unix = http::bind_unix(&config.daemon.socket()).map_err(|error| told(&error))?;
    let mut listeners = Listeners { unix: Some((unix, api())), ..Listeners::default() };
    if let Some(dev) = dev {
        listeners.tcp = Some((bind(dev.listen).await?, api()));
    }
    if let Some(address) = config.daemon.metrics_listen {
        listeners.metrics = Some((bind(address).await?, http::metrics_only(&surface.state)));
    }
    Ok(listeners)
}

/// Listens where other machines reach it. Without a certificate the daemon starts all the same, and says so.
async fn listen_to_network(
    engine: &Arc<Engine>,
    surface: &Surface,
    listeners: &mut Listeners,
    address: SocketAddr,
    name: Name,
) -> Result<Keeper, CliError> {
    let listener = http::bind_network(address).await.map_err(|error| told(&error))?;
    let address = listener.local_addr().unwrap_or(address);
    let shown = Arc::new(Shown::default());
    let mut keeper = Keeper::new(Arc::clone(engine), address, name, Arc::clone(&shown));
    keeper.look().await;
    listeners.tls = Some((listener, shown, http::network(&surface.state, Arc::clone(&surface.access))));
    Ok(keeper)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, CliError> {
    http::bind_tcp(address).await.map_err(|error| told(&error))
}

fn told(error: &ListenError) -> CliError {
    let told = CliError::new(Exit::Failed, error.code(), error.to_string(), error.hint());
    match std::error::Error::source(error) {
        Some(source) => told.caused_by(source),
        None => told,
    }
}
