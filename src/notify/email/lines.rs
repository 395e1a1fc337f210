//! A stream that hands out at most one line at a time, and no more bytes than an SMTP conversation needs.
//!
//! The line rule closes response injection at STARTTLS (<https://nostarttls.secvuln.info/>): whatever an attacker
//! appends in the clear behind the server's consent stays here until TLS asks for it, and TLS refuses it.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that a server may say over one connection, in bytes.
const MOST_READ: usize = 4 << 20;

/// The stream.
pub(super) struct Lines<S> {
    inner: S,
    peer: SocketAddr,
    held: Vec<u8>,
    read: usize,
}

impl<S> Lines<S> {
    /// Wraps a stream.
    pub(super) fn new(inner: S, peer: SocketAddr) -> Self {
        Self { inner, peer, held: Vec::new(), read: 0 }
    }

    /// Hands out what is held, up to the end of a line.
    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) {
        let line = self.held.iter().position(|byte| *byte == b'\n').map_or(self.held.len(), |at| at + 1);
        let count = line.min(buffer.remaining());
        buffer.put_slice(&self.held[..count]);
        self.held.drain(..count);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lines<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.held.is_empty() {
            let mut bytes = [0; 4096];
            let mut fresh = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut fresh))?;
            this.read += fresh.filled().len();
            if this.read > MOST_READ {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the server says too much")));
            }
            this.held.extend_from_slice(fresh.filled());
        }
        this.hand_out(buffer);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lines<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

impl<S> fmt::Debug for Lines<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> AsyncTokioStream for Lines<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}
