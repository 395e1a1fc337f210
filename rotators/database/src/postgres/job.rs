//! One operation's view: both sides' settings, who the credential is, and how much time is left.

use std::time::Duration;

use keywheel_contract::{Failure, Material};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    quote,
    settings::{PasswordForm, SecretSettings, TargetSettings, TlsMode},
};

/// The settings of a target and of a secret that fit each other.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) target: TargetSettings,
    pub(crate) secret: SecretSettings,
}

impl Job {
    /// Reads both and checks what concerns both.
    pub(crate) fn read(target: &Value, secret: &Value) -> Result<Self, Failure> {
        let job = Self { target: TargetSettings::read(target)?, secret: SecretSettings::read(secret)? };
        if job.secret.form == PasswordForm::Clear && job.target.endpoints[0].tls == TlsMode::Off {
            return Err(Failure::misconfigured(
                "secret.password_form",
                "postgres-clear-password-needs-tls",
                "`password_form` is `clear`, and the connection to the server is not encrypted",
                "set the target's `tls` to `verify-full`, or `password_form` to `verifier`",
            ));
        }
        Ok(job)
    }

    /// The database that the secret's role logs in to.
    pub(crate) fn login_database(&self) -> &str {
        self.secret.database.as_deref().unwrap_or(&self.target.database)
    }
}

/// Who logs in, and with what.
#[derive(Clone, Copy)]
pub(crate) struct Credential<'a> {
    pub(crate) role: &'a str,
    pub(crate) password: &'a str,
}

impl<'a> Credential<'a> {
    /// Reads a value's fields `username` and `password`; `key` begins the key of the failure.
    pub(crate) fn read(key: &str, material: &'a Material) -> Result<Self, Failure> {
        let field = |name: &str| {
            material.text(name).ok_or_else(|| {
                let sentence = format!("the value has no text field `{name}`");
                let hint = "a PostgreSQL credential is {\"username\": …, \"password\": …}";
                Failure::misconfigured(format!("{key}.{name}"), "postgres-credential-incomplete", sentence, hint)
            })
        };
        let (role, password) = (field("username")?, field("password")?);
        quote::check_name(role).map_err(|cause| {
            let hint = "names of PostgreSQL have 1 to 63 bytes and no zero byte";
            Failure::misconfigured(format!("{key}.username"), "postgres-setting-invalid", cause.to_string(), hint)
        })?;
        if password.is_empty() || password.contains('\0') {
            let sentence = "the password is empty or holds a zero byte";
            let hint = "give a password that PostgreSQL can hold";
            let key = format!("{key}.password");
            return Err(Failure::misconfigured(key, "postgres-credential-incomplete", sentence, hint));
        }
        Ok(Self { role, password })
    }
}

/// Until when an operation may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Until(Instant);

impl Until {
    /// From now on for the given time.
    pub(crate) fn after(span: Duration) -> Self {
        let now = Instant::now();
        // An absurd span is as good as ten years.
        Self(now.checked_add(span).unwrap_or(now + Duration::from_hours(24 * 3653)))
    }

    /// What is left; zero when it is over.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}
