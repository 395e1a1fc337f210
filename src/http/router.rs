//! Which path leads where.

use std::sync::Arc;

use axum::{
    Json, Router,
    http::StatusCode,
    middleware::{from_fn, from_fn_with_state},
    routing::get,
};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;

use super::{Access, ApiState, Problem, asker, health, idempotency, native::routes};

/// The whole surface of a listener on this machine.
pub fn api(state: &ApiState, access: Arc<Access>) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(health::metrics))
        .method_not_allowed_fallback(unknown_method)
        .merge(native(state, access))
        .with_state(state.clone())
}

/// The surface of a listener that other machines reach: readiness is open, all else asks for a token.
pub fn network(state: &ApiState, access: Arc<Access>) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .method_not_allowed_fallback(unknown_method)
        .merge(native(state, access))
        .with_state(state.clone())
}

/// The native API behind the question who asks.
fn native(state: &ApiState, access: Arc<Access>) -> Router<ApiState> {
    let (native, description) = described().split_for_parts();
    let admitting = state.clone();
    native
        .route("/api/v1/openapi.json", get(move || std::future::ready(Json(description.clone()))))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn_with_state(state.clone(), idempotency::keep))
        .layer(from_fn(move |request, next| {
            let (api, access) = (admitting.clone(), Arc::clone(&access));
            async move { asker::admit(&api, &access, request, next).await }
        }))
}

/// The surface of the listener for metrics alone.
pub fn metrics_only(state: &ApiState) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(health::metrics))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .with_state(state.clone())
}

/// The description of the native API, made from the code.
pub fn openapi() -> OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<ApiState> {
    let about = InfoBuilder::new()
        .title("keywheel")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Rotates credentials and loses none. Errors are RFC 9457 problems."))
        .build();
    let description = OpenApiBuilder::new().info(about).build();
    OpenApiRouter::with_openapi(description).nest("/api/v1", routes())
}

async fn unknown_path() -> Problem {
    let hint = "see `/api/v1/openapi.json` for what there is";
    Problem::new(StatusCode::NOT_FOUND, "no-such-path", "nothing is served at this path", hint)
}

async fn unknown_method() -> Problem {
    let hint = "see `/api/v1/openapi.json` for what there is";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", "the path does not know this method", hint)
}
