//! The way back: the link to the version before, the service told, and every endpoint looked at.
//!
//! Where nothing of the candidate was brought, nothing is done. A version that has ended is no way back: the candidate
//! stays, and a person decides.

use keywheel_contract::{Failure, Material};

use super::{
    apply::Change,
    endpoints::Looks,
    failures::{of_hook, of_host, of_switch},
    held::Shown,
};
use crate::host::{Installer, Linked, VersionName};

impl Change<'_> {
    /// Restores what was before `apply`.
    pub(super) async fn revert(&self, candidate: &Material) -> Result<(), Failure> {
        let Some(installer) = &self.job.installer else { return Ok(()) };
        let Some(candidate) = Shown::find("secret.candidate", candidate)? else { return Ok(()) };
        let version = candidate.version()?;
        self.reloads.forget(&self.work.rotation);
        let is_linked = installer.linked().await.map_err(|error| of_host(&error))? == Linked::Version(version.clone());
        let current = match &self.work.current {
            Some(current) => Shown::find("secret.current", current)?,
            None => None,
        };
        match current {
            None => return self.take_away(installer, &version, is_linked).await,
            Some(current) => self.go_back(installer, &candidate, &current, is_linked).await?,
        }
        installer.remove(&version).await.map_err(|error| of_host(&error))
    }

    /// There was nothing before, so nothing can be presented: what the service does without files is its own matter.
    async fn take_away(&self, installer: &Installer, version: &VersionName, is_linked: bool) -> Result<(), Failure> {
        installer.take_away(version).await.map_err(|error| of_switch(&error))?;
        if let Some(reload) = self.job.target.reload.as_deref().filter(|_| is_linked) {
            let _ = self.reloads.run(reload).await;
        }
        Ok(())
    }

    async fn go_back(
        &self,
        installer: &Installer,
        candidate: &Shown,
        current: &Shown,
        is_linked: bool,
    ) -> Result<(), Failure> {
        let has_probes = !self.job.target.probes.is_empty();
        if !is_linked && has_probes && self.still_presented(candidate).await?.is_none() {
            return Ok(());
        }
        if (is_linked || has_probes) && current.not_after() < self.cx.now {
            return Err(expired_before(current));
        }
        if is_linked {
            let linked = self.link_back(installer, &current.version()?).await;
            linked.map_err(|error| of_switch(&error))?;
        }
        if let Some(reload) = &self.job.target.reload {
            self.reloads.run(reload).await.map_err(|error| of_hook("certificate-reload-failed", &error))?;
        }
        if !has_probes {
            return Ok(());
        }
        match self.still_presented(candidate).await? {
            None => Ok(()),
            Some(because) => Err(Failure::transient(
                "certificate-not-back",
                format!("the candidate is still presented: {because}"),
                "does the reload hook make every instance of the service read its files again?",
            )),
        }
    }

    /// Where the candidate is still presented; fails where some endpoint does not say.
    async fn still_presented(&self, candidate: &Shown) -> Result<Option<String>, Failure> {
        let looks = Looks::take(&self.job.target.probes, candidate, self.until.for_a_look()).await;
        if looks.with_leaf() > 0 {
            return Ok(Some(looks.tell()));
        }
        if looks.silent() > 0 {
            let sentence = format!("it is not seen what is presented: {}", looks.tell());
            return Err(Failure::transient("certificate-not-seen", sentence, "is the service running?"));
        }
        Ok(None)
    }
}

fn expired_before(current: &Shown) -> Failure {
    let ended = current.not_after();
    Failure::refused(
        "expired-before",
        format!("the version before ended at {ended}, so there is no way back to it"),
        "let the rotation go on with `keywheel rotation retry`, or install a certificate by hand",
    )
}

impl Change<'_> {
    /// Whether no work on files of an earlier attempt goes on: this asks in its turn, and so comes after it.
    pub(super) async fn is_settled(&self) -> bool {
        let Some(installer) = &self.job.installer else { return true };
        tokio::time::timeout(self.until.for_a_look(), installer.linked()).await.is_ok()
    }
}
