//! `/secrets/{secret}/value` and `/secrets/{secret}/versions`. Each read of a value is recorded before its answer.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Why;
use crate::{
    engine::ops::{
        secret_life,
        secret_read::{self, SecretValue},
        secrets::{self, PutSecret, SecretPut},
        views::VersionView,
    },
    http::{ApiState, Asker, Id, JsonBody, Page, Problem, Query, SecretName, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(get, put)).routes(routes!(versions)).routes(routes!(delete_version))
}

/// Which version is asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct Which {
    /// A number, an id, `current`, `previous` or `candidate`; the current one if not given.
    version: String,
}

/// Reads a value.
#[utoipa::path(
    get,
    path = "/secrets/{secret}/value",
    tag = "secrets",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment."), Which),
    responses((status = 200, body = SecretValue), (status = "default", body = Problem)),
)]
async fn get(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    Query(which): Query<Which>,
) -> Answer<Json<SecretValue>> {
    let value = match &asker.token {
        Some(token) => secret_read::get_by_token(&api.engine, token, name.as_str(), &which.version).await?,
        None => secret_read::get(&api.engine, &asker.actor, name.as_str(), &which.version).await?,
    };
    Ok(Json(value))
}

/// Makes a secret, or gives an unmanaged one a new current version.
#[utoipa::path(
    put,
    path = "/secrets/{secret}/value",
    tag = "secrets",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = PutSecret,
    responses(
        (status = 200, body = SecretPut, description = "It has a new version."),
        (status = 201, body = SecretPut, description = "It is made."),
        (status = "default", body = Problem),
    ),
)]
async fn put(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(request): JsonBody<PutSecret>,
) -> Answer<(StatusCode, Json<SecretPut>)> {
    let put = secrets::put(&api.engine, &asker.actor, name.as_str(), request).await?;
    Ok((super::made(put.is_new), Json(put)))
}

/// Lists all versions of a secret, oldest first.
#[utoipa::path(
    get,
    path = "/secrets/{secret}/versions",
    tag = "secrets",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 200, body = Page<VersionView>), (status = "default", body = Problem)),
)]
async fn versions(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
) -> Answer<Json<Page<VersionView>>> {
    let history = secret_read::history(&api.engine, &asker.actor, name.as_str()).await?;
    Ok(Json(Page { items: history.versions, next: None }))
}

/// Deletes one version so that it can be brought back.
#[utoipa::path(
    delete,
    path = "/secrets/{secret}/versions/{version}",
    tag = "secrets",
    params(
        ("secret" = String, Path, description = "Its name, one percent-encoded segment."),
        ("version" = String, Path, description = "The version, by number or id."),
        Why,
    ),
    responses((status = 204, description = "It is deleted."), (status = "default", body = Problem)),
)]
async fn delete_version(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    Id(version): Id<1>,
    Query(why): Query<Why>,
) -> Answer<StatusCode> {
    secret_life::delete_version(&api.engine, &asker.actor, name.as_str(), &version, why.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
