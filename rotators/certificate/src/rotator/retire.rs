//! Taking an old version away, and its trust where that is asked for.

use keywheel_contract::{Failure, Material};

use super::{
    apply::Change,
    failures::of_host,
    held::Shown,
    job::{admin, obtainer},
};

impl Change<'_> {
    /// Removes the old version's folder. Where `revoke_old` is set and a public authority issued it, has it revoked; what
    /// a private authority issued is revoked by who keeps its list.
    pub(super) async fn retire(&self, old: &Material, live: &Material) -> Result<(), Failure> {
        let Some(shown) = Shown::find("secret.old", old)? else { return Ok(()) };
        if shown.serial() == Shown::read("secret.live", live)?.serial() {
            let sentence = "the old version and the one in use are the same";
            return Err(Failure::refused("certificate-in-use", sentence, "nothing to do: it stays in use"));
        }
        if let Some(installer) = &self.job.installer {
            installer.remove(&shown.version()?).await.map_err(|error| of_host(&error))?;
        }
        match &self.job.target.acme {
            Some(acme) if self.job.secret.is_old_revoked && shown.not_after() >= self.cx.now => {
                obtainer(self.host)?.revoke(self.cx, admin(self.target)?, acme, old).await
            }
            _ => Ok(()),
        }
    }
}
