//! `/certificate-scans`: finding certificates that live elsewhere, now and daily.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::ops::pki::scan::{self, KeptScan, ScanCertificates, ScanReport},
    http::{ApiState, Asker, JsonBody, Page, Problem, SecretName, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, run)).routes(routes!(forget))
}

/// Lists the scans that are repeated daily.
#[utoipa::path(
    get,
    path = "/certificate-scans",
    tag = "certificates",
    responses((status = 200, body = Page<KeptScan>), (status = "default", body = Problem)),
)]
async fn list(State(api): State<ApiState>, _asker: Asker) -> Answer<Json<Page<KeptScan>>> {
    Ok(Json(Page { items: scan::list(&api.engine).await?, next: None }))
}

/// Looks for certificates below scan roots and at endpoints, and tracks what is found.
#[utoipa::path(
    post,
    path = "/certificate-scans",
    tag = "certificates",
    request_body = ScanCertificates,
    responses((status = 200, body = ScanReport), (status = "default", body = Problem)),
)]
async fn run(
    State(api): State<ApiState>,
    asker: Asker,
    JsonBody(request): JsonBody<ScanCertificates>,
) -> Answer<Json<ScanReport>> {
    Ok(Json(scan::scan(&api.engine, &asker.actor, request).await?))
}

/// Repeats a scan no more; what it found stays tracked.
#[utoipa::path(
    delete,
    path = "/certificate-scans/{scan}",
    tag = "certificates",
    params(("scan" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 204), (status = "default", body = Problem)),
)]
async fn forget(State(api): State<ApiState>, asker: Asker, SecretName(name): SecretName) -> Answer<StatusCode> {
    scan::forget(&api.engine, &asker.actor, name.as_str()).await?;
    Ok(StatusCode::NO_CONTENT)
}
