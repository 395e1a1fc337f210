//! `/channels`: by which means people are told.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Why;
use crate::{
    engine::ops::channels::{self, ChannelTested, ChannelTried, ChannelView, PutChannel},
    http::{ApiState, Asker, JsonBody, Page, Problem, Query, SecretName, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, put, delete))
        .routes(routes!(test))
        .routes(routes!(preflight))
}

/// Lists the channels by name, and how each does.
#[utoipa::path(
    get,
    path = "/channels",
    tag = "notices",
    responses((status = 200, body = Page<ChannelView>), (status = "default", body = Problem)),
)]
async fn list(State(api): State<ApiState>, asker: Asker) -> Answer<Json<Page<ChannelView>>> {
    Ok(Json(Page { items: channels::list(&api.engine, &asker.actor).await?, next: None }))
}

/// Shows a channel.
#[utoipa::path(
    get,
    path = "/channels/{channel}",
    tag = "notices",
    params(("channel" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 200, body = ChannelView), (status = "default", body = Problem)),
)]
async fn show(State(api): State<ApiState>, asker: Asker, SecretName(name): SecretName) -> Answer<Json<ChannelView>> {
    Ok(Json(channels::show(&api.engine, &asker.actor, name.as_str()).await?))
}

/// Makes a channel, or changes the one of that name. Secrets are named in its settings, never given.
#[utoipa::path(
    put,
    path = "/channels/{channel}",
    tag = "notices",
    params(("channel" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = PutChannel,
    responses((status = 200, body = ChannelView), (status = "default", body = Problem)),
)]
async fn put(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(request): JsonBody<PutChannel>,
) -> Answer<Json<ChannelView>> {
    Ok(Json(channels::put(&api.engine, &asker.actor, name.as_str(), request).await?))
}

/// Takes a channel away; what it was yet to deliver is dropped, and listed as that.
#[utoipa::path(
    delete,
    path = "/channels/{channel}",
    tag = "notices",
    params(("channel" = String, Path, description = "Its name, one percent-encoded segment."), Why),
    responses((status = 204, description = "It is gone."), (status = "default", body = Problem)),
)]
async fn delete(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    Query(why): Query<Why>,
) -> Answer<StatusCode> {
    channels::delete(&api.engine, &asker.actor, name.as_str(), why.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a real message and reports the receiver's answer. Nothing is kept, nothing is tried again.
#[utoipa::path(
    post,
    path = "/channels/{channel}/test",
    tag = "notices",
    params(("channel" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 200, body = ChannelTested), (status = "default", body = Problem)),
)]
async fn test(State(api): State<ApiState>, asker: Asker, SecretName(name): SecretName) -> Answer<Json<ChannelTested>> {
    Ok(Json(channels::test(&api.engine, &asker.actor, name.as_str()).await?))
}

/// Opens a channel with its settings and secrets as a send would. Sends nothing.
#[utoipa::path(
    get,
    path = "/channels/{channel}/preflight",
    tag = "notices",
    params(("channel" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 200, body = ChannelTried), (status = "default", body = Problem)),
)]
async fn preflight(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
) -> Answer<Json<ChannelTried>> {
    Ok(Json(channels::look(&api.engine, &asker.actor, name.as_str()).await?))
}
