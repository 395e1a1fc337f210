//! One operation's view: both sides' settings, what they mean on this host, and how much time is left.

use std::time::Duration;

use keywheel_contract::{Failure, Material, Target};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Host,
    failures::of_host,
    settings::{SecretSettings, TargetSettings, invalid, nearest},
};
use crate::{
    host::{Installer, Place},
    x509::SubjectName,
};

/// The settings of a target and of a secret that fit each other and this host.
pub(super) struct Job {
    pub(super) target: TargetSettings,
    pub(super) secret: SecretSettings,
    /// Where to install, where anything is installed.
    pub(super) installer: Option<Installer>,
}

impl Job {
    /// Reads both and looks up what they name.
    pub(super) fn read(host: &Host, target: &Value, secret: &Value) -> Result<Self, Failure> {
        let target = TargetSettings::read(target)?;
        let secret = SecretSettings::read(secret)?;
        let installer = Self::place_of(host, &target, &secret.names)?;
        Ok(Self { target, secret, installer })
    }

    /// Looks up what a target names, and where it installs to. Without names the settings are checked alone.
    pub(super) fn place_of(
        host: &Host,
        target: &TargetSettings,
        names: &[SubjectName],
    ) -> Result<Option<Installer>, Failure> {
        let installer = target.install.as_ref().map(|(root, path)| installer(host, root, path)).transpose()?;
        for (key, hook) in target.hooks() {
            if !host.hooks.knows(hook) {
                let shown: String = hook.chars().take(64).flat_map(char::escape_debug).collect();
                let hint = "name a `[[hook]]` of the daemon's configuration file, or add it there";
                let sentence = format!("the configuration has no hook `{shown}`");
                return Err(invalid(&format!("target.{key}"), sentence, hint));
            }
        }
        if let Some(acme) = &target.acme {
            obtainer(host)?.check(acme, names)?;
        }
        Ok(installer)
    }

    /// Where an installation stands, for messages.
    pub(super) fn place(&self) -> Option<String> {
        self.installer.as_ref().map(|installer| installer.place().path().join("current").display().to_string())
    }
}

fn installer(host: &Host, root: &str, path: &[String]) -> Result<Installer, Failure> {
    let found = host.roots.get(root).ok_or_else(|| {
        let hint = match nearest(root, host.roots.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "name an `[[install_root]]` of the daemon's configuration file, or add it there".to_owned(),
        };
        let shown: String = root.chars().take(64).flat_map(char::escape_debug).collect();
        invalid("target.install", format!("the configuration has no install root `{shown}`"), hint)
    })?;
    Place::new(found, path.to_vec()).map(Installer::new).map_err(|error| of_host(&error))
}

/// The client of public authorities.
pub(super) fn obtainer(host: &Host) -> Result<&dyn super::Obtain, Failure> {
    host.acme.as_deref().ok_or_else(|| {
        Failure::misconfigured(
            "target.acme",
            "acme-not-available",
            "this daemon obtains no certificates from public authorities",
            "take `acme` out and give the target the secret of a private authority as its admin",
        )
    })
}

/// The value of the target's admin: of an authority, or of accounts.
pub(super) fn admin(target: &Target) -> Result<&Material, Failure> {
    target.admins.first().ok_or_else(|| {
        Failure::misconfigured(
            "target.admin",
            "certificate-no-authority",
            format!("the target `{}` has no admin, and nobody else issues its certificates", target.name),
            "set the target's admin to the secret of an authority, or of ACME accounts",
        )
    })
}

/// Until when an operation may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until(Instant);

impl Until {
    /// From now on for the given time; more than a day is a day.
    pub(super) fn after(span: Duration) -> Self {
        Self(Instant::now() + span.min(Duration::from_hours(24)))
    }

    /// What is left; zero when it is over.
    pub(super) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Time for a look at the endpoints that leaves as much again.
    pub(super) fn for_a_look(self) -> Duration {
        const USUAL: Duration = Duration::from_secs(5);
        (self.left() / 2).min(USUAL)
    }
}
