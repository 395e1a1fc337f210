//! Deliveries: where copies of the current value are written after a publish.
//!
//! A delivery names a folder of the configuration file, a path below it, and a template. What is wrong with it is
//! said here; writing is the engine's later work, which checks again that no link leads out of the folder.

use std::{path::Path, sync::Arc};

use keywheel_contract::Finding;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    adopt_check::no_delivery,
    asked::{Asked, conflict, invalid, read_name},
    secret_fields::check_text,
    views::DeliveryView,
};
use crate::{
    engine::{
        DeliveryRoot, Engine, FileSettings, Kind, Trouble,
        files::{check_path, parse_mode},
        template,
    },
    model::{Actor, DeliveryId, Secret, Stage, Target, Version},
    store::{Tx, agenda, delivery, delivery::Delivery, secret, target, version},
};

/// The only kind yet.
pub const FILES: &str = "files";
const LONGEST_PATH: usize = 1_024;

/// A delivery as somebody wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutDelivery {
    /// What is written, and where.
    pub files: FileSettings,
    /// Codes of findings that are knowingly accepted: `world-readable`.
    #[serde(default)]
    pub acknowledge: Vec<String>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// How a delivery is taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeleteDelivery {
    /// Codes of findings that are knowingly accepted: `no-delivery`.
    pub acknowledge: Vec<String>,
    /// Why.
    pub reason: String,
}

/// Checks what can be known without the secret. Errors: `unknown-delivery-root`, `bad-path`, `bad-mode`,
/// `delivery-owner-invalid`, `unknown-hook`; `world-readable` unless it is acknowledged.
pub(super) fn check(engine: &Engine, request: &PutDelivery) -> Result<(), Trouble> {
    let files = &request.files;
    let root = engine.find_delivery_root(&files.root)?;
    check_file_path(&files.path)?;
    check_links(root, &files.path)?;
    check_mode(&files.mode, &request.acknowledge)?;
    let is_odd = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-$".contains(c);
        name.is_empty() || name.len() > 64 || !name.chars().all(plain) || name.starts_with('-')
    };
    if let Some(odd) = [&files.owner, &files.group].into_iter().flatten().find(|name| is_odd(name)) {
        let sentence = format!("`{}` is no name of a user or group", odd.escape_debug());
        return Err(invalid("delivery-owner-invalid", sentence, "name a user or group of this host"));
    }
    files.hook.as_deref().map(|hook| engine.find_hook(hook)).transpose()?;
    Ok(())
}

fn check_mode(mode: &str, acknowledge: &[String]) -> Result<(), Trouble> {
    let bits = parse_mode(mode)?;
    if bits & 0o002 != 0 {
        let sentence = format!("`{mode}` lets every user of the host change the file");
        return Err(invalid("bad-mode", sentence, "write for example `0640`, and choose the file's `group`"));
    }
    if bits & 0o004 != 0 && !acknowledge.iter().any(|code| code == "world-readable") {
        let sentence = format!("`{mode}` lets every user of the host read the value");
        let hint = "write for example `0640` with a `group`, or repeat it with `--acknowledge world-readable`";
        return Err(Trouble::new(Kind::NeedsAcknowledgement, "world-readable", sentence, hint));
    }
    Ok(())
}

fn bad_path(path: &str, because: &str) -> Trouble {
    let sentence = format!("`{}` {because}", path.escape_debug());
    invalid("bad-path", sentence, "write a path below the root, like `billing/db.env`")
}

/// Refuses what is not a plain relative path to a file.
fn check_file_path(path: &str) -> Result<(), Trouble> {
    if path.len() > LONGEST_PATH || path.chars().any(char::is_control) {
        return Err(bad_path(path, "is no path of a file"));
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..") || part.len() > 255) {
        return Err(bad_path(path, "is not a plain path below the root"));
    }
    check_path(Path::new(path))
}

/// Refuses a path that a link leads out of its root now. A root that does not exist yet is the doctor's business.
fn check_links(root: &DeliveryRoot, path: &str) -> Result<(), Trouble> {
    let Ok(real_root) = root.path.canonicalize() else { return Ok(()) };
    let mut existing = root.path.join(path);
    loop {
        if let Ok(real) = existing.canonicalize() {
            let is_inside = real.starts_with(&real_root);
            return if is_inside { Ok(()) } else { Err(bad_path(path, "leads out of the root by a link")) };
        }
        // A dangling link would be followed when the file is written.
        if existing.symlink_metadata().is_ok() || !existing.pop() {
            return Err(bad_path(path, "leads through a link that ends nowhere"));
        }
    }
}

