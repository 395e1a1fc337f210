//! From a file, the command line and the environment to a configuration.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Config, ConfigError, KeySource, StoreKind, daemon::begins_links, error::from_toml, host::is_name};

/// The file that is read when none is named, if it exists.
pub const DEFAULT_PATH: &str = "/etc/keywheel/keywheel.toml";

/// A configuration and where its parts come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// What stands in the file.
    pub(super) written: toml::Table,
    /// Keys that the command line or the environment gave.
    pub(super) given: Vec<&'static str>,
}

impl Config {
    /// Reads the file that is named, or the default one if it exists; then what the command line and the environment
    /// gave goes before it.
    pub fn load(file: Option<&Path>, data_dir: Option<&Path>, level: Option<&str>) -> Result<Loaded, ConfigError> {
        let default = Path::new(DEFAULT_PATH);
        let file = file.or_else(|| default.exists().then_some(default));
        let (mut config, written) = match file {
            Some(file) => read(file)?,
            None => (Self::default(), toml::Table::new()),
        };
        let mut given = Vec::new();
        if let Some(data_dir) = data_dir {
            data_dir.clone_into(&mut config.daemon.data_dir);
            given.push("daemon.data_dir");
        }
        if let Some(level) = level {
            level.clone_into(&mut config.log.level);
            given.push("log.level");
        }
        let loaded = Loaded { config, file: file.map(Path::to_owned), written, given };
        loaded.check()?;
        Ok(loaded)
    }
}

fn read(file: &Path) -> Result<(Config, toml::Table), ConfigError> {
    let unreadable = |source| ConfigError::Read { file: file.to_owned(), source };
    let found = fs::metadata(file).map_err(unreadable)?;
    let unsafely = |because: String| ConfigError::Unsafe { file: file.to_owned(), because };
    if found.mode() & 0o002 != 0 {
        return Err(unsafely(format!("its mode is {:04o}", found.mode() & 0o7777)));
    }
    if found.uid() != 0 && found.uid() != rustix::process::geteuid().as_raw() {
        return Err(unsafely(format!("it belongs to user {}", found.uid())));
    }
    let text = fs::read_to_string(file).map_err(unreadable)?;
    parse(&file.display().to_string(), &text)
}

/// Reads a text; `file` names it in errors.
pub(super) fn parse(file: &str, text: &str) -> Result<(Config, toml::Table), ConfigError> {
    let failed = |error| from_toml(file, text, &error);
    let config: Config = toml::from_str(text).map_err(failed)?;
    let written: toml::Table = toml::from_str(text).map_err(failed)?;
    Ok((config, written))
}

/// The modes that folders of an install root may have.
const MODES: [&str; 3] = ["0755", "0750", "0700"];

impl Loaded {
    fn check(&self) -> Result<(), ConfigError> {
        let config = &self.config;
        self.check_sources()?;
        if let Some((key, permitted)) = config.engine.out_of_bounds() {
            return Err(self.value(&format!("engine.{key}"), permitted));
        }
        if let Some((key, permitted)) = config.listen.fault() {
            return Err(self.value(&format!("listen.{key}"), permitted));
        }
        if config.daemon.metrics_listen.is_some_and(|address| !address.ip().is_loopback()) {
            return Err(self.value("daemon.metrics_listen", "a loopback address such as `127.0.0.1:9464`"));
        }
        if config.daemon.public_url.as_deref().is_some_and(|url| !begins_links(url)) {
            let permitted = "an address such as `https://keywheel.example.org`, without user, query or fragment";
            return Err(self.value("daemon.public_url", permitted));
        }
        for hook in &config.hooks {
            let is_absolute = hook.argv.first().is_some_and(|program| Path::new(program).is_absolute());
            if !is_name(&hook.name) || !is_absolute {
                let permitted = "a name of letters, digits, `-`, `_` and a program by absolute path";
                return Err(self.value(&format!("hook.{}", hook.name), permitted));
            }
        }
        self.check_names("hook", config.hooks.iter().map(|hook| hook.name.as_str()))?;
        self.check_roots("delivery_root", config.delivery_roots.iter().map(|root| (root.name.as_str(), &*root.path)))?;
        self.check_roots("install_root", config.install_roots.iter().map(|root| (root.name.as_str(), &*root.path)))?;
        self.check_roots("scan_root", config.scan_roots.iter().map(|root| (root.name.as_str(), &*root.path)))?;
        for root in &config.install_roots {
            if !["0600", "0640"].contains(&root.key_mode.as_str()) {
                return Err(self.value(&format!("install_root.{}.key_mode", root.name), "`0600` or `0640`"));
            }
            if !MODES.contains(&root.folder_mode.as_str()) {
                return Err(self.value(&format!("install_root.{}.folder_mode", root.name), "`0755`, `0750` or `0700`"));
            }
        }
        Ok(())
    }

