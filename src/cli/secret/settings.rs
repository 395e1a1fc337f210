//! `--set key=value`: settings of rotators from the command line.

use serde_json::{Map, Value};

use crate::cli::{CliError, input};

/// Reads settings: `key=value`, dotted keys for nested ones; a value that is JSON (a number, `true`, a list) is taken
/// as that, `@FILE` is the text of a file that is not secret, all else is text.
pub(in crate::cli) fn read(pairs: &[String]) -> Result<Map<String, Value>, CliError> {
    let mut settings = Map::new();
    for pair in pairs {
        let (key, text) = pair.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
            CliError::usage(format!("`{pair}` is no setting"), "write `key=value`, such as `host=db.example.com`")
        })?;
        let value = match text.strip_prefix('@') {
            Some(_) => Value::String(input::document(text)?),
            None => read_value(text),
        };
        put(&mut settings, key, value)?;
    }
    Ok(settings)
}

fn read_value(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Null) | Err(_) => Value::String(text.to_owned()),
        Ok(value) => value,
    }
}

fn put(settings: &mut Map<String, Value>, key: &str, value: Value) -> Result<(), CliError> {
    match key.split_once('.') {
        None => {
            settings.insert(key.to_owned(), value);
            Ok(())
        }
        Some((first, rest)) => {
            let inner = settings.entry(first).or_insert_with(|| Value::Object(Map::new()));
            let inner = inner.as_object_mut().ok_or_else(|| {
                CliError::usage(format!("`{first}` is set as a value and as a table"), "keep one of them")
            })?;
            put(inner, rest, value)
        }
    }
}

/// Reads labels: `key=value`; `key=` takes the label off.
pub(in crate::cli) fn tags(pairs: &[String]) -> Result<std::collections::BTreeMap<String, Option<String>>, CliError> {
    let read = |pair: &String| {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            CliError::usage(format!("`{pair}` is no label"), "write `key=value`, or `key=` to take it off")
        })?;
        Ok((key.to_owned(), (!value.is_empty()).then(|| value.to_owned())))
    };
    pairs.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_keep_their_types() {
        let pairs = ["host=db.example.com", "port=5432", "tls=off", "self_managed=true", "roles=[\"a\",\"b\"]"];
        let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        let expected = json!({
            "host": "db.example.com", "port": 5432, "tls": "off", "self_managed": true, "roles": ["a", "b"],
        });
        assert_eq!(Value::Object(read(&pairs).expect("settings")), expected);
    }

    #[test]
    fn dotted_keys_nest() {
        let pairs = ["password.length=40".to_owned(), "password.forbidden=l1".to_owned()];
        let settings = Value::Object(read(&pairs).expect("settings"));
        assert_eq!(settings, json!({ "password": { "length": 40, "forbidden": "l1" } }));
        assert!(read(&["a=1".to_owned(), "a.b=2".to_owned()]).is_err());
        assert!(read(&["novalue".to_owned()]).is_err());
    }

    #[test]
    fn an_empty_label_is_taken_off() {
        let tags = tags(&["team=payments".to_owned(), "old=".to_owned()]).expect("labels");
        assert_eq!(tags.get("old"), Some(&None));
        assert_eq!(tags.get("team"), Some(&Some("payments".to_owned())));
    }
}
