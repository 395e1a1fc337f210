//! Small types of requests and answers: times, and the values that must not be echoed.
//!
//! A secret value enters and leaves the process through [`Fields`] and [`Password`] alone. Reading one that has the
//! wrong shape never repeats what was found.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use utoipa::ToSchema;
use zeroize::Zeroize;

use crate::model::{Material, SecretText};

/// A time in UTC, as RFC 3339 (<https://www.rfc-editor.org/rfc/rfc3339>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = DateTime)]
pub struct Moment(pub DateTime<Utc>);

impl From<DateTime<Utc>> for Moment {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

/// Turns an optional time into an optional [`Moment`].
pub(super) fn moment(at: Option<DateTime<Utc>>) -> Option<Moment> {
    at.map(Moment)
}

/// The fields of a secret's value on their way in or out; prints as a mask.
#[derive(Debug, Clone, ToSchema)]
#[schema(value_type = Object)]
pub struct Fields(pub Material);

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Object(fields) => Ok(Self(Material::new(fields))),
            mut other => {
                if let Value::String(text) = &mut other {
                    text.zeroize();
                }
                Err(de::Error::custom("a secret's value must be an object of fields"))
            }
        }
    }
}

/// One secret text on its way in; prints as a mask.
#[derive(Debug, Clone, ToSchema)]
#[schema(value_type = String, format = Password)]
pub struct Password(pub SecretText);

impl Serialize for Password {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(SecretText::new(text))),
            _ => Err(de::Error::custom("a password must be a text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_the_wrong_shape_is_refused_without_an_echo() {
        for text in ["\"canary-1\"", "[\"canary-1\"]", "7"] {
            let error = serde_json::from_str::<Fields>(text).expect_err("refused");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        let error = serde_json::from_str::<Password>("{\"canary-1\": 1}").expect_err("refused");
        assert!(!error.to_string().contains("canary"));
    }

    #[test]
    fn fields_survive_their_json_and_print_as_a_mask() {
        let text = r#"{"password":"canary-2","port":5432}"#;
        let fields: Fields = serde_json::from_str(text).expect("an object");
        assert_eq!(serde_json::to_string(&fields).expect("json"), text);
        assert!(!format!("{fields:?}").contains("canary"));
    }
}
