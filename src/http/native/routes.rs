//! All endpoints of the native API.

use utoipa_axum::router::OpenApiRouter;

use super::{backup, events, keys, status};
use crate::http::ApiState;

/// The endpoints, relative to `/api/v1`.
pub(in crate::http) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().merge(backup::routes()).merge(events::routes()).merge(keys::routes()).merge(status::routes())
}
