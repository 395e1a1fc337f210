//! The effective values and where each comes from.

use serde::Serialize;
use toml::{Table, Value};

use super::Loaded;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Nobody named it.
    Default,
    /// The file.
    File,
    /// The command line or the environment.
    Given,
}

/// A key, its value and where that comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effective {
    /// The key with its section.
    pub key: String,
    /// The value as it would stand in the file.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

impl Loaded {
    /// Every key with its effective value, in order.
    pub fn effective(&self) -> Vec<Effective> {
        let mut config = self.config.clone();
        let data_dir = config.daemon.data_dir.clone();
        config.daemon.socket = Some(config.daemon.socket());
        config.keys.file = Some(config.keys.file(&data_dir));
        config.keys.passphrase_parameters = Some(config.keys.parameters(&data_dir));
        let table = Table::try_from(&config).expect("a configuration is a table");
        let mut found = Vec::new();
        self.flatten("", &table, &mut found);
        found
    }

    fn flatten(&self, prefix: &str, table: &Table, found: &mut Vec<Effective>) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match value {
                Value::Table(inner) => self.flatten(&format!("{key}."), inner, found),
                Value::Array(items) if items.iter().any(Value::is_table) => {
                    for (index, inner) in items.iter().filter_map(Value::as_table).enumerate() {
                        self.flatten(&format!("{key}.{}.", index + 1), inner, found);
                    }
                }
                value => {
                    let origin = self.origin(&key);
                    found.push(Effective { key, value: value.to_string(), origin });
                }
            }
        }
    }

    fn origin(&self, key: &str) -> Origin {
        if self.given.contains(&key) {
            return Origin::Given;
        }
        let mut place = Some(&Value::Table(self.written.clone())).cloned();
        for part in key.split('.') {
            place = match (place, part.parse::<usize>()) {
                (Some(Value::Array(items)), Ok(number)) => items.get(number.saturating_sub(1)).cloned(),
                (Some(Value::Table(table)), _) => table.get(part).cloned(),
                _ => None,
            };
        }
        if place.is_some() { Origin::File } else { Origin::Default }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, load::parse};

    const DEFAULTS: &str = include_str!("../../config/keywheel.toml");

    fn loaded(text: &str) -> Loaded {
        let (config, written) = parse("test", text).expect("valid");
        Loaded { config, file: None, written, given: vec!["log.level"] }
    }

    #[test]
    fn each_value_tells_where_it_comes_from() {
        let effective =
            loaded("[daemon]\ndata_dir = \"/x\"\n[[hook]]\nname = \"a\"\nargv = [\"/bin/true\"]").effective();
        let of = |key: &str| effective.iter().find(|one| one.key == key).expect("there").clone();
        assert_eq!((of("daemon.data_dir").origin, of("daemon.drain").origin), (Origin::File, Origin::Default));
        assert_eq!(
            (of("daemon.socket").value.as_str(), of("log.level").origin),
            ("\"/x/keywheel.sock\"", Origin::Given)
        );
        assert_eq!((of("hook.1.name").origin, of("hook.1.timeout").origin), (Origin::File, Origin::Default));
    }

    #[test]
    fn the_commented_configuration_holds_every_key_and_its_default() {
        let (config, _) = parse("keywheel.toml", DEFAULTS).expect("valid");
        assert_eq!(config, Config::default());
        let mut whole = Config::default();
        let path = || Some(Path::new("/x").to_owned());
        (whole.daemon.socket, whole.store.url_file, whole.keys.file) = (path(), path(), path());
        (whole.keys.passphrase_file, whole.keys.passphrase_parameters) = (path(), path());
        (whole.store.url_env, whole.daemon.public_url) = (Some("X".into()), Some("https://x".into()));
        whole.daemon.metrics_listen = Some("127.0.0.1:1".parse().expect("an address"));
        whole.listen.address = whole.daemon.metrics_listen;
        whole.listen.certificate = Some("x".into());
        let table = Table::try_from(&whole).expect("a table");
        let named = |key: &str| {
            let starts = |line: &str| line.trim_start_matches(['#', ' ']).starts_with(&format!("{key} = "));
            assert!(DEFAULTS.lines().any(starts), "`{key}` is missing");
        };
        for section in ["daemon", "listen", "store", "keys", "engine", "notify", "log"] {
            assert!(DEFAULTS.contains(&format!("\n[{section}]\n")), "{section}");
            table[section].as_table().expect("a section").keys().for_each(|key| named(key));
        }
        ["name", "argv", "timeout", "user", "path"].into_iter().for_each(named);
    }

    #[test]
    fn the_quickstart_configuration_is_valid() {
        parse("quickstart.toml", include_str!("../../config/quickstart.toml")).expect("valid");
    }
}
