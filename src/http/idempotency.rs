//! `Idempotency-Key` on writes: the same key with the same request gets the same answer for a day.
//!
//! The answer is kept after the write. A crash between the two leaves the write without its kept answer, and a
//! repetition is then a new request: what must not happen two times is guarded where it happens. Kept is a keyed
//! digest of the request, never its body. Answers that say "try again" (5xx, 408, 429) are not kept. An answer that
//! holds a secret is never kept: such a route refuses keys.

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{ApiState, Asker, Problem, body, problem::Answer};
use crate::{
    engine::Trouble,
    keyring::MacInput,
    store::{StoreError, idempotency},
};

const HEADER: &str = "idempotency-key";
const MOST: usize = 255;

/// Answers from what was kept, or runs the request and keeps its answer.
pub(super) async fn keep(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    let is_write = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    if !is_write || !request.headers().contains_key(HEADER) {
        return next.run(request).await;
    }
    if answers_a_secret(&request) {
        let detail = "the answer holds a token or a private key, and is not kept for a repetition";
        let hint = "send it without `Idempotency-Key`; revoke what got lost on the way";
        return Problem::invalid("idempotency-key-refused", detail, hint).into_response();
    }
    kept_or_run(&api, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

/// The writes whose answers hold a secret.
const ANSWER_SECRETS: [&str; 2] = ["/api/v1/tokens", "/api/v1/authorities/{authority}/certificates"];

fn answers_a_secret(request: &Request) -> bool {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    *request.method() == Method::POST && ANSWER_SECRETS.contains(&route)
}

async fn kept_or_run(api: &ApiState, request: Request, next: Next) -> Answer<Response> {
    let (parts, body) = request.into_parts();
    let key = key_of(&parts)?;
    let bytes = body::read(&parts.headers, body).await?;
    let Some(_in_flight) = api.begin(&key) else {
        let hint = "wait for its answer, or ask again with the same key";
        return Err(Problem::new(StatusCode::CONFLICT, "idempotency-running", "a request with this key runs", hint));
    };
    let input = digest_input(&parts, &bytes);
    let found = idempotency::find(&mut api.engine.store.read().await?, &key).await?;
    if let Some(kept) = found {
        return answer_again(api, &input, kept);
    }
    let tag = api.engine.keyring().mac(&api.engine.tenant, "idempotency", &input).map_err(Trouble::from)?;
    let digest = STANDARD.encode(tag);
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    keep_answer(api, key, digest, response).await
}

/// The key as it is kept: nobody meets another asker's keys.
fn key_of(parts: &Parts) -> Answer<String> {
    let given = parts.headers.get(HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if given.is_empty() || given.len() > MOST {
        let detail = format!("`Idempotency-Key` must be 1 to {MOST} printable ASCII characters");
        return Err(Problem::invalid("idempotency-key-refused", detail, "send a random UUID"));
    }
    let actor = parts.extensions.get::<Asker>().map_or("", |asker| asker.actor.as_str());
    Ok(format!("{actor}\n{given}"))
}

fn digest_input<'r>(parts: &'r Parts, bytes: &'r [u8]) -> MacInput<'r> {
    let target = parts.uri.path_and_query().map_or("", |path| path.as_str());
    MacInput::new().text("method", parts.method.as_str()).text("target", target).bytes("body", bytes)
}

fn answer_again(api: &ApiState, input: &MacInput<'_>, kept: idempotency::Kept) -> Answer<Response> {
    let tag = STANDARD.decode(&kept.digest).unwrap_or_default();
    if api.engine.keyring().verify_mac(&api.engine.tenant, "idempotency", input, &tag).is_err() {
        let detail = "this `Idempotency-Key` came with another request before";
        return Err(Problem::new(StatusCode::CONFLICT, "idempotency-key-reused", detail, "use a new key"));
    }
    let status = u16::try_from(kept.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    Ok(response_of(status.unwrap_or(StatusCode::OK), kept.body))
}

fn response_of(status: StatusCode, body: String) -> Response {
    let is_problem = status.is_client_error();
    let kind = if is_problem { "application/problem+json" } else { "application/json" };
    let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
    if status == StatusCode::NO_CONTENT {
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    response
}

async fn keep_answer(api: &ApiState, key: String, digest: String, response: Response) -> Answer<Response> {
    let (parts, body) = response.into_parts();
    let asks_again = matches!(parts.status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    let Ok(bytes) = axum::body::to_bytes(body, body::MAX_BYTES).await else {
        let detail = "the answer is too large to be kept";
        return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "answer-too-large", detail, "report this"));
    };
    if !parts.status.is_server_error()
        && !asks_again
        && let Ok(text) = std::str::from_utf8(&bytes)
    {
        let kept = idempotency::Kept { digest, status: i64::from(parts.status.as_u16()), body: text.to_owned() };
        let now = api.engine.now();
        let written: Result<(), StoreError> = api
            .engine
            .write(move |tx| {
                let (key, kept) = (key.clone(), kept.clone());
                Box::pin(async move { idempotency::put(tx, &key, &kept, now).await })
            })
            .await;
        if let Err(error) = written {
            // The write itself is done: its answer is worth more than the note of it.
            tracing::warn!(error = %error, "an answer could not be kept for its idempotency key");
        }
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}
