//! Another certificate is shown without a restart, and no request fails by that.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::client::TlsStream;

use super::world::{Served, serial_of};

const PATH: &str = "/api/v1/secrets/billing%2Fdb/value";
const SWAPS: u64 = 6;

/// Asks over a connection that stays open; answers the status line.
async fn ask_again(stream: &mut TlsStream<TcpStream>, token: &str) -> Result<String> {
    let request = format!("GET {PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    loop {
        let mut more = [0; 4096];
        let read = stream.read(&mut more).await?;
        ensure!(read > 0, "the connection was closed after {} bytes", bytes.len());
        bytes.extend_from_slice(&more[..read]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).context("a length")?;
            if body.len() == length.parse::<usize>()? {
                return Ok(head.lines().next().unwrap_or_default().to_owned());
            }
        }
    }
}

/// Half of the readers keep their connection, half make one for each request.
fn readers(
    served: &Served,
    token: &str,
    is_over: &Arc<AtomicBool>,
    reads: &Arc<AtomicU64>,
) -> Result<JoinSet<Result<()>>> {
    let mut readers = JoinSet::new();
    for place in 0..8 {
        let client = served.client(place % 2)?;
        let (url, token) = (served.url(PATH), token.to_owned());
        let (is_over, reads) = (Arc::clone(is_over), Arc::clone(reads));
        readers.spawn(async move {
            while !is_over.load(Ordering::SeqCst) {
                let answer = client.get(&url).bearer_auth(&token).send().await.context("a request failed")?;
                ensure!(answer.status() == 200, "status {}", answer.status());
                let body: serde_json::Value = answer.json().await?;
                ensure!(body["value"]["password"] == "s3cret");
                reads.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        });
    }
    Ok(readers)
}

mod proofs {
    use super::*;
    use crate::support::proof::Proof;

    #[tokio::test(flavor = "multi_thread")]
    async fn no_request_fails_while_the_certificate_changes_under_eight_readers() -> Result<()> {
        let proof = Proof::begin("https", "requests of eight readers while the certificate changed six times");
        let served = Served::start().await?;
        served.daemon.put_secret("billing/db", json!({ "password": "s3cret" })).await?;
        let token = served.token(&["billing/*"]).await?;
        let (is_over, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut readers = readers(&served, &token, &is_over, &reads)?;
        let mut kept = served.connect().await?;
        for serial in 2..2 + SWAPS {
            let before = reads.load(Ordering::SeqCst);
            served.show(serial).await?;
            let line = ask_again(&mut kept, &token).await?;
            ensure!(line == "HTTP/1.1 200 OK" && serial_of(&kept)? == 1, "{line}");
            ensure!(reads.load(Ordering::SeqCst) > before, "the readers stand still");
        }
        is_over.store(true, Ordering::SeqCst);
        while let Some(ended) = readers.join_next().await {
            ended??;
        }
        let status = served.daemon.status().await?;
        ensure!(status["https"]["state"] == "serves" && status["https"]["version"] == 1 + SWAPS, "{status}");
        proof.end(reads.load(Ordering::SeqCst), 100)
    }
}
