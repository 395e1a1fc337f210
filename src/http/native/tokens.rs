//! `/tokens`: what applications read secrets with.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Why;
use crate::{
    engine::ops::access::tokens::{self, CreateToken, TokenMade, TokenView},
    http::{ApiState, Asker, Id, JsonBody, Page, PageQuery, Problem, Query, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, revoke))
}

/// Lists the tokens in the order of their making, without their texts.
#[utoipa::path(
    get,
    path = "/tokens",
    tag = "tokens",
    params(PageQuery),
    responses((status = 200, body = Page<TokenView>), (status = "default", body = Problem)),
)]
async fn list(
    State(api): State<ApiState>,
    asker: Asker,
    Query(page): Query<PageQuery>,
) -> Answer<Json<Page<TokenView>>> {
    let limit = page.limit()?;
    let found = tokens::list(&api.engine, &asker.actor, page.after(), limit).await?;
    Ok(Json(Page::of(found, limit, |token| token.id.clone())))
}

/// Makes a token. Its text is in this answer and nowhere else; an `Idempotency-Key` is refused.
#[utoipa::path(
    post,
    path = "/tokens",
    tag = "tokens",
    request_body = CreateToken,
    responses((status = 201, body = TokenMade), (status = "default", body = Problem)),
)]
async fn create(
    State(api): State<ApiState>,
    asker: Asker,
    JsonBody(request): JsonBody<CreateToken>,
) -> Answer<(StatusCode, Json<TokenMade>)> {
    Ok((StatusCode::CREATED, Json(tokens::create(&api.engine, &asker.actor, request).await?)))
}

/// Shows a token without its text.
#[utoipa::path(
    get,
    path = "/tokens/{token}",
    tag = "tokens",
    params(("token" = String, Path, description = "Its id.")),
    responses((status = 200, body = TokenView), (status = "default", body = Problem)),
)]
async fn show(State(api): State<ApiState>, asker: Asker, Id(id): Id) -> Answer<Json<TokenView>> {
    Ok(Json(tokens::show(&api.engine, &asker.actor, &id).await?))
}

/// Revokes a token for good, from the next request on.
#[utoipa::path(
    delete,
    path = "/tokens/{token}",
    tag = "tokens",
    params(("token" = String, Path, description = "Its id."), Why),
    responses((status = 200, body = TokenView), (status = "default", body = Problem)),
)]
async fn revoke(
    State(api): State<ApiState>,
    asker: Asker,
    Id(id): Id,
    Query(why): Query<Why>,
) -> Answer<Json<TokenView>> {
    Ok(Json(tokens::revoke(&api.engine, &asker.actor, &id, why.reason).await?))
}
