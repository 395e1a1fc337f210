//! Bodies: at most 2 MiB, read within a time, never decompressed, and never repeated in an error.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use serde::de::DeserializeOwned;

use super::{Problem, json_shape};

/// The largest body.
pub(super) const MAX_BYTES: usize = 2 << 20;
/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads a whole body within its bounds.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let encoding = headers.get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let detail = "a compressed body is not read";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "body-compressed", detail, "send it as it is"));
    }
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BYTES as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(PATIENCE, axum::body::to_bytes(body, MAX_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => {
            let hint = "send it again over a faster connection";
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body-slow", "the body did not arrive in 30 s", hint))
        }
    }
}

fn too_large() -> Problem {
    let detail = format!("the body was cut off, or is larger than {MAX_BYTES} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail, "send a smaller body")
}

/// A JSON body, read into a type with `deny_unknown_fields`.
#[derive(Debug, Clone, Copy)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        check_type(&parts.headers)?;
        let bytes = read(&parts.headers, body).await?;
        parse(&bytes).map(Self)
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "the body must be JSON";
    let hint = "send `Content-Type: application/json`";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "body-not-json", detail, hint))
}

/// Reads JSON into a type. Errors name the place and what is expected, never what was found: a value may be secret.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let hint = "see `/api/v1/openapi.json` for the fields";
    json_shape::check(bytes)
        .map_err(|because| Problem::invalid("body-refused", format!("the body is refused: {because}"), hint))?;
    serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        Problem::invalid("body-refused", format!("the body is refused at {place}: {}", without_values(&error)), hint)
    })
}

fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    if text.starts_with("missing field ") || text.starts_with("duplicate field ") {
        return text.to_owned();
    }
    let what = if text.starts_with("unknown field ") { "an unknown field" } else { "a wrong value" };
    match text.rfind(", expected ") {
        Some(at) => format!("{what}{}", &text[at..]),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Taken {
        n: u8,
        #[serde(default)]
        name: Option<crate::model::Name>,
    }

    #[test]
    fn errors_tell_what_is_expected_and_never_what_was_found() {
        for (body, told) in [
            (r#"{"n":"canary"}"#, "expected u8"),
            (r#"{"n":1,"canary":1}"#, "expected `n` or `name`"),
            (r#"{"n":1,"name":"canary//"}"#, "a wrong value"),
            ("{}", "missing field `n`"),
            ("canary", "not JSON"),
            ("[\"canary\"]", "a wrong value"),
        ] {
            let problem = parse::<Taken>(body.as_bytes()).expect_err("refused");
            assert!(problem.detail.contains(told), "{}", problem.detail);
            assert!(!problem.detail.contains("canary"), "{}", problem.detail);
        }
        let taken = parse::<Taken>(br#"{"n":1}"#).expect("taken");
        assert!(taken.n == 1 && taken.name.is_none());
    }

    #[tokio::test]
    async fn a_body_has_bounds() {
        let read_of = |length: usize| async move { read(&HeaderMap::new(), Body::from(vec![b' '; length])).await };
        assert!(read_of(MAX_BYTES).await.is_ok());
        assert_eq!(read_of(MAX_BYTES + 1).await.map_err(|problem| problem.status), Err(413));
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, "gzip".parse().expect("a header"));
        assert_eq!(read(&headers, Body::empty()).await.map_err(|problem| problem.status), Err(415));
    }
}
