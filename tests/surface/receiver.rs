//! A receiver of webhooks on a loopback port: it keeps what came and answers as it is told.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU16, Ordering},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::support::{daemon::PATIENCE, wait::eventually};

/// One message that came.
#[derive(Debug, Clone)]
pub(super) struct Came {
    /// The value of `webhook-id`.
    pub(super) id: String,
    /// The body, a CloudEvents event.
    pub(super) body: Value,
}

/// The receiver; it ends with the test.
pub(super) struct Receiver {
    port: u16,
    status: Arc<AtomicU16>,
    came: Arc<Mutex<Vec<Came>>>,
    serving: JoinHandle<()>,
}

impl Receiver {
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("bind the receiver")?;
        let port = listener.local_addr()?.port();
        let (status, came) = (Arc::new(AtomicU16::new(200)), Arc::new(Mutex::new(Vec::new())));
        let serving = tokio::spawn({
            let (status, came) = (Arc::clone(&status), Arc::clone(&came));
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    // One that hangs up early is no concern of the others.
                    let _ = take(stream, &status, &came).await;
                }
            }
        });
        Ok(Self { port, status, came, serving })
    }

    pub(super) fn url(&self) -> String {
        format!("url=http://127.0.0.1:{}/hook", self.port)
    }

    /// Answers with this status from now on.
    pub(super) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub(super) fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a message whose body says something.
    pub(super) async fn wait_for(&self, text: &str) -> Result<Came> {
        let says = || self.came().into_iter().find(|came| came.body.to_string().contains(text));
        let found = eventually(PATIENCE, &format!("a message with `{text}`"), async || says()).await;
        found.with_context(|| format!("came: {:?}", self.came()))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(mut stream: TcpStream, status: &AtomicU16, came: &Mutex<Vec<Came>>) -> Result<()> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        ensure!(stream.read_buf(&mut bytes).await? > 0, "it hung up within its head");
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let header = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|value| value.trim().to_owned())
    };
    let length: usize = header("content-length").unwrap_or_default().parse().context("a length")?;
    while bytes.len() < head + 4 + length {
        ensure!(stream.read_buf(&mut bytes).await? > 0, "it hung up within its body");
    }
    let body = serde_json::from_slice(&bytes[head + 4..head + 4 + length])?;
    let id = header("webhook-id").unwrap_or_default();
    came.lock().unwrap_or_else(PoisonError::into_inner).push(Came { id, body });
    let status = status.load(Ordering::SeqCst);
    let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await?;
    Ok(stream.shutdown().await?)
}
