//! `/secrets`: what is known of secrets but their values.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::ops::{
        secret_life::{self, DeleteSecret, DestroySecret, SecretDeleted, UndeleteSecret},
        secret_read::{self, ListSecrets, SecretHistory, SecretPage, SecretView},
        secrets::{self, EditSecret},
    },
    http::{ApiState, Asker, JsonBody, Problem, Query, SecretName, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, edit, delete))
        .routes(routes!(history))
        .routes(routes!(undelete))
        .routes(routes!(destroy))
}

/// Lists secrets by name; for the holder of a token those alone that it may read.
#[utoipa::path(
    get,
    path = "/secrets",
    tag = "secrets",
    params(ListSecrets),
    responses((status = 200, body = SecretPage), (status = "default", body = Problem)),
)]
async fn list(State(api): State<ApiState>, asker: Asker, Query(query): Query<ListSecrets>) -> Answer<Json<SecretPage>> {
    let page = match asker.grant() {
        Some(grant) => secret_read::list_granted(&api.engine, grant, &query).await?,
        None => secret_read::list(&api.engine, &query).await?,
    };
    Ok(Json(page))
}

/// Shows all that is known of a secret but its values.
#[utoipa::path(
    get,
    path = "/secrets/{secret}",
    tag = "secrets",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 200, body = SecretView), (status = "default", body = Problem)),
)]
async fn show(State(api): State<ApiState>, asker: Asker, SecretName(name): SecretName) -> Answer<Json<SecretView>> {
    Ok(Json(secret_read::show(&api.engine, &asker.actor, name.as_str()).await?))
}

/// Changes what is said about a secret.
#[utoipa::path(
    patch,
    path = "/secrets/{secret}",
    tag = "secrets",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = EditSecret,
    responses((status = 200, body = SecretView), (status = "default", body = Problem)),
)]
async fn edit(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(request): JsonBody<EditSecret>,
) -> Answer<Json<SecretView>> {
    secrets::edit(&api.engine, &asker.actor, name.as_str(), request).await?;
    Ok(Json(secret_read::show(&api.engine, &asker.actor, name.as_str()).await?))
}

/// Deletes a secret so that it can be brought back for a while.
#[utoipa::path(
    delete,
    path = "/secrets/{secret}",
    tag = "secrets",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment."), DeleteSecret),
    responses((status = 200, body = SecretDeleted), (status = "default", body = Problem)),
)]
async fn delete(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    Query(query): Query<DeleteSecret>,
) -> Answer<Json<SecretDeleted>> {
    Ok(Json(secret_life::delete(&api.engine, &asker.actor, name.as_str(), query).await?))
}

/// Lists all versions of a secret, and its newest events.
#[utoipa::path(
    get,
    path = "/secrets/{secret}/history",
    tag = "secrets",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 200, body = SecretHistory), (status = "default", body = Problem)),
)]
async fn history(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
) -> Answer<Json<SecretHistory>> {
    Ok(Json(secret_read::history(&api.engine, &asker.actor, name.as_str()).await?))
}

/// Brings a deleted secret back, or one deleted version of it.
#[utoipa::path(
    post,
    path = "/secrets/{secret}/undelete",
    tag = "secrets",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = UndeleteSecret,
    responses((status = 204, description = "It is back."), (status = "default", body = Problem)),
)]
async fn undelete(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(request): JsonBody<UndeleteSecret>,
) -> Answer<StatusCode> {
    secret_life::undelete(&api.engine, &asker.actor, name.as_str(), request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Destroys the value of one version, or a whole secret, for good.
#[utoipa::path(
    post,
    path = "/secrets/{secret}/destroy",
    tag = "secrets",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = DestroySecret,
    responses((status = 204, description = "It is gone."), (status = "default", body = Problem)),
)]
async fn destroy(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(request): JsonBody<DestroySecret>,
) -> Answer<StatusCode> {
    secret_life::destroy(&api.engine, &asker.actor, name.as_str(), request).await?;
    Ok(StatusCode::NO_CONTENT)
}
