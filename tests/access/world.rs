//! A surface in this process, on an engine whose clock is set by hand: asked as a token's holder or as the owner.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use chrono::{DateTime, Utc};
use keywheel::{
    clock::{Clock, ManualClock, SystemClock, from_micros, micros},
    engine::Options,
    http::{self, Access, ApiState, Peer, Readiness},
};
use keywheel_contract::kit::{FakeRotator, FakeTarget};
use serde_json::{Value, json};
use tower::Service;

use crate::engine::world::World;

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answered {
    /// The code of a problem; empty for an answer.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// The surface that other machines reach.
pub(crate) struct Surface {
    pub(crate) world: World,
    pub(crate) clock: Arc<ManualClock>,
    network: Router,
}

/// A token that was made.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) expires_at: DateTime<Utc>,
}

impl Surface {
    pub(crate) async fn new() -> Self {
        // As the store keeps it: boundaries are judged in microseconds.
        let clock = Arc::new(ManualClock::at(from_micros(micros(SystemClock.now()))));
        let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let options = Options { probe_every: None, ..Options::default() };
        let world =
            World::with(options, shared, FakeTarget::new(), |fake| Arc::new(FakeRotator { target: fake })).await;
        let readiness = Readiness::default();
        readiness.set(true);
        let state = ApiState::new(Arc::clone(&world.engine), readiness, Arc::new(String::new));
        let access = Arc::new(Access::new(0, None, &[7; 32]));
        Self { network: http::network(&state, access), world, clock }
    }

    /// Asks as the owner, over the socket.
    pub(crate) async fn own(&self, method: &str, path: &str, body: Option<Value>) -> Result<Answered> {
        self.ask(Peer::Unix { uid: 0 }, method, path, &[], body).await
    }

    /// Asks from another machine, with a token or without.
    pub(crate) async fn far(&self, method: &str, path: &str, token: Option<&str>) -> Result<Answered> {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        self.ask(distant(), method, path, &headers, None).await
    }

    pub(crate) async fn ask(
        &self,
        peer: Peer,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Answered> {
        let mut request = Request::builder().method(method).uri(path).extension(peer);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).context("a request")?;
        let answer = self.network.clone().call(request).await?;
        let status = answer.status().as_u16();
        let bytes = to_bytes(answer.into_body(), 1 << 22).await.context("read the answer")?;
        Ok(Answered { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    pub(crate) async fn put(&self, name: &str) -> Result<()> {
        let path = format!("/api/v1/secrets/{}/value", name.replace('/', "%2F").replace(' ', "%20"));
        let put = self.own("PUT", &path, Some(json!({ "value": { "value": format!("of {name}") } }))).await?;
        ensure!(put.status == 201, "{name}: {put:?}");
        Ok(())
    }

    pub(crate) async fn token(&self, read: &[&str], ttl: &str) -> Result<Made> {
        let made = self.own("POST", "/api/v1/tokens", Some(json!({ "read": read, "ttl": ttl }))).await?;
        ensure!(made.status == 201, "{made:?}");
        let text = |field: &str| made.body[field].as_str().map(str::to_owned).context("a text");
        let expires_at = text("expires_at")?.parse().context("a time")?;
        Ok(Made { id: text("id")?, text: text("token")?, expires_at })
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Sets the clock to a time.
    pub(crate) fn set(&self, to: DateTime<Utc>) {
        self.clock.step(to - self.world.engine.now());
    }
}

/// Somebody on another machine.
pub(crate) fn distant() -> Peer {
    Peer::Tcp { address: "192.0.2.7:4711".parse().expect("an address") }
}
