//! A TLS server that reads its certificate from `current/`, in several manners, of which some are bad.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use rustls::{
    ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// When a server reads its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// When it is told.
    WhenTold,
    /// Not the first time that it is told.
    WhenToldAgain,
    /// Never again.
    Never,
    /// At each handshake.
    Always,
}

#[derive(Clone)]
pub(super) struct Listener(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    current: PathBuf,
    manner: Mutex<Manner>,
    serving: Mutex<Arc<ServerConfig>>,
    is_frozen: AtomicBool,
    frozen: AtomicU64,
    told: AtomicU64,
}

fn config(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Option<Arc<ServerConfig>> {
    let builder =
        ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    builder.ok()?.with_no_client_auth().with_single_cert(chain, key).ok().map(Arc::new)
}

/// Reads one file, so that key and certificate belong together.
fn load(current: &Path) -> Option<Arc<ServerConfig>> {
    let pem = std::fs::read(current.join("combined.pem")).ok()?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    config(chain.ok()?, PrivateKeyDer::from_pem_slice(&pem).ok()?)
}

fn stranger() -> Arc<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["stranger.test".to_owned()]).expect("made");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    config(vec![made.cert.der().clone()], key).expect("fits")
}

impl Listener {
    pub(super) async fn start(current: PathBuf, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let service = Self(Arc::new(Inner {
            address: listener.local_addr().expect("an address"),
            serving: Mutex::new(load(&current).unwrap_or_else(stranger)),
            current,
            manner: Mutex::new(manner),
            is_frozen: AtomicBool::new(false),
            frozen: AtomicU64::new(0),
            told: AtomicU64::new(0),
        }));
        let served = service.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(served.clone().serve(socket));
            }
        });
        service
    }

    async fn serve(self, socket: TcpStream) {
        if self.0.is_frozen.load(Ordering::SeqCst) {
            self.0.frozen.fetch_add(1, Ordering::SeqCst);
            return std::future::pending().await;
        }
        if self.manner() == Manner::Always {
            self.read_files();
        }
        let serving = Arc::clone(&self.0.serving.lock().unwrap_or_else(PoisonError::into_inner));
        // A client that only looks ends the session as it likes.
        let _ = TlsAcceptor::from(serving).accept(socket).await;
    }

    fn manner(&self) -> Manner {
        *self.0.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, manner: Manner) {
        *self.0.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// What a reload hook makes of it.
    pub(super) fn reload(&self) {
        let told = self.0.told.fetch_add(1, Ordering::SeqCst);
        match self.manner() {
            Manner::WhenTold => self.read_files(),
            Manner::WhenToldAgain if told % 2 == 1 => self.read_files(),
            Manner::WhenToldAgain | Manner::Never | Manner::Always => {}
        }
    }

    /// Files that cannot be read change nothing, as with most servers.
    fn read_files(&self) {
        if let Some(config) = load(&self.0.current) {
            *self.0.serving.lock().unwrap_or_else(PoisonError::into_inner) = config;
        }
    }

    /// From now on it accepts connections and says nothing.
    pub(super) fn freeze(&self, is_frozen: bool) {
        self.0.is_frozen.store(is_frozen, Ordering::SeqCst);
    }

    /// How many connections met silence.
    pub(super) fn frozen(&self) -> u64 {
        self.0.frozen.load(Ordering::SeqCst)
    }
}