    fn check_roots<'r>(
        &self,
        section: &str,
        roots: impl Iterator<Item = (&'r str, &'r Path)> + Clone,
    ) -> Result<(), ConfigError> {
        if let Some((name, _)) = roots.clone().find(|(name, path)| !is_name(name) || !path.is_absolute()) {
            let permitted = "a name of letters, digits, `-`, `_` and an absolute path";
            return Err(self.value(&format!("{section}.{name}"), permitted));
        }
        self.check_names(section, roots.map(|(name, _)| name))
    }

    fn check_sources(&self) -> Result<(), ConfigError> {
        let config = &self.config;
        let urls = usize::from(config.store.url_file.is_some()) + usize::from(config.store.url_env.is_some());
        match config.store.kind {
            StoreKind::Postgres if urls != 1 => Err(self.value("store.url_file", "given for PostgreSQL, or `url_env`")),
            StoreKind::Sqlite if urls != 0 => Err(self.value("store.kind", "`postgres` where a URL is named")),
            _ if config.store.connections == 0 => Err(self.value("store.connections", "at least 1")),
            _ if config.keys.source == KeySource::Command && config.keys.command.is_empty() => {
                Err(self.value("keys.command", "a program by absolute path and its arguments"))
            }
            _ => Ok(()),
        }
    }

    fn check_names<'n>(&self, kind: &str, names: impl Iterator<Item = &'n str>) -> Result<(), ConfigError> {
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            if !seen.insert(name) {
                return Err(self.value(&format!("{kind}.{name}"), "named one time only"));
            }
        }
        Ok(())
    }

    fn value(&self, key: &str, permitted: &str) -> ConfigError {
        let file = self.file.as_ref().map_or_else(|| "configuration".to_owned(), |file| file.display().to_string());
        ConfigError::Value { file, key: key.to_owned(), permitted: permitted.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Loaded, ConfigError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("k.toml");
        fs::write(&path, text).expect("written");
        Config::load(Some(&path), None, None)
    }

    #[test]
    fn an_error_names_line_and_key_and_what_to_write() {
        for (text, told, hint) in [
            ("[daemon]\nsokcet = \"x\"", "line 2: unknown field `sokcet`", "did you mean `socket`?"),
            ("[deamon]\n", "line 1: unknown field `deamon`", "did you mean `daemon`?"),
            ("[engine]\n\nclaim = 15", "line 3: `engine.claim`: invalid type", "config defaults"),
            ("[engine]\nclaim = \"soon\"", "line 2: `engine.claim`: `soon` is not a duration", "config defaults"),
            ("[keys]\nsource = \"fil\"", "unknown variant `fil`", "did you mean `file`?"),
            ("[keys]\nxyzzyxyz = 1", "unknown field `xyzzyxyz`", "write one of `source`"),
            ("[engine]\nballast = \"8MB\"", "`8MB` is not a size", "config defaults"),
            ("[notify]\nallow = [\"10.0.0.1/8\"]", "`notify.allow`: `10.0.0.1/8` is not a network", "config defaults"),
            ("[[hook]]\nname = \"a\"", "missing field `argv`", "config defaults"),
            ("a = ", "line 1", "config defaults"),
        ] {
            let error = load(text).expect_err("refused");
            let said = error.to_string();
            assert!(said.contains(told) && said.contains("k.toml"), "{said}");
            assert!(error.hint().contains(hint), "{}", error.hint());
        }
    }

    #[test]
    fn values_that_cannot_work_are_refused() {
        for (text, key) in [
            ("[store]\nkind = \"postgres\"", "store.url_file"),
            ("[store]\nurl_env = \"X\"", "store.kind"),
            ("[keys]\nsource = \"command\"", "keys.command"),
            ("[engine]\ntasks = 0", "engine.tasks"),
            ("[daemon]\nmetrics_listen = \"0.0.0.0:9464\"", "daemon.metrics_listen"),
            ("[daemon]\npublic_url = \"https://a/?b\"", "daemon.public_url"),
            ("[listen]\naddress = \"0.0.0.0:8200\"", "listen.certificate"),
            ("[listen]\ncertificate = \"a\"", "listen.address"),
            ("[listen]\naddress = \"0.0.0.0:8200\"\ncertificate = \"a//b\"", "listen.certificate"),
            ("[[hook]]\nname = \"a\"\nargv = [\"reload\"]", "hook.a"),
            ("[[hook]]\nname = \"a/b\"\nargv = [\"/bin/true\"]", "hook.a/b"),
            (
                "[[delivery_root]]\nname = \"a\"\npath = \"/x\"\n[[delivery_root]]\nname = \"a\"\npath = \"/y\"",
                "delivery_root.a",
            ),
        ] {
            let error = load(text).expect_err("refused");
            assert!(error.to_string().contains(&format!("`{key}`")), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_can_change_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("k.toml");
        fs::write(&path, "").expect("written");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o646);
        fs::set_permissions(&path, open).expect("own file");
        assert_eq!(Config::load(Some(&path), None, None).expect_err("refused").code(), "config-unsafe");
        let missing = folder.path().join("none");
        assert_eq!(Config::load(Some(&missing), None, None).expect_err("refused").code(), "config-unreadable");
    }
}
