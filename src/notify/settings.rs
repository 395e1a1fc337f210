//! From JSON to settings, with the wrong key named, the nearest known one offered, and no value repeated.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{config::did_you_mean, model::Name};

use super::{Credentials, NotifyError, Reference, channel::text_of};

/// Reads the settings of a kind of channel.
pub(super) fn read<T: DeserializeOwned>(kind: &'static str, settings: &Value) -> Result<T, NotifyError> {
    let form = |sentence: String, hint: String| NotifyError::Form { kind, sentence, hint };
    let Some(keys) = settings.as_object() else {
        return Err(form("they are not a table".to_owned(), "give a table of keys".to_owned()));
    };
    T::deserialize(settings).map_err(|error| {
        let message = error.to_string();
        let help = || format!("`docs/channels.md` shows every key of `{kind}`");
        let hint = did_you_mean(&message).unwrap_or_else(help);
        if message.starts_with("unknown field") || message.starts_with("missing field") {
            let sentence = message.split(", expected").next().unwrap_or_default().to_owned();
            return form(sentence, hint);
        }
        // What stands before "expected" repeats the value, which may be a secret in the wrong place.
        let expected = message.split_once("expected ").map_or("another form", |(_, expected)| expected);
        let at = keys.keys().find(|key| is_at_fault::<T>(settings, key, &message));
        let key = at.map_or_else(|| "a setting".to_owned(), |key| format!("`{key}`"));
        form(format!("{key} must be {expected}"), hint)
    })
}

/// Whether the error is gone, or another one, without this key.
fn is_at_fault<T: DeserializeOwned>(settings: &Value, key: &str, message: &str) -> bool {
    let mut without = settings.clone();
    without.as_object_mut().and_then(|keys| keys.remove(key));
    T::deserialize(&without).err().is_none_or(|other| other.to_string() != message)
}

/// A reference of a setting `FIELD_secret`, if it is there.
pub(super) fn reference(
    kind: &'static str,
    setting: &'static str,
    secret: Option<&str>,
) -> Result<Option<Reference>, NotifyError> {
    let Some(secret) = secret else { return Ok(None) };
    Name::parse(secret).map_err(|error| NotifyError::Value {
        kind,
        key: setting,
        sentence: format!("does not name a secret: {error}"),
        hint: "name a secret of keywheel, as in `channels/relay`; its value does not belong here".to_owned(),
    })?;
    let field = setting.strip_suffix("_secret").unwrap_or(setting);
    let wants_previous = field.starts_with("signing");
    Ok(Some(Reference {
        setting: setting.to_owned(),
        field: field.to_owned(),
        secret: secret.to_owned(),
        wants_previous,
    }))
}

/// The text of a secret that a setting names.
pub(super) fn credential<'a>(credentials: &'a Credentials, field: &str) -> Result<&'a str, NotifyError> {
    let missing = |sentence: &str| NotifyError::Credential {
        key: format!("{field}_secret"),
        sentence: sentence.to_owned(),
        hint: format!(
            "its value is an object with the text field `{field}`, `password` or `value`, or one field alone"
        ),
    };
    let material = credentials.material(field).ok_or_else(|| missing("is not there"))?;
    text_of(material, field).filter(|text| !text.is_empty()).ok_or_else(|| missing("has no text that serves here"))
}
