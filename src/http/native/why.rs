//! What several endpoints share: the reason of a deletion, and the status of a put.

use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

/// Why something is asked for, where there is no body to say it.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Why {
    /// Why.
    pub(super) reason: String,
}

/// 201 for what is new, 200 for what was there.
pub(super) fn made(is_new: bool) -> StatusCode {
    if is_new { StatusCode::CREATED } else { StatusCode::OK }
}
