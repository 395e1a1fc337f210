//! All endpoints of the native API.

use utoipa_axum::router::OpenApiRouter;

use super::{
    accounts, adopt, authorities, backup, certificates, channels, deliveries, events, expiring, keys, notices,
    rotations, routing, scans, schedules, secrets, status, targets, tokens, values,
};
use crate::http::ApiState;

/// The endpoints, relative to `/api/v1`.
pub(in crate::http) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(backup::routes())
        .merge(keys::routes())
        .merge(events::routes())
        .merge(status::routes())
        .merge(targets::routes())
        .merge(secrets::routes())
        .merge(values::routes())
        .merge(deliveries::routes())
        .merge(schedules::routes())
        .merge(adopt::routes())
        .merge(rotations::routes())
        .merge(channels::routes())
        .merge(routing::routes())
        .merge(notices::routes())
        .merge(expiring::routes())
        .merge(accounts::routes())
        .merge(authorities::routes())
        .merge(certificates::routes())
        .merge(scans::routes())
        .merge(tokens::routes())
}
