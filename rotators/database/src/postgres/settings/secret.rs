//! A secret: whose password, by which strategy, in which form, and until when it is valid.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use keywheel_contract::{Failure, PasswordRules};
use serde::Deserialize;
use serde_json::Value;

use super::{
    read::{invalid, settings},
    span,
};
use crate::postgres::quote;

/// How old and new follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// One role: its password is replaced, and the old one ends at that instant.
    Single {
        /// The role.
        role: String,
    },
    /// Two login roles take turns, members of the role that owns everything.
    Alternate {
        /// The two, different from each other and from the owner.
        roles: [String; 2],
        /// The owner.
        owner: String,
    },
}

/// In which form the password reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PasswordForm {
    /// As a SCRAM-SHA-256 verifier; a server that is set to md5 is refused.
    Verifier,
    /// As md5, to be acknowledged.
    Md5,
    /// As it is, for servers whose policy must see it; over verified TLS only.
    Clear,
}

/// What becomes of `VALID UNTIL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValidUntil {
    /// It stays as it is.
    Keep,
    /// It is taken away.
    Infinity,
    /// It is set to when the next rotation is due, and this much later.
    NextDuePlus(Duration),
}

/// A secret's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretSettings {
    pub(crate) strategy: Strategy,
    pub(crate) database: Option<String>,
    pub(crate) rules: PasswordRules,
    pub(crate) form: PasswordForm,
    pub(crate) valid_until: ValidUntil,
    pub(crate) is_self_managed: bool,
}

const KNOWN: [&str; 9] =
    ["strategy", "role", "roles", "owner", "database", "password", "password_form", "valid_until", "self_managed"];

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawStrategy {
    Single,
    Alternate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    strategy: RawStrategy,
    role: Option<String>,
    roles: Option<Vec<String>>,
    owner: Option<String>,
    database: Option<String>,
    #[serde(default)]
    password: PasswordRules,
    #[serde(default = "usual_form")]
    password_form: PasswordForm,
    valid_until: Option<String>,
    #[serde(default)]
    self_managed: bool,
}

fn usual_form() -> PasswordForm {
    PasswordForm::Verifier
}

impl SecretSettings {
    /// Reads and checks a secret's settings.
    pub(crate) fn read(value: &Value) -> Result<Self, Failure> {
        let raw: Raw = settings("secret", value, &KNOWN)?;
        let strategy = match raw.strategy {
            RawStrategy::Single => single(raw.role, raw.roles.is_some(), raw.owner.is_some())?,
            RawStrategy::Alternate => alternate(raw.role.is_some(), raw.roles, raw.owner)?,
        };
        if let Some(database) = &raw.database {
            check("secret.database", database)?;
        }
        raw.password.characters().map_err(|cause| {
            invalid("secret.password", format!("the password rules cannot be met: {cause}"), "change the rules")
        })?;
        Ok(Self {
            strategy,
            database: raw.database,
            rules: raw.password,
            form: raw.password_form,
            valid_until: valid_until(raw.valid_until.as_deref())?,
            is_self_managed: raw.self_managed,
        })
    }

    /// The roles that this secret's versions belong to.
    pub(crate) fn roles(&self) -> &[String] {
        match &self.strategy {
            Strategy::Single { role } => std::slice::from_ref(role),
            Strategy::Alternate { roles, .. } => roles,
        }
    }

    /// The role that the next candidate belongs to.
    pub(crate) fn next_role(&self, current: Option<&str>) -> &str {
        match &self.strategy {
            Strategy::Single { role } => role,
            Strategy::Alternate { roles: [first, second], .. } => {
                if current == Some(first) {
                    second
                } else {
                    first
                }
            }
        }
    }

    /// The time for `VALID UNTIL` as text, where it is to be changed. It needs a schedule if it follows one.
    pub(crate) fn valid_until_text(&self, next_due_at: Option<i64>) -> Result<Option<String>, Failure> {
        let grace = match self.valid_until {
            ValidUntil::Keep => return Ok(None),
            ValidUntil::Infinity => return Ok(Some("infinity".to_owned())),
            ValidUntil::NextDuePlus(grace) => grace,
        };
        let due = next_due_at.and_then(DateTime::<Utc>::from_timestamp_micros);
        let until = due.and_then(|due| due.checked_add_signed(chrono::Duration::from_std(grace).ok()?));
        let until = until.ok_or_else(|| {
            let sentence = "`valid_until` follows the next due time, and no rotation is scheduled";
            invalid("secret.valid_until", sentence, "set a schedule, or `valid_until` to `keep` or `infinity`")
        })?;
        Ok(Some(until.to_rfc3339_opts(SecondsFormat::Secs, true)))
    }
}

fn single(role: Option<String>, has_roles: bool, has_owner: bool) -> Result<Strategy, Failure> {
    if has_roles || has_owner {
        let hint = "take out `roles` and `owner`, or set `strategy` to `alternate`";
        return Err(invalid("secret.roles", "strategy `single` has one `role`", hint));
    }
    let role = role.ok_or_else(|| invalid("secret.role", "strategy `single` needs `role`", "name the login role"))?;
    check("secret.role", &role)?;
    Ok(Strategy::Single { role })
}

