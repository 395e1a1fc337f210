//! `/secrets/{secret}/deliveries`: where copies are written after a publish.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::ops::{
        deliveries::{self, DeleteDelivery, PutDelivery},
        views::DeliveryView,
    },
    http::{ApiState, Asker, Id, JsonBody, Page, Problem, Query, SecretName, problem::Answer},
};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, delete))
}

/// How a delivery is taken away.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct Away {
    /// Codes of findings that are knowingly accepted, joined by commas.
    acknowledge: String,
    /// Why.
    reason: String,
}

/// Lists the deliveries of a secret by name.
#[utoipa::path(
    get,
    path = "/secrets/{secret}/deliveries",
    tag = "deliveries",
    params(("secret" = String, Path, description = "Its name, one percent-encoded segment.")),
    responses((status = 200, body = Page<DeliveryView>), (status = "default", body = Problem)),
)]
async fn list(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
) -> Answer<Json<Page<DeliveryView>>> {
    Ok(Json(Page { items: deliveries::list(&api.engine, &asker.actor, name.as_str()).await?, next: None }))
}

/// Adds a delivery to a secret, or changes the one of that name.
#[utoipa::path(
    put,
    path = "/secrets/{secret}/deliveries/{delivery}",
    tag = "deliveries",
    params(
        ("secret" = String, Path, description = "The secret's name, one percent-encoded segment."),
        ("delivery" = String, Path, description = "The delivery's name."),
    ),
    request_body = PutDelivery,
    responses((status = 200, body = DeliveryView), (status = "default", body = Problem)),
)]
async fn put(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    Id(delivery): Id<1>,
    JsonBody(request): JsonBody<PutDelivery>,
) -> Answer<Json<DeliveryView>> {
    Ok(Json(deliveries::put(&api.engine, &asker.actor, name.as_str(), &delivery, request).await?))
}

/// Takes a delivery away; what it has written stays.
#[utoipa::path(
    delete,
    path = "/secrets/{secret}/deliveries/{delivery}",
    tag = "deliveries",
    params(
        ("secret" = String, Path, description = "The secret's name, one percent-encoded segment."),
        ("delivery" = String, Path, description = "The delivery's name."),
        Away,
    ),
    responses((status = 204, description = "It is gone."), (status = "default", body = Problem)),
)]
async fn delete(
    State(api): State<ApiState>,
    asker: Asker,
    SecretName(name): SecretName,
    Id(delivery): Id<1>,
    Query(away): Query<Away>,
) -> Answer<StatusCode> {
    let codes = away.acknowledge.split(',').filter(|code| !code.is_empty()).map(str::to_owned);
    let request = DeleteDelivery { acknowledge: codes.collect(), reason: away.reason };
    deliveries::delete(&api.engine, &asker.actor, name.as_str(), &delivery, request).await?;
    Ok(StatusCode::NO_CONTENT)
}
