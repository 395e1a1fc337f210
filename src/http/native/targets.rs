//! `/targets`: where credentials take effect.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Why;
use crate::{
    engine::ops::targets::{self, PutTarget, TargetPut, TargetView},
    http::{ApiState, Asker, JsonBody, Page, Problem, Query, SecretName, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, put, delete))
}

/// Lists the targets by name.
#[utoipa::path(
    get,
    path = "/targets",
    tag = "targets",
    responses((status = 200, body = Page<TargetView>), (status = "default", body = Problem)),
)]
async fn list(State(api): State<ApiState>, _asker: Asker) -> Answer<Json<Page<TargetView>>> {
    Ok(Json(Page { items: targets::list(&api.engine).await?, next: None }))
}

/// Shows a target.
#[utoipa::path(
    get,
    path = "/targets/{target}",
    tag = "targets",
    params(("target" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 200, body = TargetView), (status = "default", body = Problem)),
)]
async fn show(State(api): State<ApiState>, asker: Asker, SecretName(name): SecretName) -> Answer<Json<TargetView>> {
    Ok(Json(targets::show(&api.engine, &asker.actor, name.as_str()).await?))
}

/// Creates a target, or changes the one of that name.
#[utoipa::path(
    put,
    path = "/targets/{target}",
    tag = "targets",
    params(("target" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = PutTarget,
    responses(
        (status = 200, body = TargetPut, description = "It is changed."),
        (status = 201, body = TargetPut, description = "It is made."),
        (status = "default", body = Problem),
    ),
)]
async fn put(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(request): JsonBody<PutTarget>,
) -> Answer<(StatusCode, Json<TargetPut>)> {
    let put = targets::put(&api.engine, &asker.actor, name.as_str(), request).await?;
    Ok((super::made(put.is_new), Json(put)))
}

/// Deletes a target that no secret uses.
#[utoipa::path(
    delete,
    path = "/targets/{target}",
    tag = "targets",
    params(("target" = String, Path, description = "Its name, one percent-encoded segment."), Why),
    responses((status = 204, description = "It is gone."), (status = "default", body = Problem)),
)]
async fn delete(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    Query(why): Query<Why>,
) -> Answer<StatusCode> {
    targets::delete(&api.engine, &asker.actor, name.as_str(), why.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
