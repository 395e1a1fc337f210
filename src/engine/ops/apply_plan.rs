//! What differs between what is declared and what is.

use serde_json::{Value, json};

use super::{
    apply::{Action, DeclaredSecret, DeclaredTarget},
    asked::{Asked, conflict, invalid, read_name},
    schedules::read_schedule,
    secrets::About,
};
use crate::{
    engine::{Trouble, notices::warn::find_expiry},
    model::{Name, Secret},
    store::{Tx, delivery, schedule, target, version},
};

/// What differs.
#[expect(clippy::struct_excessive_bools, reason = "each is an independent difference")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) is_new: bool,
    /// Of a target: its settings. Of a managed secret: its rotator's settings, or that it becomes managed.
    pub(super) account: bool,
    /// The value of an unmanaged secret.
    pub(super) value: bool,
    pub(super) about: bool,
    /// The date of the expiry, which is part of `about`.
    pub(super) date: bool,
    pub(super) schedule: bool,
    /// The names of deliveries that differ or are missing.
    pub(super) deliveries: Vec<String>,
    /// Which keys differ.
    pub(super) keys: Vec<&'static str>,
}

impl Compared {
    pub(super) fn action(&self) -> Action {
        if self.is_new {
            Action::Create
        } else if *self == Self::default() {
            Action::Keep
        } else {
            Action::Change
        }
    }

    /// What differs, in a few words each.
    pub(super) fn words(&self) -> Vec<String> {
        let deliveries = self.deliveries.iter().map(|name| format!("delivery `{name}`"));
        let keys = self.keys.iter().map(|key| (*key).to_owned());
        keys.chain(deliveries).collect()
    }

    pub(super) fn note(&mut self, differs: bool, key: &'static str) -> bool {
        if differs {
            self.keys.push(key);
        }
        differs
    }
}

/// Whether every given key has the given value; what is not given is not compared.
fn covers(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (_, Value::Null) => true,
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| found.get(key) == Some(value))
                && found.keys().all(|key| wanted.contains_key(key) || key == "self_managed")
        }
        _ => found == wanted,
    }
}

impl Asked {
    pub(super) async fn compare_target(&self, wanted: &DeclaredTarget) -> Result<Compared, Trouble> {
        let name = read_name(&wanted.name)?;
        let mut tx = self.engine.store.read().await?;
        let found = target::find_by_name(&mut tx, self.keyring(), self.tenant(), &name).await?;
        self.engine.rotators.find(&wanted.rotator)?.address(&wanted.settings)?;
        let mut compared = Compared::default();
        let Some(found) = found else {
            compared.is_new = true;
            compared.note(true, "target");
            return Ok(compared);
        };
        let settings = compared.note(!covers(&found.settings, &wanted.settings), "settings");
        let rotator = compared.note(found.rotator != wanted.rotator, "rotator");
        let admin = compared.note(found.admin.as_ref().map(Name::as_str) != wanted.admin.as_deref(), "admin");
        let parallel = compared.note(wanted.parallel.is_some_and(|parallel| parallel != found.parallel), "parallel");
        let is_missing = |code: &String| found.acknowledged.iter().all(|given| given.code != *code);
        let acknowledge = compared.note(wanted.acknowledge.iter().any(is_missing), "acknowledge");
        compared.account = settings || rotator || admin || parallel || acknowledge;
        Ok(compared)
    }

    pub(super) async fn compare_secret(&self, wanted: &DeclaredSecret) -> Result<Compared, Trouble> {
        let name = read_name(&wanted.name)?;
        check_declared(wanted)?;
        let tx = &mut self.engine.store.read().await?;
        let mut compared = Compared::default();
        let Some(found) = self.find_secret(tx, &name).await? else {
            compared.is_new = true;
            compared.note(true, if wanted.target.is_some() { "adopt" } else { "secret" });
            compared.deliveries = wanted.delivery.iter().map(|delivery| delivery.name.clone()).collect();
            return Ok(compared);
        };
        super::asked::refuse_deleted(&found)?;
        self.compare_account(tx, wanted, &found, &mut compared).await?;
        let mut about = wanted.about();
        if wanted.target.is_some() {
            // Rotations have dated it anew since.
            about.expires_at = None;
        }
        self.compare_about(tx, &about, &found, &mut compared).await?;
        if let Some(text) = &wanted.schedule {
            let kept = schedule::find(tx, self.keyring(), self.tenant(), &found.id).await?;
            let rule = json!(read_schedule(text)?);
            compared.schedule = compared.note(kept.is_none_or(|kept| kept.rule != rule), "schedule");
        }
        let known = delivery::list(tx, self.tenant(), &found.id).await?;
        let differs =
            |name: &str, files: &Value| !known.iter().any(|kept| kept.name == name && kept.settings == *files);
        let deliveries = wanted.delivery.iter().filter(|delivery| differs(&delivery.name, &json!(delivery.files)));
        compared.deliveries = deliveries.map(|delivery| delivery.name.clone()).collect();
        Ok(compared)
    }

