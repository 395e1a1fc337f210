//! `/routes`, `/silences`: who is told of what, and what nobody wants to hear for a while.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::{
        ops::routes::{self as ops, PutSilence, RouteView, SilenceView},
        rules::RouteRules,
    },
    http::{ApiState, Asker, Id, JsonBody, Page, Problem, SecretName, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(put, delete))
        .routes(routes!(list_silences, silence))
        .routes(routes!(end_silence))
}

/// Lists the routes by name.
#[utoipa::path(
    get,
    path = "/routes",
    tag = "notices",
    responses((status = 200, body = Page<RouteView>), (status = "default", body = Problem)),
)]
async fn list(State(api): State<ApiState>, asker: Asker) -> Answer<Json<Page<RouteView>>> {
    Ok(Json(Page { items: ops::list(&api.engine, &asker.actor).await?, next: None }))
}

/// Makes a route, or changes the one of that name.
#[utoipa::path(
    put,
    path = "/routes/{route}",
    tag = "notices",
    params(("route" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = RouteRules,
    responses((status = 200, body = RouteView), (status = "default", body = Problem)),
)]
async fn put(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(rules): JsonBody<RouteRules>,
) -> Answer<Json<RouteView>> {
    Ok(Json(ops::put(&api.engine, &asker.actor, name.as_str(), rules).await?))
}

/// Takes a route away.
#[utoipa::path(
    delete,
    path = "/routes/{route}",
    tag = "notices",
    params(("route" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 204, description = "It is gone."), (status = "default", body = Problem)),
)]
async fn delete(State(api): State<ApiState>, asker: Asker, SecretName(name): SecretName) -> Answer<StatusCode> {
    ops::delete(&api.engine, &asker.actor, name.as_str()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the silences, oldest first.
#[utoipa::path(
    get,
    path = "/silences",
    tag = "notices",
    responses((status = 200, body = Page<SilenceView>), (status = "default", body = Problem)),
)]
async fn list_silences(State(api): State<ApiState>, asker: Asker) -> Answer<Json<Page<SilenceView>>> {
    Ok(Json(Page { items: ops::list_silences(&api.engine, &asker.actor).await?, next: None }))
}

/// Silences what matches until a time.
#[utoipa::path(
    post,
    path = "/silences",
    tag = "notices",
    request_body = PutSilence,
    responses((status = 201, body = SilenceView), (status = "default", body = Problem)),
)]
async fn silence(
    State(api): State<ApiState>,
    asker: Asker,
    JsonBody(request): JsonBody<PutSilence>,
) -> Answer<(StatusCode, Json<SilenceView>)> {
    Ok((StatusCode::CREATED, Json(ops::silence(&api.engine, &asker.actor, request).await?)))
}

/// Ends a silence.
#[utoipa::path(
    delete,
    path = "/silences/{silence}",
    tag = "notices",
    params(("silence" = String, Path, description = "Its id.")),
    responses((status = 204, description = "It is over."), (status = "default", body = Problem)),
)]
async fn end_silence(State(api): State<ApiState>, asker: Asker, Id(id): Id) -> Answer<StatusCode> {
    ops::end_silence(&api.engine, &asker.actor, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