/// Adds a delivery to a secret, or changes the one of that name: the current version is then delivered anew.
///
/// Errors: an unknown root or hook, a bad path or mode; `template-failed`, `template-undefined`, `template-too-long`;
/// `delivery-path-taken` where another delivery of this secret writes the same file.
pub async fn put(
    engine: &Arc<Engine>,
    actor: &Actor,
    secret: &str,
    name: &str,
    request: PutDelivery,
) -> Result<DeliveryView, Trouble> {
    check_text("reason", &request.reason)?;
    check(engine, &request)?;
    let (secret, name) = (secret.to_owned(), read_delivery_name(name)?);
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                let found = asked.lock_living(tx, &secret).await?;
                let versions = version::list_live(tx, asked.keyring(), asked.tenant(), &found.id).await?;
                let put = asked.put_delivery(tx, &found, &versions, &name, &request).await?;
                agenda::pull(tx, found.id.as_str(), asked.now).await?;
                Ok(DeliveryView::of(&put, &versions))
            })
        })
        .await
}

/// Reads a delivery's name: one segment of a name.
pub(super) fn read_delivery_name(name: &str) -> Result<String, Trouble> {
    let read = read_name(name)?;
    if read.as_str().contains('/') {
        return Err(invalid("name-invalid", "a delivery's name has no slash", "write a name like `app-env`"));
    }
    Ok(read.to_string())
}

impl Asked {
    /// Puts a delivery of a secret whose row is held.
    pub(super) async fn put_delivery(
        &self,
        tx: &mut Tx,
        secret: &Secret,
        versions: &[Version],
        name: &str,
        request: &PutDelivery,
    ) -> Result<Delivery, Trouble> {
        self.try_template(tx, secret, versions, &request.files.template).await?;
        let known = delivery::list(tx, self.tenant(), &secret.id).await?;
        let settings = json!(request.files);
        if let Some(other) = known.iter().find(|d| d.name != name && same_file(&d.settings, &settings)) {
            let sentence = format!("the delivery `{}` writes the same file", other.name);
            return Err(conflict("delivery-path-taken", sentence, "choose another path"));
        }
        let old = known.into_iter().find(|delivery| delivery.name == name);
        let put = Delivery {
            id: old.as_ref().map_or_else(|| self.engine.mint(DeliveryId::mint), |old| old.id.clone()),
            secret: secret.id.clone(),
            name: name.to_owned(),
            kind: FILES.to_owned(),
            settings,
            delivered: None,
            delivered_at: None,
            attempts: 0,
            next_at: None,
            last_error: String::new(),
            created_at: old.as_ref().map_or(self.now, |old| old.created_at),
            revision: old.map_or(1, |old| old.revision + 1),
        };
        delivery::put(tx, self.tenant(), &put).await?;
        let facts = json!({
            "v": 1, "delivery": put.id, "name": put.name, "kind": put.kind, "root": request.files.root,
            "path": request.files.path, "hook": request.files.hook, "revision": put.revision,
        });
        self.tell(tx, secret, "delivery.put", facts, &request.reason, Vec::new()).await?;
        Ok(put)
    }

    /// Renders a template with made-up values for the fields that the secret has.
    async fn try_template(
        &self,
        tx: &mut Tx,
        secret: &Secret,
        versions: &[Version],
        template: &str,
    ) -> Result<(), Trouble> {
        let current = versions.iter().find(|version| version.stage == Stage::Current);
        let value = current.map(|version| self.engine.open(version)).transpose()?;
        let fields: Vec<&str> = match &value {
            Some(value) => value.field_names().collect(),
            None => vec!["username", "password"],
        };
        let target: Option<Target> = match &secret.target {
            Some(id) => target::find(tx, self.keyring(), self.tenant(), id).await?,
            None => None,
        };
        let settings = target.map_or_else(|| json!({}), |target| target.settings);
        template::check(template, secret.name.as_str(), &fields, &settings)
    }
}

fn same_file(one: &serde_json::Value, other: &serde_json::Value) -> bool {
    one["root"] == other["root"] && one["path"] == other["path"]
}

