//! What is wrong with a channel as it is configured.

/// Why a channel cannot be as it is configured. Nothing was sent. No value of a setting is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// There is no such kind.
    #[error("`{kind}` is not a kind of channel")]
    Kind {
        /// What was asked for.
        kind: String,
        /// What to write instead.
        hint: String,
    },
    /// A setting is unknown, missing or of the wrong form.
    #[error("the settings of the {kind} channel do not fit: {sentence}")]
    Form {
        /// The kind of channel.
        kind: &'static str,
        /// What does not fit.
        sentence: String,
        /// What to write instead.
        hint: String,
    },
    /// The value of a setting cannot be right.
    #[error("`{key}` of the {kind} channel {sentence}")]
    Value {
        /// The kind of channel.
        kind: &'static str,
        /// The setting.
        key: &'static str,
        /// What is wrong.
        sentence: String,
        /// What to write instead.
        hint: String,
    },
    /// A template does not compile.
    #[error("`{key}` does not compile: {sentence}")]
    Template {
        /// The setting.
        key: &'static str,
        /// What is wrong, and in which line.
        sentence: String,
    },
    /// The value of a secret is not there or not usable.
    #[error("the secret of `{key}` {sentence}")]
    Credential {
        /// The setting that names the secret.
        key: String,
        /// What is wrong.
        sentence: String,
        /// What the secret should hold.
        hint: String,
    },
    /// The certificates that TLS trusts cannot be loaded.
    #[error("no certificate to trust is known: {sentence}")]
    Trust {
        /// What was found.
        sentence: String,
    },
}

impl NotifyError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Kind { .. } => "channel-kind-unknown",
            Self::Form { .. } => "channel-settings-invalid",
            Self::Value { .. } => "channel-setting-invalid",
            Self::Template { .. } => "channel-template-invalid",
            Self::Credential { .. } => "channel-credential-unusable",
            Self::Trust { .. } => "channel-trust-missing",
        }
    }

    /// What solves it.
    pub fn hint(&self) -> String {
        match self {
            Self::Kind { hint, .. }
            | Self::Form { hint, .. }
            | Self::Value { hint, .. }
            | Self::Credential { hint, .. } => hint.clone(),
            Self::Template { .. } => {
                "templates are written like `{{ summary }}`; `docs/channels.md` lists the names".to_owned()
            }
            Self::Trust { .. } => "install the package `ca-certificates`, or give `ca_pem`".to_owned(),
        }
    }
}
