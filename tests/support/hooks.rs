//! A receiver of webhooks: a real HTTP server on loopback that keeps what it got and answers as it is told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch};

/// One delivery.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) id: String,
    pub(crate) body: Value,
}

impl Got {
    /// The kind of notice.
    pub(crate) fn kind(&self) -> &str {
        self.body["type"].as_str().and_then(|kind| kind.strip_prefix("keywheel.")).unwrap_or_default()
    }

    /// The name of what it is about.
    pub(crate) fn subject(&self) -> &str {
        self.body["data"]["subject"].as_str().unwrap_or_default()
    }
}

#[derive(Default)]
struct Kept {
    got: Vec<Got>,
    answers: VecDeque<u16>,
    always: Option<u16>,
}

/// The receiver. It ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Receiver {
    url: String,
    kept: Arc<Mutex<Kept>>,
    held: Arc<watch::Sender<bool>>,
}

impl Receiver {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        let receiver = Self { url, kept: Arc::default(), held: Arc::new(watch::Sender::new(false)) };
        let routes = Router::new().route("/hook", post(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(receiver)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What was answered with success, in order.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.kept().got.clone()
    }

    /// Answers the next deliveries so, one each.
    pub(crate) fn answer_next(&self, answers: &[u16]) {
        self.kept().answers.extend(answers);
    }

    /// Answers every delivery so from now on; with success, where none is given.
    pub(crate) fn answer_always(&self, answer: Option<u16>) {
        self.kept().always = answer;
    }

    /// Keeps what comes and withholds the answer, until this is ended.
    pub(crate) fn hold(&self, is_held: bool) {
        self.held.send_replace(is_held);
    }

    /// Keeps what is to be answered with success; says the status.
    fn keep(&self, headers: &HeaderMap, body: &Bytes) -> u16 {
        let mut kept = self.kept();
        let answer = kept.answers.pop_front().or(kept.always).unwrap_or(204);
        if (200..300).contains(&answer) {
            let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
            kept.got.push(Got { id, body: serde_json::from_slice(body).unwrap_or_default() });
        }
        answer
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let answer = receiver.keep(&headers, &body);
    // The sender lives in the receiver, which is at hand.
    let _ = receiver.held.subscribe().wait_for(|is_held| !is_held).await;
    StatusCode::from_u16(answer).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
