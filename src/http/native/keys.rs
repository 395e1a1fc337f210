//! `GET /keys` and `POST /keys/rotate`.

use axum::{Json, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::ops::keys::{self, KeysInUse, RotateKeys, RotatedKeys},
    http::{ApiState, Asker, JsonBody, Problem, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show_keys)).routes(routes!(rotate_keys))
}

/// Tells which keys are in use; never a key.
#[utoipa::path(
    get,
    path = "/keys",
    tag = "keys",
    responses((status = 200, body = KeysInUse), (status = "default", body = Problem)),
)]
async fn show_keys(State(api): State<ApiState>, _asker: Asker) -> Answer<Json<KeysInUse>> {
    Ok(Json(keys::show(&api.engine).await?))
}

/// Rotates the master key, or the roots.
#[utoipa::path(
    post,
    path = "/keys/rotate",
    tag = "keys",
    request_body = RotateKeys,
    responses((status = 200, body = RotatedKeys), (status = "default", body = Problem)),
)]
async fn rotate_keys(
    State(api): State<ApiState>,
    asker: Asker,
    JsonBody(what): JsonBody<RotateKeys>,
) -> Answer<Json<RotatedKeys>> {
    Ok(Json(keys::rotate(&api.engine, asker.actor, what).await?))
}
