//! `/authorities`: certificate authorities that this store keeps, what they sign, and what they revoked.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::ops::pki::{
        authorities::{self, AuthorityView, CreateAuthority},
        crl::{self, CrlView},
        issue::{self, CertificateIssued, IssueCertificate},
        rollover::{self, RolloverView, RotateAuthority},
    },
    http::{ApiState, Asker, JsonBody, Page, Problem, SecretName, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, create))
        .routes(routes!(show_list, sign_list))
        .routes(routes!(issue_one))
        .routes(routes!(rotate))
        .routes(routes!(switch))
}

/// Lists the authorities by name.
#[utoipa::path(
    get,
    path = "/authorities",
    tag = "certificates",
    responses((status = 200, body = Page<AuthorityView>), (status = "default", body = Problem)),
)]
async fn list(State(api): State<ApiState>, asker: Asker) -> Answer<Json<Page<AuthorityView>>> {
    Ok(Json(Page { items: authorities::list(&api.engine, &asker.actor).await?, next: None }))
}

/// Shows an authority; its key is never answered.
#[utoipa::path(
    get,
    path = "/authorities/{authority}",
    tag = "certificates",
    params(("authority" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 200, body = AuthorityView), (status = "default", body = Problem)),
)]
async fn show(State(api): State<ApiState>, asker: Asker, SecretName(name): SecretName) -> Answer<Json<AuthorityView>> {
    Ok(Json(authorities::show(&api.engine, &asker.actor, name.as_str()).await?))
}

/// Makes an authority, or brings one along that was made elsewhere.
#[utoipa::path(
    post,
    path = "/authorities/{authority}",
    tag = "certificates",
    params(("authority" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = CreateAuthority,
    responses((status = 201, body = AuthorityView), (status = "default", body = Problem)),
)]
async fn create(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(request): JsonBody<CreateAuthority>,
) -> Answer<(StatusCode, Json<AuthorityView>)> {
    let made = authorities::create(&api.engine, &asker.actor, name.as_str(), request).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Shows the revocation list of an authority; it is signed now where there is none yet.
#[utoipa::path(
    get,
    path = "/authorities/{authority}/crl",
    tag = "certificates",
    params(("authority" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 200, body = CrlView), (status = "default", body = Problem)),
)]
async fn show_list(State(api): State<ApiState>, asker: Asker, SecretName(name): SecretName) -> Answer<Json<CrlView>> {
    Ok(Json(crl::show(&api.engine, &asker.actor, name.as_str()).await?))
}

/// Signs the revocation list of an authority anew.
#[utoipa::path(
    post,
    path = "/authorities/{authority}/crl",
    tag = "certificates",
    params(("authority" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 200, body = CrlView), (status = "default", body = Problem)),
)]
async fn sign_list(State(api): State<ApiState>, asker: Asker, SecretName(name): SecretName) -> Answer<Json<CrlView>> {
    Ok(Json(crl::sign(&api.engine, &asker.actor, name.as_str()).await?))
}

/// Issues a certificate, with a key made here or by a signing request. Nothing renews it.
#[utoipa::path(
    post,
    path = "/authorities/{authority}/certificates",
    tag = "certificates",
    params(("authority" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = IssueCertificate,
    responses((status = 201, body = CertificateIssued), (status = "default", body = Problem)),
)]
async fn issue_one(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(request): JsonBody<IssueCertificate>,
) -> Answer<(StatusCode, Json<CertificateIssued>)> {
    let issued = issue::issue(&api.engine, &asker.actor, name.as_str(), request).await?;
    Ok((StatusCode::CREATED, Json(issued)))
}

/// Begins the rollover of an authority: its successor's anchor is published, and signs later.
#[utoipa::path(
    post,
    path = "/authorities/{authority}/rotate",
    tag = "certificates",
    params(("authority" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = RotateAuthority,
    responses((status = 202, body = RolloverView), (status = "default", body = Problem)),
)]
async fn rotate(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(request): JsonBody<RotateAuthority>,
) -> Answer<(StatusCode, Json<RolloverView>)> {
    let begun = rollover::begin(&api.engine, &asker.actor, name.as_str(), request).await?;
    Ok((StatusCode::ACCEPTED, Json(begun)))
}

/// Has the successor sign from now on, whoever has not learned of it yet.
#[utoipa::path(
    post,
    path = "/authorities/{authority}/switch",
    tag = "certificates",
    params(("authority" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 204, description = "It signs."), (status = "default", body = Problem)),
)]
async fn switch(State(api): State<ApiState>, asker: Asker, SecretName(name): SecretName) -> Answer<StatusCode> {
    rollover::switch_now(&api.engine, &asker.actor, name.as_str()).await?;
    Ok(StatusCode::NO_CONTENT)
}
