//! The daemon's native API as the tests use it. What its paths look like stands here alone.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::Daemon;
use crate::support::wait::eventually;

/// A name as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    name.replace('/', "%2F")
}

/// Whether a version should have been retired by now or will be in a moment. One whose retirement met passing trouble
/// waits for seconds; one that needs a person for longer.
fn is_overdue(version: &Value) -> bool {
    let at = version["retire_at"].as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    version["stage"] == "previous" && at.is_some_and(|at| at <= Utc::now() + TimeDelta::seconds(10))
}

impl Daemon {
    /// Asks, and expects a success with JSON.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let path = format!("/api/v1{path}");
        let answer = match body {
            Some(body) => self.send(method, &path, body).await,
            None => self.get(&path).await,
        };
        let answer = answer?;
        if !(200..300).contains(&answer.status) {
            bail!("{method} {path}: status {}: {}", answer.status, answer.text());
        }
        answer.json()
    }

    /// Puts an unmanaged secret.
    pub(crate) async fn put_secret(&self, name: &str, value: Value) -> Result<Value> {
        self.ask("PUT", &format!("/secrets/{}/value", segment(name)), Some(&json!({ "value": value }))).await
    }

    /// Puts a PostgreSQL target whose admin is the secret `admin`.
    pub(crate) async fn put_target(&self, name: &str, settings: Value, admin: &str) -> Result<Value> {
        let body = json!({ "rotator": "postgres", "settings": settings, "admin": admin });
        self.ask("PUT", &format!("/targets/{}", segment(name)), Some(&body)).await
    }

    /// Adopts an account. `body` is the request as the API takes it.
    pub(crate) async fn adopt(&self, name: &str, body: &Value) -> Result<Value> {
        self.ask("POST", &format!("/secrets/{}/adopt", segment(name)), Some(body)).await
    }

    /// Asks for a rotation of each name.
    pub(crate) async fn rotate(&self, names: &[&str]) -> Result<Value> {
        let body = json!({ "names": names, "acknowledge": ["cuts-overlap"] });
        self.ask("POST", "/rotate", Some(&body)).await
    }

    /// All that is shown of a secret.
    pub(crate) async fn secret(&self, name: &str) -> Result<Value> {
        self.ask("GET", &format!("/secrets/{}", segment(name)), None).await
    }

    /// The value of a version: a number, an id, a stage, or the current one.
    pub(crate) async fn value_of(&self, name: &str, version: &str) -> Result<Value> {
        let path = format!("/secrets/{}/value?version={version}", segment(name));
        Ok(self.ask("GET", &path, None).await?["value"].take())
    }

    /// The rotations of a secret, newest first.
    pub(crate) async fn rotations(&self, name: &str) -> Result<Vec<Value>> {
        let page = self.ask("GET", &format!("/rotations?secret={}", segment(name)), None).await?;
        Ok(page["items"].as_array().context("a page of rotations")?.clone())
    }

    /// A rotation with its journal.
    pub(crate) async fn rotation(&self, id: &str) -> Result<Value> {
        self.ask("GET", &format!("/rotations/{id}"), None).await
    }

    /// The kinds of the events of a secret's newest rotation, without their prefix.
    pub(crate) async fn journal(&self, name: &str) -> Result<Vec<String>> {
        let rotations = self.rotations(name).await?;
        let newest = rotations.first().and_then(|line| line["id"].as_str()).context("there is a rotation")?;
        let shown = self.rotation(newest).await?;
        let events = shown["timeline"].as_array().context("a timeline")?.clone();
        let kind = |event: &Value| event["kind"].as_str().unwrap_or_default().replace("rotation.", "");
        Ok(events.iter().map(kind).collect())
    }

    /// How the daemon is.
    pub(crate) async fn status(&self) -> Result<Value> {
        self.ask("GET", "/status", None).await
    }

    /// Whether nothing runs, no request is open, and no version waits for its retirement: for accounts without an
    /// overlap.
    pub(crate) async fn is_settled(&self) -> bool {
        let Ok(status) = self.status().await else { return false };
        let open = status["occurrences"]["open"].as_i64().unwrap_or(0);
        let is_quiet = status["rotations_running"] == 0 && open == 0 && status["due"] == 0;
        is_quiet && self.has_retired().await.unwrap_or(false)
    }

    async fn has_retired(&self) -> Result<bool> {
        let page = self.ask("GET", "/secrets?managed=true&limit=1000", None).await?;
        for line in page["secrets"].as_array().context("a page of secrets")? {
            let shown = self.secret(line["name"].as_str().context("a name")?).await?;
            let versions = shown["versions"].as_array().context("versions")?;
            if versions.iter().any(is_overdue) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until nothing runs and no request is open.
    pub(crate) async fn settle(&self, limit: Duration) -> Result<()> {
        let settled = async || self.is_settled().await.then_some(());
        let waited = eventually(limit, "nothing runs and nothing is open", settled).await;
        if waited.is_err() {
            let status = self.status().await.map(|status| status.to_string());
            return waited.with_context(|| format!("{status:?}\n{}", self.stderr()));
        }
        Ok(())
    }

    /// The kinds of the open alerts.
    pub(crate) async fn alerts(&self) -> Result<Vec<String>> {
        let status = self.status().await?;
        let alerts = status["alerts"].as_array().context("a list of alerts")?;
        Ok(alerts.iter().filter_map(|alert| alert["kind"].as_str()).map(str::to_owned).collect())
    }
}
