//! `GET /status`.

use axum::{Json, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::ops::status::{self, Status},
    http::{ApiState, Asker, Problem, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Tells how the daemon and its store are.
#[utoipa::path(
    get,
    path = "/status",
    tag = "daemon",
    responses((status = 200, body = Status), (status = "default", body = Problem)),
)]
async fn show(State(api): State<ApiState>, _asker: Asker) -> Answer<Json<Status>> {
    Ok(Json(status::show(&api.engine).await?))
}
