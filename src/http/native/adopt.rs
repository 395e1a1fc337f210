//! `POST /secrets/{secret}/adopt`, `POST /apply`: bringing what exists under keywheel's care.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::ops::{
        adopt::{self, AdoptSecret, Adopted},
        apply::{self, Applied, Apply},
    },
    http::{ApiState, Asker, JsonBody, Problem, SecretName, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(adopt_secret)).routes(routes!(apply_declared))
}

/// Adopts an account that exists at a target, which stays untouched.
#[utoipa::path(
    post,
    path = "/secrets/{secret}/adopt",
    tag = "secrets",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = AdoptSecret,
    responses(
        (status = 200, body = Adopted, description = "The secret existed."),
        (status = 201, body = Adopted, description = "The secret is new."),
        (status = "default", body = Problem),
    ),
)]
async fn adopt_secret(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(request): JsonBody<AdoptSecret>,
) -> Answer<(StatusCode, Json<Adopted>)> {
    let adopted = adopt::adopt(&api.engine, &asker.actor, name.as_str(), request).await?;
    Ok((super::made(adopted.is_new), Json(adopted)))
}

/// Compares what is declared with what is, and brings it about unless only the plan is asked for.
#[utoipa::path(
    post,
    path = "/apply",
    tag = "secrets",
    request_body = Apply,
    responses((status = 200, body = Applied), (status = "default", body = Problem)),
)]
async fn apply_declared(
    State(api): State<ApiState>,
    asker: Asker,
    JsonBody(request): JsonBody<Apply>,
) -> Answer<Json<Applied>> {
    Ok(Json(apply::apply(&api.engine, &asker.actor, request).await?))
}
