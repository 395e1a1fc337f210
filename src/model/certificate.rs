//! A certificate that was issued here, or installed from elsewhere. The value that goes with it is a version.

use chrono::{DateTime, Utc};

use super::{Actor, CertificateId, SecretId, TenantId, VersionId};

/// A certificate's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its id, never reused.
    pub id: CertificateId,
    /// Its tenant.
    pub tenant: TenantId,
    /// The identifier of the key that signed it, in lower-case hexadecimal.
    pub issuer: String,
    /// Its serial number, in lower-case hexadecimal.
    pub serial: String,
    /// The name of the authority that was asked.
    pub authority: String,
    /// The secret that it serves; none where it was handed to who asked.
    pub secret: Option<SecretId>,
    /// The version that holds it and its key.
    pub version: Option<VersionId>,
    /// The names that it is for.
    pub names: Vec<String>,
    /// What it may be used for: `server`, `client`, `server-and-client`, `authority`.
    pub profile: String,
    /// When its life begins.
    pub not_before: DateTime<Utc>,
    /// When its life ends.
    pub not_after: DateTime<Utc>,
    /// The certificate itself, as PEM.
    pub pem: String,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Why, by RFC 5280's names: `key-compromise`, `superseded`.
    pub revoked_because: String,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
    /// Who asked for it.
    pub created_by: Actor,
    /// Grows by one with each change.
    pub revision: i64,
}
