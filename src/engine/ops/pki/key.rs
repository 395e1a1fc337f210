//! The keys of authorities: opened where something is signed, kept ready while their version is current, never answered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::pki::x509::{
    Authority, AuthorityError, CertificateError, CrlError, CsrError, IssueError, KeyError, NameError, StoredError,
};

use crate::{
    engine::{Engine, Kind, Trouble, ops::asked::invalid},
    model::{Name, Secret, Version, VersionId},
    store::{Tx, secret, version},
};

/// The type of a secret that holds an authority's key.
pub const AUTHORITY: &str = "authority";
/// The most authorities that are kept ready.
const MOST: usize = 64;

/// Authorities that are ready to sign, by the version that holds their key.
#[derive(Default)]
pub struct Ready(Mutex<HashMap<VersionId, Arc<Authority>>>);

/// An authority as it is now.
pub(super) struct Found {
    pub(super) secret: Secret,
    pub(super) current: Version,
    pub(super) authority: Arc<Authority>,
}

macro_rules! told {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Trouble {
            fn from(error: $error) -> Self {
                invalid(error.code(), error.to_string(), error.hint())
            }
        }
    )*};
}
told!(AuthorityError, CertificateError, CrlError, CsrError, IssueError, KeyError, NameError, StoredError);

impl Engine {
    /// Finds an authority and makes it ready. Errors: `not-found`, `not-an-authority`, `secret-deleted`.
    pub(super) async fn find_authority(&self, tx: &mut Tx, name: &Name) -> Result<Found, Trouble> {
        let found = secret::find_by_name(tx, self.keyring(), &self.tenant, name).await?;
        let secret = found.ok_or_else(|| Trouble::not_found("authority", name.as_str()))?;
        super::super::asked::refuse_deleted(&secret)?;
        if secret.kind != AUTHORITY {
            let sentence = format!("`{name}` is no authority");
            return Err(invalid("not-an-authority", sentence, "`keywheel ca list` shows the authorities"));
        }
        let current = version::find_current(tx, self.keyring(), &self.tenant, &secret.id).await?;
        let current = current.ok_or_else(|| Trouble::not_found("value of the authority", name.as_str()))?;
        let authority = self.make_ready(&current)?;
        Ok(Found { secret, current, authority })
    }

    /// Finds the authority by the key that signed, which may be one before, or one that is yet to sign.
    pub(super) async fn find_signer(&self, tx: &mut Tx, name: &Name, issuer: &str) -> Result<Option<Found>, Trouble> {
        let found = self.find_authority(tx, name).await?;
        if super::authorities::key_of(&found.authority) == issuer {
            return Ok(Some(found));
        }
        for live in version::list_live(tx, self.keyring(), &self.tenant, &found.secret.id).await? {
            let authority = self.make_ready(&live)?;
            if super::authorities::key_of(&authority) == issuer {
                return Ok(Some(Found { secret: found.secret, current: live, authority }));
            }
        }
        Ok(None)
    }

    pub(super) fn make_ready(&self, current: &Version) -> Result<Arc<Authority>, Trouble> {
        if let Some(ready) = self.authorities.0.lock().unwrap_or_else(PoisonError::into_inner).get(&current.id) {
            return Ok(Arc::clone(ready));
        }
        let opened = Authority::from_material(&self.open(current)?).map_err(|error| {
            let sentence = format!("the authority's value cannot be used: {error}");
            Trouble::new(Kind::Internal, "authority-unreadable", sentence, "restore a backup, or import it anew")
        })?;
        let ready = Arc::new(opened);
        let mut kept = self.authorities.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(current.id.clone(), Arc::clone(&ready));
        Ok(ready)
    }
}
