//! Rejected nonces: the authority did nothing, and the same request is made again with a fresh one.
//!
//! instant-acme tries three times for itself; with a server that rejects one in five that still fails once in 125
//! requests.

use instant_acme::Error;

use super::error::refusal_of;

const BAD_NONCE: &str = "urn:ietf:params:acme:error:badNonce";
pub(super) const ROUNDS: usize = 4;

/// Makes a request again as long as its nonce is rejected, a few times. No function: the compiler cannot tell yet that
/// a closure which borrows and waits may move between threads.
macro_rules! insist {
    ($request:expr) => {{
        let mut answer = $request;
        for _ in 1..$crate::acme::nonce::ROUNDS {
            if !$crate::acme::nonce::is_rejected(&answer) {
                break;
            }
            answer = $request;
        }
        answer
    }};
}
pub(super) use insist;

pub(super) fn is_rejected<T>(answer: &Result<T, Error>) -> bool {
    let refusal = answer.as_ref().err().and_then(refusal_of);
    refusal.is_some_and(|(_, kind)| kind == Some(BAD_NONCE))
}
