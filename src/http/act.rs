//! What a request asks for, in the words of access rules. A route that does not stand here is nothing for a token.

use axum::{
    extract::MatchedPath,
    http::{Method, request::Parts},
};

use super::{Problem, path};
use crate::access::Act;

/// The act of a request that was routed. Errors: a name that cannot be read.
pub(super) fn act_of(parts: &Parts) -> Result<Act, Problem> {
    let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    if parts.method != Method::GET {
        return Ok(Act::Other);
    }
    Ok(match route {
        "/api/v1/secrets" => Act::ListSecrets,
        "/api/v1/secrets/{secret}" => Act::ReadAbout(path::name(parts)?),
        "/api/v1/secrets/{secret}/value" => Act::ReadValue(path::name(parts)?),
        _ => Act::Other,
    })
}
