//! `/certificates`: certificates that renew themselves. `/issued`: every certificate that is recorded.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::ops::{
        adopt::Adopted,
        pki::{
            certificates::{self, KeepCertificate},
            crl::{self, RevokeCertificate},
            view::{CertificateView, ManagedCertificate},
        },
    },
    http::{ApiState, Asker, Id, JsonBody, Page, Problem, Query, SecretName, problem::Answer},
};

/// A certificate that renews itself, and what its current version is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CertificateShown {
    /// What is known of it.
    #[serde(flatten)]
    pub managed: ManagedCertificate,
    /// The current version's certificate.
    pub current: Option<CertificateView>,
}

/// Which recorded certificates to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct IssuedQuery {
    /// The authority that was asked; all of them if it is empty.
    pub authority: String,
    /// A cursor: the last id of the page before.
    pub before: String,
    /// How many at most, 1 to 1,000; 100 if it is not given.
    pub limit: Option<i64>,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, keep))
        .routes(routes!(list_issued))
        .routes(routes!(revoke))
}

/// Lists the certificates that renew themselves, by name.
#[utoipa::path(
    get,
    path = "/certificates",
    tag = "certificates",
    responses((status = 200, body = Page<ManagedCertificate>), (status = "default", body = Problem)),
)]
async fn list(State(api): State<ApiState>, asker: Asker) -> Answer<Json<Page<ManagedCertificate>>> {
    Ok(Json(Page { items: certificates::list(&api.engine, &asker.actor).await?, next: None }))
}

/// Shows a certificate that renews itself.
#[utoipa::path(
    get,
    path = "/certificates/{certificate}",
    tag = "certificates",
    params(("certificate" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 200, body = CertificateShown), (status = "default", body = Problem)),
)]
async fn show(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
) -> Answer<Json<CertificateShown>> {
    let (managed, current) = certificates::show(&api.engine, &asker.actor, name.as_str()).await?;
    Ok(Json(CertificateShown { managed, current }))
}

/// Keeps a certificate alive from now on: the first is issued, installed and proven at once.
#[utoipa::path(
    post,
    path = "/certificates/{certificate}",
    tag = "certificates",
    params(("certificate" = String, Path, description = "Its name, one percent-encoded segment.")),
    request_body = KeepCertificate,
    responses((status = 202, body = Adopted), (status = "default", body = Problem)),
)]
async fn keep(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    JsonBody(request): JsonBody<KeepCertificate>,
) -> Answer<(StatusCode, Json<Adopted>)> {
    let kept = certificates::keep(&api.engine, &asker.actor, name.as_str(), request).await?;
    Ok((StatusCode::ACCEPTED, Json(kept)))
}

/// Lists every certificate that is recorded, the newest first.
#[utoipa::path(
    get,
    path = "/issued",
    tag = "certificates",
    params(IssuedQuery),
    responses((status = 200, body = Page<CertificateView>), (status = "default", body = Problem)),
)]
async fn list_issued(
    State(api): State<ApiState>,
    _asker: Asker,
    Query(query): Query<IssuedQuery>,
) -> Answer<Json<Page<CertificateView>>> {
    let items = certificates::issued(&api.engine, &query.authority, &query.before, query.limit).await?;
    let is_full = i64::try_from(items.len()).is_ok_and(|count| count == query.limit.unwrap_or(100).clamp(1, 1_000));
    let next = items.last().filter(|_| is_full).map(|last| last.id.clone());
    Ok(Json(Page { items, next }))
}

/// Revokes a certificate by its serial number, and signs the list of its authority anew.
#[utoipa::path(
    post,
    path = "/issued/{serial}/revoke",
    tag = "certificates",
    params(("serial" = String, Path, description = "Its serial number in hexadecimal.")),
    request_body = RevokeCertificate,
    responses((status = 200, body = CertificateView), (status = "default", body = Problem)),
)]
async fn revoke(
    State(api): State<ApiState>,
    asker: Asker,
    Id(serial): Id,
    JsonBody(request): JsonBody<RevokeCertificate>,
) -> Answer<Json<CertificateView>> {
    Ok(Json(crl::revoke(&api.engine, &asker.actor, &serial, request).await?))
}
