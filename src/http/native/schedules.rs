//! `/secrets/{secret}/schedule` and `/plan`: what rotates when.

use axum::{Json, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::ops::{
        plan::{self, AskPlan, Plan},
        rotations::Wish,
        schedules::{self, Pause, ScheduleView, SetSchedule},
    },
    http::{ApiState, Asker, JsonBody, Problem, Query, SecretName, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(show, set))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(show_plan))
}

/// Shows the schedule of a secret, and what follows from it.
#[utoipa::path(
    get,
    path = "/secrets/{secret}/schedule",
    tag = "schedules",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 200, body = ScheduleView), (status = "default", body = Problem)),
)]
async fn show(State(api): State<ApiState>, asker: Asker, SecretName(name): SecretName) -> Answer<Json<ScheduleView>> {
    Ok(Json(schedules::show(&api.engine, &asker.actor, name.as_str()).await?))
}

/// Sets the schedule of a managed secret.
#[utoipa::path(
    put,
    path = "/secrets/{secret}/schedule",
    tag = "schedules",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = SetSchedule,
    responses((status = 200, body = ScheduleView), (status = "default", body = Problem)),
)]
async fn set(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(request): JsonBody<SetSchedule>,
) -> Answer<Json<ScheduleView>> {
    Ok(Json(schedules::set(&api.engine, &asker.actor, name.as_str(), request).await?))
}

/// Pauses a schedule.
#[utoipa::path(
    post,
    path = "/secrets/{secret}/schedule/pause",
    tag = "schedules",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = Wish,
    responses((status = 200, body = ScheduleView), (status = "default", body = Problem)),
)]
async fn pause(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(wish): JsonBody<Wish>,
) -> Answer<Json<ScheduleView>> {
    Ok(Json(schedules::pause(&api.engine, &asker.actor, name.as_str(), Pause::On, wish.reason).await?))
}

/// Lets a paused schedule go on.
#[utoipa::path(
    post,
    path = "/secrets/{secret}/schedule/resume",
    tag = "schedules",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = Wish,
    responses((status = 200, body = ScheduleView), (status = "default", body = Problem)),
)]
async fn resume(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(wish): JsonBody<Wish>,
) -> Answer<Json<ScheduleView>> {
    Ok(Json(schedules::pause(&api.engine, &asker.actor, name.as_str(), Pause::Off, wish.reason).await?))
}

/// Shows what rotates when, where that collides, and which deadlines have no allowed slot.
#[utoipa::path(
    get,
    path = "/plan",
    tag = "schedules",
    params(AskPlan),
    responses((status = 200, body = Plan), (status = "default", body = Problem)),
)]
async fn show_plan(State(api): State<ApiState>, asker: Asker, Query(query): Query<AskPlan>) -> Answer<Json<Plan>> {
    Ok(Json(plan::plan(&api.engine, &asker.actor, &query).await?))
}
