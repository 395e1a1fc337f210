//! The trait that every rotator implements.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    Applied, Cx, Declaration, Failure, Material, Observation, Preflight, Prepared, Settled, Target, Verdict, Work,
};

/// A plugin that rotates one kind of credential. The crate's root tells the contract; each method says what it
/// may do outside.
#[async_trait]
pub trait Rotator: Send + Sync {
    /// The kind of credential, in kebab-case; what configuration and commands call it.
    fn kind(&self) -> &'static str;

    /// Declares what holds for the given settings of a target and of a secret. Pure; refuses settings that cannot
    /// be right with [`Decision::Misconfigured`](crate::Decision::Misconfigured).
    fn declare(&self, target: &Value, secret: &Value) -> Result<Declaration, Failure>;

    /// The part of a target's settings that tells where credentials are sent: address and TLS. A change of it needs
    /// the admin credential again.
    fn address(&self, target: &Value) -> Result<Value, Failure>;

    /// Tells who a given value is at the target (a role, a key id), not secret. Pure.
    fn identity(&self, secret: &Value, material: &Material) -> Result<String, Failure>;

    /// When a value ends by itself, where its kind has an end, such as a certificate's. Pure.
    fn expires_at(&self, _secret: &Value, _material: &Material) -> Option<DateTime<Utc>> {
        None
    }

    /// How long one `apply`, `verify` or `revert` may take, where that is more than the daemon's usual step. Pure.
    fn patience(&self, _target: &Value, _secret: &Value) -> Option<Duration> {
        None
    }

    /// When a value should be replaced by the word of who issued it, such as the window that a public authority names;
    /// none where nobody says. Asked from time to time, and harmless to miss.
    async fn due_at(
        &self,
        _cx: &Cx<'_>,
        _target: &Target,
        _work: &Work,
        _credential: &Material,
    ) -> Result<Option<DateTime<Utc>>, Failure> {
        Ok(None)
    }

    /// Looks, without any effect outside: reachable, permitted, what exactly would change, what stands in the way,
    /// and the negative control (a random credential over the same path must be refused).
    async fn preflight(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Preflight, Failure>;

    /// Makes the candidate, without any effect outside.
    async fn prepare(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Prepared, Failure>;

    /// Makes the target accept the candidate. Where the target has sessions, the one that is used is marked with
    /// the rotation's id and bounded by the deadline before the change is sent.
    ///
    /// Where the target issues the credential, `candidate` has no fields until an answer of `apply` was received;
    /// a repeat then ends what an unanswered attempt of the same rotation made, or says that it cannot. `revert`
    /// finds it by the rotation's id.
    async fn apply(&self, cx: &Cx<'_>, target: &Target, work: &Work, candidate: &Material) -> Result<Applied, Failure>;

    /// Really uses the candidate over fresh connections at every endpoint, without lasting effect.
    async fn verify(&self, cx: &Cx<'_>, target: &Target, work: &Work, candidate: &Material)
    -> Result<Verdict, Failure>;

    /// Tells, for each endpoint, whether a credential is accepted. Silence is an answer
    /// ([`Seen::Unreachable`](crate::Seen::Unreachable)), not a failure.
    async fn probe(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        credential: &Material,
    ) -> Result<Vec<Observation>, Failure>;

    /// Makes sure that no earlier attempt of this rotation can still act at the target: ends what carries the
    /// rotation's id and waits until it is gone. Changes no credential.
    async fn settle(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Settled, Failure>;

    /// Restores what was before `apply`; harmless if `apply` never happened, or twice. Without a version before, only
    /// a rotator whose credentials are valid independently of each other ([`Overlap::Certificate`](crate::Overlap)) is
    /// asked: it takes away what `apply` brought.
    async fn revert(&self, cx: &Cx<'_>, target: &Target, work: &Work, candidate: &Material) -> Result<(), Failure>;

    /// Makes the target refuse an old credential, found by its identity and never by its age. `old` is its value,
    /// `live` the one now in use, which must stay accepted.
    async fn retire(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        old: &Material,
        live: &Material,
    ) -> Result<(), Failure>;
}