/// Lists the deliveries of a secret by name. Errors: `not-found`.
pub async fn list(engine: &Arc<Engine>, actor: &Actor, secret: &str) -> Result<Vec<DeliveryView>, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let found = asked.load_secret(&mut tx, secret).await?;
    let versions = version::list_live(&mut tx, asked.keyring(), asked.tenant(), &found.id).await?;
    let listed = delivery::list(&mut tx, asked.tenant(), &found.id).await?;
    Ok(listed.iter().map(|delivery| DeliveryView::of(delivery, &versions)).collect())
}

/// Takes a delivery away; what it has written stays. Errors: `not-found`; `acknowledgement-needed` where nothing else
/// brings the value of a secret without overlap to its application.
pub async fn delete(
    engine: &Arc<Engine>,
    actor: &Actor,
    secret: &str,
    name: &str,
    request: DeleteDelivery,
) -> Result<(), Trouble> {
    let (secret, name) = (secret.to_owned(), name.to_owned());
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| Box::pin(async move { asked.delete_delivery(tx, &secret, &name, &request).await }))
        .await
}

impl Asked {
    async fn delete_delivery(
        &self,
        tx: &mut Tx,
        secret: &str,
        name: &str,
        request: &DeleteDelivery,
    ) -> Result<(), Trouble> {
        let mut found = self.lock_living(tx, secret).await?;
        let known = delivery::list(tx, self.tenant(), &found.id).await?;
        let gone = known.iter().find(|delivery| delivery.name == name).ok_or_else(|| {
            let hint = format!("`keywheel delivery list {}` shows what exists", found.name);
            let sentence = format!("`{}` has no delivery `{name}`", found.name);
            Trouble::new(Kind::NotFound, "not-found", sentence, hint)
        })?;
        let mut written = Vec::new();
        if let Some(finding) = self.without_delivery(tx, &found, known.len() - 1).await? {
            let given = self.acknowledge(&mut found, &[finding], &request.acknowledge)?;
            if given {
                written.push(secret::update(tx, self.keyring(), &mut found).await?);
            }
        }
        delivery::delete(tx, self.tenant(), &gone.id).await?;
        let facts = json!({ "v": 1, "delivery": gone.id, "name": gone.name });
        self.tell(tx, &found, "delivery.deleted", facts, &request.reason, written).await?;
        Ok(agenda::pull(tx, found.id.as_str(), self.now).await?)
    }

    /// The finding that a managed secret without overlap would be left without a delivery.
    async fn without_delivery(&self, tx: &mut Tx, secret: &Secret, left: usize) -> Result<Option<Finding>, Trouble> {
        let Some(id) = &secret.target else { return Ok(None) };
        let Some(target) = target::find(tx, self.keyring(), self.tenant(), id).await? else { return Ok(None) };
        let declared = self.engine.rotators.find(&target.rotator)?.declare(&target.settings, &secret.settings)?;
        Ok(no_delivery(&declared, left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_below_the_root_are_taken() {
        assert!(check_file_path("billing/db.env").is_ok());
        assert!(check_file_path("a b/c").is_ok());
        for path in ["", "/etc/passwd", "../x", "a/../x", "a/./x", "a//x", "a/", "a\nb", "."] {
            assert!(check_file_path(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_link_out_of_the_root_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = DeliveryRoot { path: folder.path().join("root") };
        std::fs::create_dir(&root.path).expect("made");
        std::os::unix::fs::symlink(folder.path(), root.path.join("out")).expect("linked");
        std::os::unix::fs::symlink("nowhere", root.path.join("dangling")).expect("linked");
        assert!(check_links(&root, "new/file").is_ok());
        assert!(check_links(&root, "out/file").is_err());
        assert!(check_links(&root, "dangling").is_err());
    }

    #[test]
    fn others_get_in_by_an_acknowledgement_alone_and_never_write() {
        let code = |mode: &str, given: &[&str]| {
            let given: Vec<String> = given.iter().map(|code| (*code).to_owned()).collect();
            check_mode(mode, &given).err().map(|trouble| trouble.code.into_owned())
        };
        assert_eq!(code("0640", &[]), None);
        assert_eq!(code("0644", &[]).as_deref(), Some("world-readable"));
        assert_eq!(code("0644", &["world-readable"]), None);
        for mode in ["0646", "4640", "0040", "x", "", "0750"] {
            assert_eq!(code(mode, &["world-readable"]).as_deref(), Some("bad-mode"), "{mode}");
        }
    }
}
