//! Errors as RFC 9457 problems, from the engine's [`Trouble`] or from the surface itself.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use keywheel_contract::Finding;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    engine::{Kind, Trouble},
    store::StoreError,
};

/// What an asker is told instead of what was asked for (`application/problem+json`).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem: `urn:keywheel:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong: a fragment without a full stop.
    pub detail: String,
    /// A stable kebab-case code.
    pub code: String,
    /// The one command, key or page that solves it.
    pub hint: String,
    /// Findings of a preflight that stand in the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub findings: Vec<Finding>,
    /// What lies beneath, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cause: Vec<String>,
}

/// How a handler ends that does not answer what was asked for.
pub(crate) type Answer<T> = Result<T, Problem>;

impl Problem {
    /// Makes a problem of the surface itself.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:keywheel:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.to_owned(),
            hint: hint.into(),
            findings: Vec::new(),
            cause: Vec::new(),
        }
    }

    /// Makes a problem of a request that is wrong in itself (400).
    pub fn invalid(code: &str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail, hint)
    }
}

fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::NeedsAcknowledgement => StatusCode::PRECONDITION_REQUIRED,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Denied => StatusCode::FORBIDDEN,
        Kind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn title_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid => "The request is wrong in itself",
        Kind::NotFound => "What it names does not exist",
        Kind::Conflict => "It does not go together with what exists or runs",
        Kind::NeedsAcknowledgement => "A promise would be given up",
        Kind::Unauthenticated => "Nobody knows who asks",
        Kind::Denied => "The asker may not",
        Kind::Refused => "The target said no",
        Kind::Unavailable => "It cannot be done now",
        Kind::Internal => "A defect or damage",
    }
}

/// The messages beneath an error, outermost first; at most 16.
fn causes(error: &dyn std::error::Error) -> Vec<String> {
    std::iter::successors(error.source(), |cause| cause.source()).take(16).map(ToString::to_string).collect()
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        let cause = causes(&trouble);
        let mut problem = Self::new(status_of(trouble.kind), &trouble.code, trouble.sentence, trouble.hint);
        title_of(trouble.kind).clone_into(&mut problem.title);
        problem.findings = trouble.findings;
        problem.cause = cause;
        problem
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Trouble::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).expect("a problem has text keys");
        let content = HeaderValue::from_static("application/problem+json");
        (status, [(header::CONTENT_TYPE, content)], body).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_keeps_its_code_hint_and_cause() {
        let mut trouble = Trouble::new(Kind::Conflict, "changed-meanwhile", "the secret changed", "read it again");
        trouble.source = Some(Box::from("beneath"));
        let problem = Problem::from(trouble);
        assert_eq!((problem.status, problem.code.as_str()), (409, "changed-meanwhile"));
        assert_eq!(problem.kind, "urn:keywheel:problem:changed-meanwhile");
        assert_eq!(problem.cause, ["beneath"]);
    }

    #[test]
    fn every_kind_of_trouble_has_an_error_status() {
        for kind in [
            Kind::Invalid,
            Kind::NotFound,
            Kind::Conflict,
            Kind::NeedsAcknowledgement,
            Kind::Unauthenticated,
            Kind::Denied,
            Kind::Refused,
            Kind::Unavailable,
            Kind::Internal,
        ] {
            let status = status_of(kind);
            assert!(status.is_client_error() || status.is_server_error(), "{kind:?}");
        }
    }
}
