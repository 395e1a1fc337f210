//! Rejected nonces: the authority did nothing, and the same request is made again with a fresh one.
//!
//! instant-acme tries three times for itself; with a server that rejects one in five that still fails once in 125
//! requests.

use instant_acme::Error;

use super::error::refusal_of;

const BAD_NONCE: &str = "urn:ietf:params:acme:error:badNonce";
pub(super) const ROUNDS: usize = 4;

/// Whether the authority did nothing, because it did not take the nonce.
pub(super) fn is_rejected<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(error) if refusal_of(error).is_some_and(|(_, kind)| kind == Some(BAD_NONCE)))
}

/// Makes a request again as long as its nonce is rejected, a few times. The request is an expression that is a future:
/// one that a closure made could not cross threads.
macro_rules! insist {
    ($request:expr) => {{
        let mut answer = $request.await;
        for _ in 1..$crate::acme::nonce::ROUNDS {
            if !$crate::acme::nonce::is_rejected(&answer) {
                break;
            }
            answer = $request.await;
        }
        answer
    }};
}
pub(super) use insist;
