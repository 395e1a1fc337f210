//! Between rows and the model: times, JSON texts, ids.

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};

use super::StoreError;
use crate::clock::{from_micros, micros};

pub(super) fn us(at: Option<DateTime<Utc>>) -> Option<i64> {
    at.map(micros)
}

pub(super) fn at(us: Option<i64>) -> Option<DateTime<Utc>> {
    us.map(from_micros)
}

/// The JSON text of a value. Maps are ordered, so equal values have equal texts.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("values of the model have text keys")
}

/// Reads columns of one row, naming table and row in errors.
pub(super) struct Reader<'r> {
    pub(super) table: &'static str,
    pub(super) row: &'r str,
}

impl Reader<'_> {
    pub(super) fn json<T: DeserializeOwned>(&self, column: &str, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|error| self.bad(column, &error))
    }

    pub(super) fn id<T, E: std::fmt::Display>(
        &self,
        column: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
        text: &str,
    ) -> Result<T, StoreError> {
        parse(text).map_err(|error| self.bad(column, &error))
    }

    pub(super) fn optional<T, E: std::fmt::Display>(
        &self,
        column: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
        text: Option<&str>,
    ) -> Result<Option<T>, StoreError> {
        text.map(|text| self.id(column, parse, text)).transpose()
    }

    pub(super) fn word<T>(&self, column: &str, word: Option<T>, text: &str) -> Result<T, StoreError> {
        word.ok_or_else(|| self.bad(column, &format!("the word `{text}` is unknown")))
    }

    fn bad(&self, column: &str, because: &dyn std::fmt::Display) -> StoreError {
        StoreError::Unreadable {
            table: self.table,
            row: self.row.to_owned(),
            because: format!("`{column}`: {because}"),
        }
    }
}
