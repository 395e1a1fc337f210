//! Query strings, whose errors are problems.

use axum::{extract::FromRequestParts, http::request::Parts};
use serde::de::DeserializeOwned;

use super::Problem;

/// The query of a request, read into a type with `deny_unknown_fields`.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::from_request_parts(parts, state).await.map(|query| Self(query.0)).map_err(|_| {
            let hint = "see `/api/v1/openapi.json` for the parameters of this path";
            Problem::invalid("query-refused", "the query has an unknown parameter or a wrong value", hint)
        })
    }
}
