//! Rejected nonces: the authority did nothing, and the same request is made again with a fresh one.
//!
//! instant-acme tries three times for itself; with a server that rejects one in five that still fails once in 125
//! requests.

use instant_acme::Error;

use super::error::refusal_of;

const BAD_NONCE: &str = "urn:ietf:params:acme:error:badNonce";
const ROUNDS: usize = 4;

/// Makes a request again as long as its nonce is rejected, a few times.
pub(super) async fn insist<T>(mut request: impl AsyncFnMut() -> Result<T, Error>) -> Result<T, Error> {
    let mut answer = request().await;
    for _ in 1..ROUNDS {
        match &answer {
            Err(error) if refusal_of(error).is_some_and(|(_, kind)| kind == Some(BAD_NONCE)) => {
                answer = request().await;
            }
            _ => break,
        }
    }
    answer
}
