//! The rotators of this binary, and what of this host they may use.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use keywheel_certificate::{
    acme::{Acme, Lent, Mirror, solver::Program},
    host::{FolderMode, HookError, Hooks, InstallRoot, InstallRules, KeyMode},
    rotator::{CertificateRotator, Host},
};
use keywheel_database::PostgresRotator;

use crate::{
    config::Config,
    engine::{Hook, HookFailure, Rotators},
};

/// Every rotator, by kind.
pub(super) fn all(config: &Config, hooks: &BTreeMap<String, Hook>) -> Rotators {
    let hooks = Arc::new(Configured { hooks: hooks.clone(), usual: config.engine.step_deadline.as_duration() });
    let host = Host {
        roots: config.install_roots.iter().map(|root| (root.name.clone(), install_root(root))).collect(),
        hooks: Arc::clone(&hooks) as Arc<dyn Hooks>,
        acme: Some(Arc::new(Acme::new(lent(config, &hooks), mirror(&config.daemon.data_dir)))),
    };
    Rotators::default().with(Arc::new(PostgresRotator::new())).with(Arc::new(CertificateRotator::new(host)))
}

fn install_root(root: &crate::config::InstallRoot) -> InstallRoot {
    let rules = InstallRules {
        owner: root.owner.clone(),
        group: root.group.clone(),
        key_mode: KeyMode::parse(&root.key_mode).unwrap_or_default(),
        folder_mode: FolderMode::parse(&root.folder_mode).unwrap_or_default(),
    };
    InstallRoot::new(&root.name, &root.path, rules)
}

/// What orders at public authorities may use: install roots as folders of web servers, hooks as programs that set DNS
/// records.
fn lent(config: &Config, hooks: &Arc<Configured>) -> Lent {
    let program = |name: &String| {
        let one = One { hooks: Arc::clone(hooks), name: name.clone() };
        (name.clone(), Arc::new(one) as Arc<dyn Program>)
    };
    Lent {
        webroots: config.install_roots.iter().map(|root| (root.name.clone(), root.path.clone())).collect(),
        programs: hooks.hooks.keys().map(program).collect(),
        resolver: config.acme.resolver,
    }
}

/// What public authorities were asked lately, so that their limits are not run into after a restart. Kept in a file of
/// the data directory that holds no secret; one that cannot be read or written costs no more than that memory.
fn mirror(data_dir: &Path) -> Mirror {
    let file = data_dir.join("acme-limits.json");
    let kept = file.clone();
    let mirror = Mirror::default().kept_by(move |text| {
        let fresh = kept.with_extension("new");
        if let Err(error) = std::fs::write(&fresh, text).and_then(|()| std::fs::rename(&fresh, &kept)) {
            tracing::warn!(file = %kept.display(), %error, "what public authorities were asked is not kept");
        }
    });
    if let Ok(text) = std::fs::read_to_string(&file)
        && !mirror.restore(&text)
    {
        tracing::warn!(file = %file.display(), "what public authorities were asked cannot be read");
    }
    mirror
}

/// One hook, as a program that sets DNS records.
struct One {
    hooks: Arc<Configured>,
    name: String,
}

#[async_trait]
impl Program for One {
    async fn run(&self, arguments: &[&str]) -> Result<(), String> {
        let Some(hook) = self.hooks.hooks.get(&self.name) else { return Err("the hook is gone".to_owned()) };
        hook.run_with(arguments, self.hooks.usual).await.map_err(|failure| failure.to_string())
    }
}

/// The hooks of the configuration file.
struct Configured {
    hooks: BTreeMap<String, Hook>,
    usual: Duration,
}

#[async_trait]
impl Hooks for Configured {
    fn knows(&self, name: &str) -> bool {
        self.hooks.contains_key(name)
    }

    fn limit(&self, name: &str) -> Duration {
        let limit = self.hooks.get(name).map_or(Duration::ZERO, |hook| hook.timeout);
        if limit.is_zero() { self.usual } else { limit }
    }

    async fn run(&self, name: &str) -> Result<(), HookError> {
        let name_of = || name.to_owned();
        let Some(hook) = self.hooks.get(name) else { return Err(HookError::Unknown { name: name_of() }) };
        hook.run_with(&[], self.usual).await.map_err(|failure| match failure {
            HookFailure::NotStarted(because) => HookError::NotStarted { name: name_of(), because },
            HookFailure::Failed { status, said } => HookError::Failed { name: name_of(), status, said },
            HookFailure::TimedOut(after) => HookError::TimedOut { name: name_of(), after },
        })
    }
}