    /// Compares what is said about a secret, and how it expires.
    pub(super) async fn compare_about(
        &self,
        tx: &mut Tx,
        about: &About,
        found: &Secret,
        compared: &mut Compared,
    ) -> Result<(), Trouble> {
        let (mut undated, mut dated) = (found.clone(), found.clone());
        About { expires_at: None, ..about.clone() }.apply_to(&mut undated)?;
        about.apply_to(&mut dated)?;
        let rules = find_expiry(tx, self.keyring(), found).await?.map(|expiry| expiry.rules).unwrap_or_default();
        let mut wanted = rules.clone();
        about.apply_to_rules(&mut wanted)?;
        compared.date =
            compared.note(dated.expires_at != found.expires_at || wanted.is_dated != rules.is_dated, "date");
        wanted.is_dated = rules.is_dated;
        let expiry = compared.note(wanted != rules, "expiry");
        let said = compared.note(undated != *found, "about");
        compared.about = said || expiry || compared.date;
        Ok(())
    }

    async fn compare_account(
        &self,
        tx: &mut Tx,
        wanted: &DeclaredSecret,
        found: &Secret,
        compared: &mut Compared,
    ) -> Result<(), Trouble> {
        let Some(name) = &wanted.target else {
            if found.target.is_some() {
                let sentence = format!("`{}` is managed, and declared without a target", found.name);
                return Err(conflict("secret-managed", sentence, "declare its target"));
            }
            let current = version::find_current(tx, self.keyring(), self.tenant(), &found.id).await?;
            let value = wanted.value();
            let differs = value.is_some_and(|value| !current.is_some_and(|current| self.has_value(&current, &value)));
            compared.value = compared.note(differs, "value");
            return Ok(());
        };
        let place = target::find_by_name(tx, self.keyring(), self.tenant(), &read_name(name)?).await?;
        let is_there = place.is_some_and(|place| found.target.as_ref() == Some(&place.id));
        let adopts = compared.note(!is_there, "adopt");
        let settings = compared.note(is_there && !covers(&found.settings, &wanted.settings), "settings");
        compared.account = adopts || settings;
        Ok(())
    }
}

fn check_declared(wanted: &DeclaredSecret) -> Result<(), Trouble> {
    let wrong = |sentence: String, hint: &str| Err(invalid("declaration-invalid", sentence, hint));
    if wanted.target.is_none() && (wanted.schedule.is_some() || wanted.unknown) {
        let sentence = format!("`{}` has no target, so nothing can rotate it", wanted.name);
        return wrong(sentence, "add `target`, or take out `schedule` and `unknown`");
    }
    if wanted.expires_at.is_some() && wanted.lasts.is_some() {
        let sentence = format!("`{}` has a date, and a life that dates it", wanted.name);
        return wrong(sentence, "keep one of `expires_at` and `lasts`");
    }
    if wanted.unknown && wanted.password.is_some() {
        let sentence = format!("`{}` has a password, and it is said to be unknown", wanted.name);
        return wrong(sentence, "keep one of them");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_equal_but_for_what_keywheel_adds() {
        let found = json!({ "role": "app", "self_managed": true });
        assert!(covers(&found, &json!({ "role": "app" })));
        assert!(covers(&found, &Value::Null));
        assert!(!covers(&found, &json!({ "role": "other" })));
        assert!(!covers(&json!({ "role": "app", "database": "x" }), &json!({ "role": "app" })));
    }

    #[test]
    fn what_does_not_differ_is_kept() {
        assert_eq!(Compared::default().action(), Action::Keep);
        assert_eq!(Compared { is_new: true, ..Compared::default() }.action(), Action::Create);
        let changed = Compared { deliveries: vec!["env".into()], ..Compared::default() };
        assert_eq!((changed.action(), changed.words()), (Action::Change, vec!["delivery `env`".to_owned()]));
    }
}