fn alternate(has_role: bool, roles: Option<Vec<String>>, owner: Option<String>) -> Result<Strategy, Failure> {
    if has_role {
        let hint = "take out `role`, or set `strategy` to `single`";
        return Err(invalid("secret.role", "strategy `alternate` has two `roles` and an `owner`", hint));
    }
    let roles: [String; 2] = roles.and_then(|roles| roles.try_into().ok()).ok_or_else(|| {
        invalid("secret.roles", "strategy `alternate` needs two `roles`", "name two login roles that own nothing")
    })?;
    let owner = owner.ok_or_else(|| {
        invalid("secret.owner", "strategy `alternate` needs `owner`", "name the role that both are members of")
    })?;
    roles.iter().try_for_each(|role| check("secret.roles", role))?;
    check("secret.owner", &owner)?;
    if roles[0] == roles[1] || roles.contains(&owner) {
        return Err(invalid("secret.roles", "`roles` and `owner` must be three different roles", "name three roles"));
    }
    Ok(Strategy::Alternate { roles, owner })
}

fn check(key: &str, name: &str) -> Result<(), Failure> {
    quote::check_name(name).map_err(|cause| {
        let shown: String = name.chars().take(80).collect();
        let sentence = format!("`{}` is {cause}", shown.escape_debug());
        invalid(key, sentence, "names of PostgreSQL have 1 to 63 bytes and no zero byte")
    })
}

fn valid_until(text: Option<&str>) -> Result<ValidUntil, Failure> {
    match text {
        None | Some("keep") => Ok(ValidUntil::Keep),
        Some("infinity") => Ok(ValidUntil::Infinity),
        Some(text) => {
            let grace = text.strip_prefix("next-due+").and_then(span::read).map(ValidUntil::NextDuePlus);
            grace.ok_or_else(|| {
                let hint = "write `keep`, `infinity`, or `next-due+7d` with a grace of your choice";
                invalid("secret.valid_until", format!("`{}` is no `valid_until`", text.escape_debug()), hint)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use keywheel_contract::Decision;
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_the_safe_ones() {
        let settings = SecretSettings::read(&json!({ "strategy": "single", "role": "app" })).expect("valid");
        assert_eq!((settings.form, settings.valid_until), (PasswordForm::Verifier, ValidUntil::Keep));
        assert_eq!(settings.rules, PasswordRules::default());
        assert!(!settings.is_self_managed);
    }

    #[test]
    fn a_wrong_setting_is_refused_with_its_key() {
        let with = |key: &str, value: Value| {
            let mut settings = json!({ "strategy": "single", "role": "app" });
            settings[key] = value;
            settings
        };
        for (settings, key) in [
            (json!({ "strategy": "single" }), "secret.role"),
            (json!({ "strategy": "both", "role": "app" }), "secret"),
            (with("roles", json!(["a", "b"])), "secret.roles"),
            (with("rolle", json!("x")), "secret.rolle"),
            (with("role", json!("x".repeat(64))), "secret.role"),
            (with("role", json!("x\u{0}")), "secret.role"),
            (with("password", json!({ "length": 3 })), "secret.password"),
            (with("password_form", json!("plain")), "secret"),
            (with("valid_until", json!("tomorrow")), "secret.valid_until"),
            (with("database", json!("")), "secret.database"),
            (json!({ "strategy": "alternate", "roles": ["a"], "owner": "o" }), "secret.roles"),
            (json!({ "strategy": "alternate", "roles": ["a", "a"], "owner": "o" }), "secret.roles"),
            (json!({ "strategy": "alternate", "roles": ["a", "b"], "owner": "b" }), "secret.roles"),
            (json!({ "strategy": "alternate", "roles": ["a", "b"] }), "secret.owner"),
            (json!({ "strategy": "alternate", "role": "a", "roles": ["a", "b"], "owner": "o" }), "secret.role"),
        ] {
            let failure = SecretSettings::read(&settings).expect_err("refused");
            assert_eq!(failure.decision, Decision::Misconfigured { key: key.to_owned() }, "{settings}");
        }
    }

    #[test]
    fn roles_take_turns() {
        let settings = json!({ "strategy": "alternate", "roles": ["a", "b"], "owner": "o" });
        let settings = SecretSettings::read(&settings).expect("valid");
        assert_eq!([None, Some("a"), Some("b"), Some("x")].map(|now| settings.next_role(now)), ["a", "b", "a", "a"]);
    }

    #[test]
    fn an_end_that_follows_the_schedule_needs_one() {
        let settings = json!({ "strategy": "single", "role": "app", "valid_until": "next-due+7d" });
        let settings = SecretSettings::read(&settings).expect("valid");
        assert!(settings.valid_until_text(None).is_err());
        assert_eq!(
            settings.valid_until_text(Some(86_400_000_000)).expect("scheduled").as_deref(),
            Some("1970-01-09T00:00:00Z")
        );
    }
}
