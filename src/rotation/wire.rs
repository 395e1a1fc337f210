//! How rotation events are stored: a kind behind `rotation.`, and facts with the version of their format.
//!
//! Golden files in `tests/golden/` hold one event of each kind; a change that breaks one breaks stored journals.

use serde_json::{Value, json};

use super::Recorded;

const PREFIX: &str = "rotation.";
const FORMAT: u64 = 1;

/// Why a stored event cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Not an event of a rotation.
    #[error("`{0}` is not the kind of a rotation's event")]
    Kind(String),
    /// Written by a newer keywheel.
    #[error("the event `{kind}` has format {found}, this keywheel reads up to {FORMAT}")]
    Newer {
        /// The event's kind.
        kind: String,
        /// The format found.
        found: u64,
    },
    /// The facts do not fit the kind.
    #[error("the facts of the event `{kind}` cannot be read")]
    Facts {
        /// The event's kind.
        kind: String,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
}

impl Recorded {
    /// The stored form: kind and facts.
    pub fn to_wire(&self) -> (String, Value) {
        let mut tagged = serde_json::to_value(self).expect("events hold no map with keys other than text");
        let facts = tagged.get_mut("facts").map_or_else(|| json!({}), Value::take);
        (format!("{PREFIX}{}", self.kind()), json!({ "v": FORMAT, "facts": facts }))
    }

    /// Reads the stored form.
    pub fn from_wire(kind: &str, facts: &Value) -> Result<Self, WireError> {
        let short = kind.strip_prefix(PREFIX).ok_or_else(|| WireError::Kind(kind.to_owned()))?;
        let found = facts.get("v").and_then(Value::as_u64).unwrap_or(0);
        if found != FORMAT {
            return Err(WireError::Newer { kind: kind.to_owned(), found });
        }
        let inner = facts.get("facts").cloned().unwrap_or(Value::Null);
        let empty = inner.as_object().is_some_and(serde_json::Map::is_empty);
        let tagged = if empty { json!({ "kind": short }) } else { json!({ "kind": short, "facts": inner }) };
        serde_json::from_value(tagged).map_err(|source| WireError::Facts { kind: kind.to_owned(), source })
    }
}
