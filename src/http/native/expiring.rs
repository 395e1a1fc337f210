//! `/expiring`, `/tracked`, `/secrets/{secret}/override`, `/clock`: what expires when, and what lifts its consequence.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::ops::{
        clock::{self, ClockConfirmed},
        expiries::{self, ExpiringLine, ListExpiring, OverrideExpiry},
        rotations::Wish,
        secret_read::{self, SecretView},
        tracked::{self, Before, Track},
        wire::Moment,
    },
    http::{ApiState, Asker, JsonBody, Page, Problem, Query, SecretName, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(feed))
        .routes(routes!(track))
        .routes(routes!(lift))
        .routes(routes!(confirm_clock))
}

/// Whether the name must be free or taken.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct Expected {
    /// `true`: nothing of that name is there yet; `false`: it is tracked already.
    is_new: Option<bool>,
}

/// An emergency that holds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct Lifted {
    /// Until when reads go on.
    pub until: Moment,
}

/// Lists what expires, the earliest first.
#[utoipa::path(
    get,
    path = "/expiring",
    tag = "expiry",
    params(ListExpiring),
    responses((status = 200, body = Page<ExpiringLine>), (status = "default", body = Problem)),
)]
async fn list(
    State(api): State<ApiState>,
    asker: Asker,
    Query(query): Query<ListExpiring>,
) -> Answer<Json<Page<ExpiringLine>>> {
    Ok(Json(Page { items: expiries::list(&api.engine, &asker.actor, &query).await?, next: None }))
}

/// A calendar of expiries and planned rotations, for any calendar program (RFC 5545).
#[utoipa::path(
    get,
    path = "/expiring.ics",
    tag = "expiry",
    responses(
        (status = 200, description = "iCalendar", content_type = "text/calendar"),
        (status = "default", body = Problem),
    ),
)]
async fn feed(State(api): State<ApiState>, asker: Asker) -> Answer<Response> {
    let text = expiries::feed(&api.engine, &asker.actor).await?;
    Ok(([(header::CONTENT_TYPE, "text/calendar; charset=utf-8")], text).into_response())
}

/// Tracks what lives elsewhere and expires, or changes what is tracked under that name.
#[utoipa::path(
    put,
    path = "/tracked/{name}",
    tag = "expiry",
    params(("name" = String, Path, description = "Its name, one percent-encoded segment."), Expected),
    request_body = Track,
    responses((status = 200, body = SecretView), (status = "default", body = Problem)),
)]
async fn track(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    Query(expected): Query<Expected>,
    JsonBody(request): JsonBody<Track>,
) -> Answer<Json<SecretView>> {
    let before = match expected.is_new {
        None => Before::Either,
        Some(true) => Before::Nothing,
        Some(false) => Before::Something,
    };
    tracked::put_after(&api.engine, &asker.actor, name.as_str(), request, before).await?;
    Ok(Json(secret_read::show(&api.engine, &asker.actor, name.as_str()).await?))
}

/// Lets an expired value be read for a while, in an emergency.
#[utoipa::path(
    post,
    path = "/secrets/{secret}/override",
    tag = "expiry",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = OverrideExpiry,
    responses((status = 200, body = Lifted), (status = "default", body = Problem)),
)]
async fn lift(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(request): JsonBody<OverrideExpiry>,
) -> Answer<Json<Lifted>> {
    let until = expiries::lift(&api.engine, &asker.actor, name.as_str(), request).await?;
    Ok(Json(Lifted { until }))
}

/// Believes the clock after a step forward: what waited because of it goes on.
#[utoipa::path(
    post,
    path = "/clock/confirm",
    tag = "daemon",
    request_body = Wish,
    responses((status = 200, body = ClockConfirmed), (status = "default", body = Problem)),
)]
async fn confirm_clock(
    State(api): State<ApiState>,
    asker: Asker,
    JsonBody(wish): JsonBody<Wish>,
) -> Answer<Json<ClockConfirmed>> {
    Ok(Json(clock::confirm(&api.engine, &asker.actor, wish).await?))
}
