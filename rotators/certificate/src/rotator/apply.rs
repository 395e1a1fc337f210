//! Bringing a candidate to this host, so that nothing stays changed where it fails.
//!
//! The check reads through the link, so the link is switched before it. Where the check or the reload fails, the link
//! goes back at once; a reload that may have acted is followed by another, and by a look that proves it.

use keywheel_contract::{Applied, Cx, Failure, Material, Target, Work};
use tokio::time::Instant;

use super::{
    Host,
    endpoints::Looks,
    failures::{of_hook, of_host, of_switch},
    held::{Held, Shown},
    job::{Job, Until},
    reloads::Reloads,
    source,
};
use crate::host::{HookError, HostError, Installer, Linked, VersionFile, VersionName};

/// A change of what is installed.
pub(super) struct Change<'a> {
    pub(super) cx: &'a Cx<'a>,
    pub(super) host: &'a Host,
    pub(super) reloads: &'a Reloads,
    pub(super) job: &'a Job,
    pub(super) target: &'a Target,
    pub(super) work: &'a Work,
    pub(super) until: Until,
}

/// How far a failed installation came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// The link was switched, and the service has not been told.
    Link,
    /// The service may have taken the candidate.
    Service,
}

impl Change<'_> {
    /// Obtains the certificate where it is missing, checks it and installs it.
    pub(super) async fn apply(&self, candidate: &Material) -> Result<Applied, Failure> {
        if let Some(installer) = &self.job.installer {
            // Before an authority is asked: what cannot be installed is not worth an order.
            look(installer, Vec::new()).await?;
        }
        let began = Instant::now();
        let obtained = source::complete(self.cx, self.host, self.job, self.target, self.work, candidate);
        let obtained = obtained.await?;
        let complete = obtained.as_ref().map_or(candidate, |(material, _)| material);
        let held = Held::read("secret.candidate", complete)?;
        // An order takes its time, and its certificate may begin after this operation did.
        source::admit_material(self.job, complete, &held, self.cx.now + began.elapsed())?;
        if let Some(installer) = &self.job.installer {
            self.bring(installer, &held).await?;
        }
        Ok(Applied { issued: obtained })
    }

    async fn bring(&self, installer: &Installer, held: &Held) -> Result<(), Failure> {
        let version = held.shown.version()?;
        let files = held.files();
        let linked = look(installer, files.clone()).await?;
        installer.install(&version, files).await.map_err(|error| of_host(&error))?;
        let was_there = linked == Linked::Version(version.clone());
        let back = match linked {
            Linked::Version(before) if before != version => Some(before),
            _ => self.version_before()?,
        };
        self.reloads.forget(&self.work.rotation);
        installer.switch(&version).await.map_err(|error| of_switch(&error))?;
        if let Some(check) = &self.job.target.check
            && let Err(error) = self.reloads.run(check).await
        {
            let reached = if was_there { Reached::Service } else { Reached::Link };
            let back = self.put_back(installer, &held.shown, back, reached, &error).await;
            return Err(back.err().unwrap_or_else(|| of_hook("certificate-check-failed", &error)));
        }
        if let Some(reload) = &self.job.target.reload
            && let Err(error) = self.reloads.run(reload).await
        {
            let back = self.put_back(installer, &held.shown, back, Reached::Service, &error).await;
            return Err(back.err().unwrap_or_else(|| of_hook("certificate-reload-failed", &error)));
        }
        self.reloads.note_told(&self.work.rotation);
        Ok(())
    }

    fn version_before(&self) -> Result<Option<VersionName>, Failure> {
        let Some(current) = &self.work.current else { return Ok(None) };
        Shown::find("secret.current", current)?.map(|shown| shown.version()).transpose()
    }

    /// Restores the link and proves that nobody presents the candidate. Anything else is unknown.
    async fn put_back(
        &self,
        installer: &Installer,
        candidate: &Shown,
        back: Option<VersionName>,
        reached: Reached,
        because: &HookError,
    ) -> Result<(), Failure> {
        let restored = match back {
            Some(back) => self.link_back(installer, &back).await,
            None => installer.take_away(&candidate.version()?).await,
        };
        restored.map_err(|error| {
            let sentence = format!("{because}; what was installed before could not be put back: {error}");
            Failure::unknown("certificate-not-put-back", sentence, error.hint())
        })?;
        if reached == Reached::Link {
            return Ok(());
        }
        if let Some(reload) = &self.job.target.reload {
            // Whether it helped is seen, and not believed.
            let _ = self.reloads.run(reload).await;
        }
        self.prove_absent(candidate, because).await
    }

    /// Lets the link lead to a version before, whose folder is written again if it is gone.
    pub(super) async fn link_back(&self, installer: &Installer, back: &VersionName) -> Result<(), HostError> {
        let is_current = |held: &Held| held.shown.serial() == back.as_str();
        let current = self.work.current.as_ref().and_then(|current| Held::read("secret.current", current).ok());
        if let Some(current) = current.filter(is_current) {
            installer.install(back, current.files()).await?;
        }
        installer.switch(back).await
    }

    async fn prove_absent(&self, candidate: &Shown, because: &HookError) -> Result<(), Failure> {
        let hint = "look at the service: it may present either certificate";
        if self.job.target.probes.is_empty() {
            let sentence = format!("{because}; no probe tells what the service presents");
            return Err(Failure::unknown("certificate-not-put-back", sentence, hint));
        }
        let looks = Looks::take(&self.job.target.probes, candidate, self.until.for_a_look()).await;
        if looks.with_leaf() == 0 && looks.silent() == 0 {
            return Ok(());
        }
        let sentence = format!("{because}; after the way back: {}", looks.tell());
        Err(Failure::unknown("certificate-not-put-back", sentence, hint))
    }
}

/// Looks at the place, and refuses a link that somebody else made: the way back could not restore it.
async fn look(installer: &Installer, files: Vec<VersionFile>) -> Result<Linked, Failure> {
    let room = installer.look(files).await.map_err(|error| of_host(&error))?;
    if room.linked != Linked::Elsewhere {
        return Ok(room.linked);
    }
    let sentence =
        format!("`{}` is a link that keywheel did not make", installer.place().path().join("current").display());
    let hint = "move it away, or install to another folder";
    Err(Failure::misconfigured("target.install", "install-place-taken", sentence, hint))
}
