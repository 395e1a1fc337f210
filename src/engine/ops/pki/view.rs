//! What answers show of certificates.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    engine::ops::wire::{Moment, moment},
    model::Certificate,
};

/// A certificate that was issued or installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateView {
    /// Its id.
    pub id: String,
    /// Its serial number.
    pub serial: String,
    /// The authority that was asked.
    pub authority: String,
    /// The identifier of the key that signed it.
    pub issuer: String,
    /// The names that it is for.
    pub names: Vec<String>,
    /// What it may be used for.
    pub profile: String,
    /// When its life begins.
    pub not_before: Moment,
    /// When its life ends.
    pub not_after: Moment,
    /// When it was revoked.
    pub revoked_at: Option<Moment>,
    /// Why.
    pub revoked_because: Option<String>,
    /// Who asked for it.
    pub created_by: String,
    /// When it was recorded.
    pub created_at: Moment,
    /// The certificate, as PEM.
    pub certificate: String,
}

impl CertificateView {
    pub(super) fn of(row: &Certificate) -> Self {
        Self {
            id: row.id.to_string(),
            serial: row.serial.clone(),
            authority: row.authority.clone(),
            issuer: row.issuer.clone(),
            names: row.names.clone(),
            profile: row.profile.clone(),
            not_before: row.not_before.into(),
            not_after: row.not_after.into(),
            revoked_at: moment(row.revoked_at),
            revoked_because: row.revoked_at.map(|_| row.revoked_because.clone()),
            created_by: row.created_by.to_string(),
            created_at: row.created_at.into(),
            certificate: row.pem.clone(),
        }
    }
}

/// A certificate that is renewed by itself: a secret, and what its current version holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ManagedCertificate {
    /// The secret's name.
    pub name: String,
    /// The authority, or the accounts, that it comes from.
    pub authority: String,
    /// The names that it is for.
    pub names: Vec<String>,
    /// The number of its current version; none before the first was proven.
    pub version: Option<i64>,
    /// The serial number of its current version.
    pub serial: Option<String>,
    /// When the current version ends.
    pub not_after: Option<Moment>,
    /// When it is renewed.
    pub next_due_at: Option<Moment>,
    /// The rotation that runs.
    pub rotation: Option<String>,
    /// Where it is installed: an install root and a folder below it.
    pub install: Option<String>,
    /// Where it must be seen to be served.
    pub endpoints: Vec<String>,
    /// What needs a person.
    pub alerts: Vec<String>,
}
