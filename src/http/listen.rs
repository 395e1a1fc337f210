//! The places where requests arrive: the unix socket, TCP in development mode, a loopback port for metrics, TLS for
//! other machines.
//!
//! A crash leaves the socket's file behind; whoever holds the lock on the data directory may replace it.

use std::{
    io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::Router;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;

use super::{
    Peer,
    tls::{Shown, acceptor},
};

/// Why a place cannot be listened at.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The socket's file is in the way and not a socket, or its folder is closed.
    #[error("the socket `{path}` cannot be made")]
    Unix {
        /// Its path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The path does not fit into a socket's address.
    #[error("the socket's path `{path}` has more than 107 bytes")]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// The address is taken or not this machine's.
    #[error("the address `{address}` cannot be listened at")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The address is reachable from other machines.
    #[error("the address `{address}` is not a loopback address")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
}

impl ListenError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unix { .. } => "socket-refused",
            Self::TooLong { .. } => "socket-path-long",
            Self::Tcp { .. } => "address-refused",
            Self::NotLoopback { .. } => "address-not-loopback",
        }
    }

    /// What an operator does about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unix { path, .. } => format!("see `ls -ld {}`, or set `[daemon] socket`", path.display()),
            Self::TooLong { .. } => "set `[daemon] socket` to a shorter path".to_owned(),
            Self::Tcp { .. } => "choose another port; `ss -ltnp` shows who has this one".to_owned(),
            Self::NotLoopback { .. } => "use `127.0.0.1:PORT` or `[::1]:PORT`: there is no TLS here".to_owned(),
        }
    }
}

/// Listens at a unix socket of mode 0600. The caller holds the lock on the data directory and has set the umask.
pub fn bind_unix(path: &Path) -> Result<UnixListener, ListenError> {
    let failed = |source| ListenError::Unix { path: path.to_owned(), source };
    if path.as_os_str().len() > 107 {
        return Err(ListenError::TooLong { path: path.to_owned() });
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path).map_err(failed)?,
        Ok(_) => return Err(failed(io::Error::from(io::ErrorKind::AlreadyExists))),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Listens at a loopback address.
pub async fn bind_tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    if !address.ip().is_loopback() {
        return Err(ListenError::NotLoopback { address });
    }
    TcpListener::bind(address).await.map_err(|source| ListenError::Tcp { address, source })
}

/// Listens at an address that other machines reach. What is served there speaks TLS alone.
pub async fn bind_network(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError::Tcp { address, source })
}

/// The listeners of a daemon, each with what it serves.
#[derive(Default)]
pub struct Listeners {
    /// The unix socket.
    pub unix: Option<(UnixListener, Router)>,
    /// The API over TCP.
    pub tcp: Option<(TcpListener, Router)>,
    /// Metrics alone.
    pub metrics: Option<(TcpListener, Router)>,
    /// The API over TLS, and the certificate that is shown there.
    pub tls: Option<(TcpListener, Arc<Shown>, Router)>,
}

/// A place where connections arrive.
pub(super) enum Place {
    Unix(UnixListener),
    Tcp(TcpListener),
    Tls(TcpListener, TlsAcceptor),
}

/// A connection, before any byte of it was read.
pub(super) enum Accepted {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(TcpStream, TlsAcceptor),
}

impl Listeners {
    /// The places, each with what it serves.
    pub(super) fn into_places(self) -> Vec<(Place, Router)> {
        let tls = self.tls.map(|(listener, shown, router)| (Place::Tls(listener, acceptor(shown)), router));
        let unix = self.unix.map(|(listener, router)| (Place::Unix(listener), router));
        let tcp = [self.tcp, self.metrics].into_iter().flatten();
        let tcp = tcp.map(|(listener, router)| (Place::Tcp(listener), router));
        unix.into_iter().chain(tcp).chain(tls).collect()
    }
}

impl Place {
    /// Waits for the next connection. May be dropped.
    pub(super) async fn accept(&self) -> io::Result<(Accepted, Peer)> {
        match self {
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred()?.uid();
                Ok((Accepted::Unix(stream), Peer::Unix { uid }))
            }
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Accepted::Tcp(stream), Peer::Tcp { address }))
            }
            Self::Tls(listener, acceptor) => {
                let (stream, address) = listener.accept().await?;
                Ok((Accepted::Tls(stream, acceptor.clone()), Peer::Tcp { address }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_private_and_replaces_one_that_was_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        drop(bind_unix(&path).expect("bound"));
        drop(bind_unix(&path).expect("bound again"));
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn what_is_not_a_socket_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        std::fs::write(&path, "kept").expect("written");
        assert_eq!(bind_unix(&path).map(drop).expect_err("refused").code(), "socket-refused");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "kept");
        let long = folder.path().join("x".repeat(120));
        assert_eq!(bind_unix(&long).map(drop).expect_err("refused").code(), "socket-path-long");
    }

    #[tokio::test]
    async fn only_loopback_is_listened_at() {
        let refused = bind_tcp("0.0.0.0:0".parse().expect("an address")).await;
        assert_eq!(refused.map(drop).expect_err("refused").code(), "address-not-loopback");
        assert!(bind_tcp("127.0.0.1:0".parse().expect("an address")).await.is_ok());
    }
}
