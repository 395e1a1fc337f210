//! What the rotator asks of public authorities; the module `acme` answers.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use keywheel_contract::{Cx, Failure, Material};
use serde_json::Value;

use crate::x509::{Profile, SubjectName};

/// A certificate that is wanted from a public authority.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The value of the target's admin: `accounts`, in order of preference.
    pub accounts: &'a Material,
    /// The target's `acme`, which [`Obtain::check`] has accepted.
    pub acme: &'a Value,
    /// What the certificate must speak for.
    pub names: &'a [SubjectName],
    /// The common name, where one is wanted.
    pub common_name: Option<&'a str>,
    /// What it is for.
    pub profile: Profile,
    /// The version in use, which the new one comes in place of.
    pub current: Option<&'a Material>,
}

/// Obtains certificates from public authorities.
#[async_trait]
pub trait Obtain: Send + Sync {
    /// Checks the target's `acme`, and whether the names can be had that way; without names, the settings alone. Pure.
    fn check(&self, acme: &Value, names: &[SubjectName]) -> Result<(), Failure>;

    /// How long an order may take, beyond what the rotator needs itself.
    fn patience(&self) -> Duration {
        Duration::from_mins(5)
    }

    /// Orders a certificate for the candidate's `private_key`, or goes on with the order that the candidate's
    /// `order_url` and `directory` name, and answers with the complete value: `private_key`, `certificate`, `chain`,
    /// `ca`, `serial`, `not_before`, `not_after`.
    ///
    /// Keeps the order's address by `cx.checkpoint`, under the identity [`NOT_ISSUED`], before anything is issued. The
    /// complete value is kept by the caller. After a lost answer to finalize it fails with
    /// [`Decision::Unknown`](keywheel_contract::Decision::Unknown), and a repeat asks the same order.
    async fn obtain(&self, cx: &Cx<'_>, wish: &Wish<'_>, candidate: &Material) -> Result<Material, Failure>;

    /// When the authority that issued a value wants it renewed (RFC 9773); none where it does not say.
    async fn due_at(&self, _cx: &Cx<'_>, _accounts: &Material, _value: &Material) -> Option<DateTime<Utc>> {
        None
    }

    /// Revokes a certificate that came from one of the accounts' authorities. Harmless if it is revoked already, or
    /// has expired.
    async fn revoke(&self, cx: &Cx<'_>, accounts: &Material, acme: &Value, old: &Material) -> Result<(), Failure>;
}

/// The identity of a candidate whose certificate has not been issued yet.
pub const NOT_ISSUED: &str = "not-issued";
