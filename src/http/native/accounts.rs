//! `/acme-accounts`: accounts at public authorities.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::ops::pki::accounts::{self, AccountView, AddAccount, AddTsigKey},
    http::{ApiState, Asker, JsonBody, Page, Problem, SecretName, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(add)).routes(routes!(add_tsig_key))
}

/// Lists the accounts in order of preference; their keys are never answered.
#[utoipa::path(
    get,
    path = "/acme-accounts",
    tag = "certificates",
    responses((status = 200, body = Page<AccountView>), (status = "default", body = Problem)),
)]
async fn list(State(api): State<ApiState>, _asker: Asker) -> Answer<Json<Page<AccountView>>> {
    Ok(Json(Page { items: accounts::list(&api.engine, None).await?, next: None }))
}

/// Registers an account and keeps it behind those that the name holds already.
#[utoipa::path(
    post,
    path = "/acme-accounts/{accounts}",
    tag = "certificates",
    params(("accounts" = String, Path, description = "The name of the secret, one percent-encoded segment.")),
    request_body = AddAccount,
    responses((status = 201, body = Page<AccountView>), (status = "default", body = Problem)),
)]
async fn add(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(request): JsonBody<AddAccount>,
) -> Answer<(StatusCode, Json<Page<AccountView>>)> {
    let items = accounts::add(&api.engine, &asker.actor, name.as_str(), request).await?;
    Ok((StatusCode::CREATED, Json(Page { items, next: None })))
}

/// Keeps a key for signed DNS updates beside the accounts.
#[utoipa::path(
    post,
    path = "/acme-accounts/{accounts}/tsig-keys",
    tag = "certificates",
    params(("accounts" = String, Path, description = "The name of the secret, one percent-encoded segment.")),
    request_body = AddTsigKey,
    responses((status = 204, description = "It is kept."), (status = "default", body = Problem)),
)]
async fn add_tsig_key(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(request): JsonBody<AddTsigKey>,
) -> Answer<StatusCode> {
    accounts::add_tsig_key(&api.engine, &asker.actor, name.as_str(), request).await?;
    Ok(StatusCode::NO_CONTENT)
}
