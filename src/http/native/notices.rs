//! `/notices`: what was told, to whom, and how far it is.

use axum::{Json, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::ops::notices::{self, AckNotice, ListNotices, NoticeView},
    http::{ApiState, Asker, Id, JsonBody, Page, PageQuery, Problem, Query, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(acknowledge))
        .routes(routes!(resend))
}

/// Lists notices, newest first. The `next` of a page is the `before` of the following one.
#[utoipa::path(
    get,
    path = "/notices",
    tag = "notices",
    params(ListNotices),
    responses((status = 200, body = Page<NoticeView>), (status = "default", body = Problem)),
)]
async fn list(
    State(api): State<ApiState>,
    asker: Asker,
    Query(query): Query<ListNotices>,
) -> Answer<Json<Page<NoticeView>>> {
    let limit = PageQuery { after: None, limit: query.limit.map(i64::from) }.limit()?;
    let items = notices::list(&api.engine, &asker.actor, &query).await?;
    Ok(Json(Page::of(items, limit, |notice: &NoticeView| notice.id.clone())))
}

/// Shows a notice and each channel's part of it.
#[utoipa::path(
    get,
    path = "/notices/{notice}",
    tag = "notices",
    params(("notice" = String, Path, description = "Its id.")),
    responses((status = 200, body = NoticeView), (status = "default", body = Problem)),
)]
async fn show(State(api): State<ApiState>, asker: Asker, Id(id): Id) -> Answer<Json<NoticeView>> {
    Ok(Json(notices::show(&api.engine, &asker.actor, &id).await?))
}

/// Acknowledges a notice: nobody further is told of it.
#[utoipa::path(
    post,
    path = "/notices/{notice}/ack",
    tag = "notices",
    params(("notice" = String, Path, description = "Its id.")),
    request_body = AckNotice,
    responses((status = 200, body = NoticeView), (status = "default", body = Problem)),
)]
async fn acknowledge(
    State(api): State<ApiState>,
    asker: Asker,
    Id(id): Id,
    JsonBody(request): JsonBody<AckNotice>,
) -> Answer<Json<NoticeView>> {
    Ok(Json(notices::acknowledge(&api.engine, &asker.actor, &id, request).await?))
}

/// Sends a notice again, under the same id, by the channels that gave it up; by all, where none did.
#[utoipa::path(
    post,
    path = "/notices/{notice}/resend",
    tag = "notices",
    params(("notice" = String, Path, description = "Its id.")),
    responses((status = 200, body = NoticeView), (status = "default", body = Problem)),
)]
async fn resend(State(api): State<ApiState>, asker: Asker, Id(id): Id) -> Answer<Json<NoticeView>> {
    Ok(Json(notices::resend(&api.engine, &asker.actor, &id).await?))
}
