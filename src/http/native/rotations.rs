//! `/rotate`, `/rotations`, `/occurrences`: asking for rotations, watching and steering them.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::ops::{
        occurrences::{self, OccurrenceProgress},
        resolve::{self, ResolveRotation, Resolved},
        rotate::{self, DryRun, RequestRotation, RotationsRequested},
        rotations::{self, Granted, ListRotations, RotationView, Wish},
        views::{OccurrenceView, RotationLine},
    },
    http::{ApiState, Asker, Id, JsonBody, Page, PageQuery, Problem, Query, SecretName, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(request))
        .routes(routes!(dry_run))
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(retry))
        .routes(routes!(rollback))
        .routes(routes!(resolve_stuck))
        .routes(routes!(list_occurrences))
        .routes(routes!(show_occurrence))
}

/// Asks for rotations: an occurrence for each secret.
#[utoipa::path(
    post,
    path = "/rotate",
    tag = "rotations",
    request_body = RequestRotation,
    responses((status = 202, body = RotationsRequested), (status = "default", body = Problem)),
)]
async fn request(
    State(api): State<ApiState>,
    asker: Asker,
    JsonBody(request): JsonBody<RequestRotation>,
) -> Answer<(StatusCode, Json<RotationsRequested>)> {
    Ok((StatusCode::ACCEPTED, Json(rotate::request(&api.engine, &asker.actor, request).await?)))
}

/// Finds out what a rotation would do now. Writes nothing, here and at the target.
#[utoipa::path(
    get,
    path = "/secrets/{secret}/preflight",
    tag = "rotations",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 200, body = DryRun), (status = "default", body = Problem)),
)]
async fn dry_run(State(api): State<ApiState>, asker: Asker, SecretName(name): SecretName) -> Answer<Json<DryRun>> {
    Ok(Json(rotate::dry_run(&api.engine, &asker.actor, name.as_str()).await?))
}

/// Lists rotations, newest first.
#[utoipa::path(
    get,
    path = "/rotations",
    tag = "rotations",
    params(ListRotations),
    responses((status = 200, body = Page<RotationLine>), (status = "default", body = Problem)),
)]
async fn list(
    State(api): State<ApiState>,
    asker: Asker,
    Query(query): Query<ListRotations>,
) -> Answer<Json<Page<RotationLine>>> {
    let limit = PageQuery { after: None, limit: query.limit.or(Some(50)) }.limit()?;
    let query = ListRotations { limit: Some(limit), ..query };
    let items = rotations::list(&api.engine, &asker.actor, &query).await?;
    let page = Page::of(items, limit, |line: &RotationLine| line.id.clone());
    // Open ones are few and come whole.
    Ok(Json(if query.open { Page { next: None, ..page } } else { page }))
}

/// Shows a rotation: where it stands, its candidates, its journal.
#[utoipa::path(
    get,
    path = "/rotations/{rotation}",
    tag = "rotations",
    params(("rotation" = String, Path, description = "Its id.")),
    responses((status = 200, body = RotationView), (status = "default", body = Problem)),
)]
async fn show(State(api): State<ApiState>, asker: Asker, Id(id): Id) -> Answer<Json<RotationView>> {
    Ok(Json(rotations::show(&api.engine, &asker.actor, &id).await?))
}

/// Looks again now.
#[utoipa::path(
    post,
    path = "/rotations/{rotation}/retry",
    tag = "rotations",
    params(("rotation" = String, Path, description = "Its id.")),
    request_body = Wish,
    responses((status = 202, body = Granted), (status = "default", body = Problem)),
)]
async fn retry(
    State(api): State<ApiState>,
    asker: Asker,
    Id(id): Id,
    JsonBody(wish): JsonBody<Wish>,
) -> Answer<(StatusCode, Json<Granted>)> {
    Ok((StatusCode::ACCEPTED, Json(rotations::retry(&api.engine, &asker.actor, &id, wish).await?)))
}

/// Goes back: unwinds a running rotation, or begins one whose candidate is the value before.
#[utoipa::path(
    post,
    path = "/rotations/{rotation}/rollback",
    tag = "rotations",
    params(("rotation" = String, Path, description = "Its id.")),
    request_body = Wish,
    responses((status = 202, body = Granted), (status = "default", body = Problem)),
)]
async fn rollback(
    State(api): State<ApiState>,
    asker: Asker,
    Id(id): Id,
    JsonBody(wish): JsonBody<Wish>,
) -> Answer<(StatusCode, Json<Granted>)> {
    Ok((StatusCode::ACCEPTED, Json(rotations::rollback(&api.engine, &asker.actor, &id, wish).await?)))
}

/// Decides a stuck rotation.
#[utoipa::path(
    post,
    path = "/rotations/{rotation}/resolve",
    tag = "rotations",
    params(("rotation" = String, Path, description = "Its id.")),
    request_body = ResolveRotation,
    responses((status = 200, body = Resolved), (status = "default", body = Problem)),
)]
async fn resolve_stuck(
    State(api): State<ApiState>,
    asker: Asker,
    Id(id): Id,
    JsonBody(request): JsonBody<ResolveRotation>,
) -> Answer<Json<Resolved>> {
    Ok(Json(resolve::resolve(&api.engine, &asker.actor, &id, request).await?))
}

/// Whose occurrences are asked for.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Whose {
    /// The secret's name.
    secret: String,
    /// How many at most, 1 to 1,000; 100 if not given.
    #[serde(default)]
    limit: Option<i64>,
}

/// Lists the newest occurrences of a secret, newest first.
#[utoipa::path(
    get,
    path = "/occurrences",
    tag = "rotations",
    params(Whose),
    responses((status = 200, body = Page<OccurrenceView>), (status = "default", body = Problem)),
)]
async fn list_occurrences(
    State(api): State<ApiState>,
    asker: Asker,
    Query(whose): Query<Whose>,
) -> Answer<Json<Page<OccurrenceView>>> {
    let limit = PageQuery { after: None, limit: whose.limit }.limit()?;
    let items = occurrences::list(&api.engine, &asker.actor, &whose.secret, limit).await?;
    Ok(Json(Page { items, next: None }))
}

/// Shows how far an occurrence is.
#[utoipa::path(
    get,
    path = "/occurrences/{occurrence}",
    tag = "rotations",
    params(("occurrence" = String, Path, description = "Its id.")),
    responses((status = 200, body = OccurrenceProgress), (status = "default", body = Problem)),
)]
async fn show_occurrence(State(api): State<ApiState>, asker: Asker, Id(id): Id) -> Answer<Json<OccurrenceProgress>> {
    Ok(Json(occurrences::show(&api.engine, &asker.actor, &id).await?))
}
