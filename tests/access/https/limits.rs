//! What strangers may do to the listener: speak no TLS, stall, fill it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::world::Served;
use crate::support::{
    daemon::PATIENCE,
    http::{Request, ask},
    wait::eventually,
};

/// The first bytes of a record of a handshake, which announce more than ever comes.
const HALF_A_HELLO: [u8; 9] = [22, 3, 1, 2, 0, 1, 0, 1, 0xFC];
/// As long as a handshake or a head may take, and what a busy machine adds.
const HANDSHAKE: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(10);

async fn reads_within(served: &Served, token: &str, limit: Duration) -> Result<Duration> {
    let (client, started) = (served.client(0)?, Instant::now());
    let url = served.url("/api/v1/secrets/billing%2Fdb/value");
    let answer = tokio::time::timeout(limit, client.get(url).bearer_auth(token).send()).await;
    ensure!(answer.context("it is answered in time")??.status() == 200);
    Ok(started.elapsed())
}

/// Reads until the other end closes; answers what came.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut bytes).await;
    bytes
}

async fn served() -> Result<(Served, String)> {
    let served = Served::start().await?;
    served.daemon.put_secret("billing/db", json!({ "password": "s3cret" })).await?;
    let token = served.token(&["billing/*"]).await?;
    Ok((served, token))
}

#[tokio::test]
async fn who_speaks_plain_http_is_told_to_speak_tls() -> Result<()> {
    let (served, token) = served().await?;
    let bearer = format!("Bearer {token}");
    for method in ["GET", "POST", "PRI"] {
        let stream = TcpStream::connect(served.address).await?;
        let headers = &[("authorization", bearer.as_str())];
        let path = "/api/v1/secrets/billing%2Fdb/value";
        let answer = ask(stream, &Request { method, path, headers, body: None }).await?;
        ensure!(answer.status == 400 && answer.text().contains("speaks TLS"), "{}", answer.text());
        ensure!(!answer.text().contains(&token));
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_handshake_ends_the_connection_and_nothing_else() -> Result<()> {
    let (served, token) = served().await?;
    for bytes in [
        &b"\0\0\0\0\0\0\0\0"[..],
        b"\x16\x03\x01\xff\xff",
        b"SSH-2.0-x\r\n",
        &[0xFF; 2000],
        b"\x15\x03\x01\0\x02\x02\x28",
    ] {
        let mut stream = TcpStream::connect(served.address).await?;
        stream.write_all(bytes).await?;
        stream.shutdown().await?;
        let came = tokio::time::timeout(HANDSHAKE + SLACK, rest(&mut stream)).await?;
        ensure!(!came.starts_with(b"HTTP/1.1 200"), "{came:?}");
    }
    reads_within(&served, &token, PATIENCE).await.map(drop)
}

#[tokio::test]
async fn heads_and_bodies_have_bounds() -> Result<()> {
    let (served, token) = served().await?;
    let client = served.client(0)?;
    let url = served.url("/api/v1/secrets/billing%2Fdb/value");
    let long = client.get(&url).bearer_auth(&token).header("x-long", "x".repeat(64 << 10)).send().await;
    ensure!(long.is_err() || long.is_ok_and(|answer| answer.status() == 431), "a head of 64 KiB");
    let body = vec![b' '; 3 << 20];
    let put = client.put(&url).bearer_auth(&token).header("content-type", "application/json").body(body).send().await;
    ensure!(put.is_err() || put.is_ok_and(|answer| answer.status() == 403), "a body of 3 MiB is not read");
    reads_within(&served, &token, PATIENCE).await.map(drop)
}

#[tokio::test]
async fn open_connections_do_not_hold_up_the_end() -> Result<()> {
    let (mut served, _) = served().await?;
    let (_idle, _silent) = (served.connect().await?, TcpStream::connect(served.address).await?);
    let status = served.daemon.terminate().await?;
    ensure!(status.code() == Some(0), "{status}");
    ensure!(TcpStream::connect(served.address).await.is_err());
    Ok(())
}

mod proofs {
    use super::*;
    use crate::support::proof::Proof;

    #[tokio::test(flavor = "multi_thread")]
    async fn handshakes_that_stall_hold_up_nobody_and_end() -> Result<()> {
        let proof = Proof::begin("https", "handshakes that stalled beside requests");
        let (served, token) = served().await?;
        let mut stalled = Vec::new();
        for place in 0..200 {
            let mut stream = TcpStream::connect(served.address).await?;
            if place % 2 == 0 {
                stream.write_all(&HALF_A_HELLO).await?;
            }
            stalled.push(stream);
        }
        let began = Instant::now();
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            slowest = slowest.max(reads_within(&served, &token, Duration::from_secs(5)).await?);
        }
        ensure!(began.elapsed() < HANDSHAKE, "the stalled ones stood all the time: {slowest:?}");
        for stream in &mut stalled {
            tokio::time::timeout(HANDSHAKE + SLACK, rest(stream)).await.context("a stalled handshake ends")?;
        }
        ensure!(
            began.elapsed() + Duration::from_secs(2) >= HANDSHAKE,
            "they were cut off early: {:?}",
            began.elapsed()
        );
        proof.figure(&format!("the slowest request beside them: {slowest:?}"))?;
        proof.end(stalled.len() as u64, 200)
    }

    #[tokio::test]
    async fn a_connection_that_asks_nothing_or_half_a_request_is_closed() -> Result<()> {
        let (served, _) = served().await?;
        for head in ["", "GET /healthz HTTP/1.1\r\nhost: x\r\n"] {
            let mut stream = served.connect().await?;
            stream.write_all(head.as_bytes()).await?;
            let mut bytes = Vec::new();
            let ended = tokio::time::timeout(HANDSHAKE + SLACK, stream.read_to_end(&mut bytes)).await;
            ensure!(ended.is_ok(), "`{head}` is still open");
        }
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_fills_the_listener_keeps_nobody_from_the_socket() -> Result<()> {
        let (served, token) = served().await?;
        let mut held = Vec::new();
        for _ in 0..600 {
            held.push(TcpStream::connect(served.address).await?);
        }
        let started = Instant::now();
        ensure!(served.daemon.get("/healthz").await?.status == 200);
        served.daemon.cli_ok(&["token", "list"], None).await?;
        ensure!(started.elapsed() < HANDSHAKE, "{:?}", started.elapsed());
        drop(held);
        eventually(PATIENCE, "there is room again", async || {
            reads_within(&served, &token, Duration::from_secs(5)).await.ok()
        })
        .await
        .map(drop)
    }
}
