//! The admin's credentials of a target, resolved at each use.
//!
//! While the admin's own credential is being rotated, its candidate, current and previous values are tried in that
//! order: evidence at the target decides, not the store's word.

use super::{Engine, Kind, Trouble};
use crate::{
    model::{Material, Name, Stage, Target, Version},
    store::{Tx, secret, version},
};

impl Engine {
    /// The target as a rotator is given it: settings as they are now, and the admin's credentials.
    pub(crate) async fn resolve_target(&self, target: &Target) -> Result<keywheel_contract::Target, Trouble> {
        let mut tx = self.store.read().await?;
        let admins = match &target.admin {
            Some(name) => self.find_admins(&mut tx, target, name).await?,
            None => Vec::new(),
        };
        Ok(keywheel_contract::Target {
            id: target.id.clone(),
            name: target.name.to_string(),
            settings: target.settings.clone(),
            admins,
        })
    }

    async fn find_admins(&self, tx: &mut Tx, target: &Target, name: &Name) -> Result<Vec<Material>, Trouble> {
        let missing = |sentence: String| {
            let hint = format!("`keywheel secret put {name}` with the fields `username` and `password`");
            Trouble::new(Kind::Conflict, "admin-missing", sentence, hint)
        };
        let found = secret::find_by_name(tx, self.keyring(), &target.tenant, name).await?;
        let secret = found
            .filter(|secret| secret.deleted_at.is_none())
            .ok_or_else(|| missing(format!("the admin `{name}` of the target `{}` does not exist", target.name)))?;
        let mut live = version::list_live(tx, self.keyring(), &target.tenant, &secret.id).await?;
        live.retain(|version| version.token.is_some());
        if secret.rotation.is_none() {
            live.retain(|version| version.stage == Stage::Current);
        }
        live.sort_by_key(order_to_try);
        if live.is_empty() {
            return Err(missing(format!("the admin `{name}` of the target `{}` has no value", target.name)));
        }
        live.iter().map(|version| self.open(version)).collect()
    }
}

/// Candidates before the current one before previous ones, newer before older.
fn order_to_try(version: &Version) -> (Stage, std::cmp::Reverse<crate::model::VersionId>) {
    (version.stage, std::cmp::Reverse(version.id.clone()))
}
