//! A revoked token opens nothing from the next request on, in this process and in others.

use std::time::Duration;

use anyhow::{Result, ensure};
use keywheel::engine::ops::{access::tokens, secret_read};

use super::world::Surface;
use crate::support::{daemon::PATIENCE, wait::eventually};

const PATH: &str = "/api/v1/secrets/a/value";

#[tokio::test]
async fn the_next_request_after_a_revocation_is_refused_for_good() -> Result<()> {
    let surface = Surface::new().await;
    surface.put("a").await?;
    let (one, other) = (surface.token(&["a"], "1d").await?, surface.token(&["a"], "1d").await?);
    ensure!(surface.far("GET", PATH, Some(&one.text)).await?.status == 200);
    for _ in 0..2 {
        let path = format!("/api/v1/tokens/{}?reason=leaked", one.id);
        let revoked = surface.own("DELETE", &path, None).await?;
        ensure!(revoked.status == 200 && revoked.body["state"] == "revoked", "{revoked:?}");
        let answer = surface.far("GET", PATH, Some(&one.text)).await?;
        ensure!((answer.status, answer.code()) == (401, "token-revoked"), "{answer:?}");
    }
    ensure!(surface.far("GET", PATH, Some(&other.text)).await?.status == 200);
    let path = format!("/api/v1/events?subject={}", one.id);
    let events = surface.own("GET", &path, None).await?;
    let kinds: Vec<&str> =
        events.body["items"].as_array().into_iter().flatten().filter_map(|event| event["kind"].as_str()).collect();
    ensure!(kinds == ["token.revoked", "token.created"], "{kinds:?}");
    let path = "/api/v1/tokens/tok_01arz3ndektsv4rrffq69g5fav";
    ensure!(surface.own("DELETE", path, None).await?.status == 404);
    Ok(())
}

/// Another process that shares the store has nothing of its own to forget.
#[tokio::test]
async fn a_revocation_by_another_process_counts_at_once() -> Result<()> {
    let surface = Surface::new().await;
    surface.put("a").await?;
    let token = surface.token(&["a"], "1d").await?;
    let other = surface.world.another().await;
    ensure!(tokens::admit(&other, token.text.as_bytes()).await.is_ok());
    surface.own("DELETE", &format!("/api/v1/tokens/{}", token.id), None).await?;
    let refused = tokens::admit(&other, token.text.as_bytes()).await;
    ensure!(refused.is_err_and(|trouble| trouble.code == "token-revoked"));
    Ok(())
}

/// Let in, and revoked before the value is read: the transaction that records the read refuses it.
#[tokio::test]
async fn a_read_that_was_let_in_before_a_revocation_is_refused_after_it() -> Result<()> {
    let surface = Surface::new().await;
    surface.put("a").await?;
    let (engine, made) = (&surface.world.engine, surface.token(&["a"], "1d").await?);
    let admitted = tokens::admit(engine, made.text.as_bytes()).await?;
    ensure!(secret_read::get_by_token(engine, &admitted, "a", "").await.is_ok());
    surface.own("DELETE", &format!("/api/v1/tokens/{}", made.id), None).await?;
    let refused = secret_read::get_by_token(engine, &admitted, "a", "").await;
    ensure!(refused.is_err_and(|trouble| trouble.code == "token-revoked"));
    let other = surface.token(&["a"], "1h").await?;
    let admitted = tokens::admit(engine, other.text.as_bytes()).await?;
    surface.set(other.expires_at);
    let refused = secret_read::get_by_token(engine, &admitted, "a", "").await;
    ensure!(refused.is_err_and(|trouble| trouble.code == "token-expired"));
    Ok(())
}

#[tokio::test]
async fn the_last_use_is_told_to_the_minute() -> Result<()> {
    let surface = Surface::new().await;
    surface.put("a").await?;
    let token = surface.token(&["a"], "1d").await?;
    let used = async || {
        let shown = surface.own("GET", &format!("/api/v1/tokens/{}", token.id), None).await.ok()?;
        shown.body["last_used_at"].as_str().map(str::to_owned)
    };
    ensure!(used().await.is_none());
    surface.far("GET", PATH, Some(&token.text)).await?;
    let first = eventually(PATIENCE, "the first use is told", used).await?;
    surface.advance(Duration::from_secs(59));
    surface.far("GET", PATH, Some(&token.text)).await?;
    surface.advance(Duration::from_secs(1));
    surface.far("GET", PATH, Some(&token.text)).await?;
    let second = eventually(PATIENCE, "a later use is told", async || used().await.filter(|at| *at != first)).await?;
    let at = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>();
    ensure!(at(&second)? - at(&first)? == chrono::TimeDelta::minutes(1), "{first} {second}");
    Ok(())
}

mod proofs {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, AtomicU64, Ordering},
        },
        time::{Duration, Instant},
    };

    use super::*;
    use crate::support::proof::Proof;

    /// SECURITY 15: no request that succeeds was recorded after the revocation.
    #[tokio::test(flavor = "multi_thread")]
    async fn no_read_succeeds_after_a_revocation_under_fifty_requests_in_flight() -> Result<()> {
        let proof = Proof::begin("S15", "reads by fifty readers until five revocations");
        let surface = Arc::new(Surface::new().await);
        surface.put("a").await?;
        let mut reads = 0;
        for _ in 0..5 {
            let token = surface.token(&["a"], "1d").await?;
            let (is_over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
            let mut readers = tokio::task::JoinSet::new();
            for _ in 0..50 {
                let (surface, text) = (Arc::clone(&surface), token.text.clone());
                let (is_over, served) = (Arc::clone(&is_over), Arc::clone(&served));
                readers.spawn(async move {
                    loop {
                        let was_over = is_over.load(Ordering::SeqCst);
                        let answer = surface.far("GET", PATH, Some(&text)).await.expect("an answer");
                        assert!(answer.status != 200 || !was_over, "a read succeeded after the revocation");
                        if answer.status != 200 {
                            assert_eq!(answer.code(), "token-revoked");
                            return;
                        }
                        served.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            let started = Instant::now();
            while served.load(Ordering::SeqCst) < 100 {
                ensure!(started.elapsed() < Duration::from_mins(1), "nobody reads");
                tokio::task::yield_now().await;
            }
            surface.own("DELETE", &format!("/api/v1/tokens/{}", token.id), None).await?;
            is_over.store(true, Ordering::SeqCst);
            while let Some(ended) = readers.join_next().await {
                ended?;
            }
            reads += served.load(Ordering::SeqCst);
        }
        proof.end(reads, 500)
    }
}
