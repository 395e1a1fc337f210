//! `/healthz` and `/metrics`: open to whoever reaches the listener. Metrics tell the names of certificates and of what
//! is tracked, and when they end; nothing else about secrets. The listener for other machines has no `/metrics`.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiState, Problem};

/// How the daemon is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(super) struct Health {
    /// `ready`.
    pub status: String,
}

/// Says whether the daemon is ready: the store answers, and it is not stopping.
pub(super) async fn healthz(State(api): State<ApiState>) -> Response {
    let unavailable = |code: &str, detail: &str, hint: &str| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail, hint).into_response()
    };
    if !api.readiness.is_ready() {
        return unavailable("not-ready", "the daemon starts or stops", "ask again in a moment");
    }
    if api.engine.store.is_broken() {
        return unavailable("store-broken", "the store failed to sync", "check the disk, then restart the daemon");
    }
    match api.engine.store.read().await {
        Ok(_) => Json(Health { status: "ready".into() }).into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}

/// The metrics, in the OpenMetrics text format.
pub(super) async fn metrics(State(api): State<ApiState>) -> Response {
    if let Err(error) = api.engine.count().await {
        tracing::warn!(code = %error.code, "the gauges are old: {error}");
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], (api.scrape)()).into_response()
}
