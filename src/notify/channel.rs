//! What a channel is, and how an attempt ends.

use std::{collections::BTreeMap, fmt, pin::Pin, time::Duration};

use crate::{model::Material, rotation::Because};

use super::Message;

/// An attempt under way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Delivered {
        /// What the receiver said, shortened, without credentials; and what was odd about the delivery.
        answer: String,
    },
    /// It was not taken; the same may work later.
    Again {
        /// Why.
        because: Because,
        /// The receiver asks not to be tried before so much time has passed.
        not_before: Option<Duration>,
    },
    /// It was not taken and will not be.
    Refused {
        /// Why.
        because: Because,
    },
    /// The receiver is gone for good (HTTP 410): the channel is to be disabled.
    Gone {
        /// Why.
        because: Because,
    },
    /// It may have been taken; the answer was lost. It is sent again under the same id.
    Unknown {
        /// Why.
        because: Because,
    },
}

impl Outcome {
    /// Why it was not delivered.
    pub fn because(&self) -> Option<&Because> {
        match self {
            Self::Delivered { .. } => None,
            Self::Again { because, .. }
            | Self::Refused { because }
            | Self::Gone { because }
            | Self::Unknown { because } => Some(because),
        }
    }

    /// It may work later.
    pub(super) fn again(code: &str, sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Again { because: Because::new(code, sentence, hint), not_before: None }
    }

    /// It will not work.
    pub(super) fn refused(code: &str, sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { because: Because::new(code, sentence, hint) }
    }

    /// Nobody knows.
    pub(super) fn unknown(code: &str, sentence: impl Into<String>) -> Self {
        Self::Unknown { because: Because::new(code, sentence, "it is sent again under the same id") }
    }

    /// The same with every text changed.
    pub(super) fn map_texts(self, change: impl Fn(&str) -> String) -> Self {
        let each = |because: Because| Because::new(&because.code, change(&because.sentence), change(&because.hint));
        match self {
            Self::Delivered { answer } => Self::Delivered { answer: change(&answer) },
            Self::Again { because, not_before } => Self::Again { because: each(because), not_before },
            Self::Refused { because } => Self::Refused { because: each(because) },
            Self::Gone { because } => Self::Gone { because: each(because) },
            Self::Unknown { because } => Self::Unknown { because: each(because) },
        }
    }
}

/// A means of telling somebody something.
pub trait Channel: Send + Sync {
    /// The kind, as in `email`.
    fn kind(&self) -> &'static str;

    /// Makes one attempt, which ends within the time limit. No retry after something may have been taken.
    fn send<'a>(&'a self, message: &'a Message, deadline: Duration) -> Sending<'a>;
}

/// The values of the secrets that settings refer to, by field: a setting `password_secret` is given as `password`.
///
/// Where a value signs and is being rotated, the previous one stands beside it as `FIELD.previous`.
#[derive(Clone, Default)]
pub struct Credentials(pub BTreeMap<String, Material>);

impl Credentials {
    /// No credentials.
    pub fn none() -> Self {
        Self::default()
    }

    /// The same with the value of a field.
    #[must_use]
    pub fn with(mut self, field: &str, value: Material) -> Self {
        self.0.insert(field.to_owned(), value);
        self
    }

    /// The same with the previous value of a field.
    #[must_use]
    pub fn with_previous(self, field: &str, value: Material) -> Self {
        let field = format!("{field}.previous");
        self.with(&field, value)
    }

    /// The value of a field.
    pub(super) fn material(&self, field: &str) -> Option<&Material> {
        self.0.get(field)
    }

    /// The previous value of a field.
    pub(super) fn previous(&self, field: &str) -> Option<&Material> {
        self.0.get(&format!("{field}.previous"))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The text of a value: the field of that name, else `password`, else `value`, else the only one.
pub(super) fn text_of<'a>(material: &'a Material, field: &str) -> Option<&'a str> {
    let named = [field, "password", "value"].into_iter().find_map(|name| material.text(name));
    named.or_else(|| {
        let mut texts = material.expose().values();
        texts.next().and_then(serde_json::Value::as_str).filter(|_| texts.next().is_none())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_value_is_found_by_convention() {
        type Case = (&'static [(&'static str, &'static str)], Option<&'static str>);
        let cases: [Case; 5] = [
            (&[("url", "a"), ("password", "b")], Some("a")),
            (&[("password", "b"), ("value", "c")], Some("b")),
            (&[("value", "c"), ("x", "d")], Some("c")),
            (&[("x", "d")], Some("d")),
            (&[("x", "d"), ("y", "e")], None),
        ];
        for (fields, expected) in cases {
            assert_eq!(text_of(&Material::of_texts(fields.iter().copied()), "url"), expected, "{fields:?}");
        }
    }

    #[test]
    fn credentials_print_the_names_of_fields_alone() {
        let credentials = Credentials::none().with("password", Material::of_texts([("password", "canary-9")]));
        assert_eq!(format!("{credentials:?}"), r#"{"password"}"#);
    }
}
