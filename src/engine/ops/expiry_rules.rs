//! What people decide about the expiry of a secret, kept beside it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    asked::{Asked, invalid},
    secrets::About,
    wire::{Moment, moment},
};
use crate::{
    clock::micros,
    engine::{
        Trouble,
        notices::{
            rules::ExpiryRules,
            warn::{Expiry, find_expiry, thread},
        },
    },
    expiry::{LadderRule, LadderText, OnExpiry},
    model::{Secret, Stage},
    schedule::HumanDuration,
    store::{Tx, Written, version},
};

/// How a secret expires, as somebody decided it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExpiryView {
    /// When to warn, where it is not the usual ladder.
    #[schema(value_type = Object)]
    pub ladder: LadderText,
    /// What an expiry does to reads, where it is not the usual.
    pub on_expiry: Option<String>,
    /// The life of each version.
    pub lasts: Option<String>,
    /// The most urgent warning that was told.
    pub told: Option<String>,
    /// Until when an emergency lifts a deactivation.
    pub overridden_until: Option<Moment>,
    /// Why.
    pub override_reason: Option<String>,
}

impl ExpiryView {
    pub(super) fn of(rules: &ExpiryRules) -> Self {
        Self {
            ladder: rules.ladder.clone().into(),
            on_expiry: rules.on_expiry.map(|action| action.to_string()),
            lasts: rules.lasts.map(|lasts| lasts.to_string()),
            told: rules.told.as_ref().map(|told| told.rung.to_string()),
            overridden_until: moment(rules.override_until()),
            override_reason: rules.overridden.as_ref().map(|overridden| overridden.reason.clone()),
        }
    }
}

impl About {
    /// Whether it says anything about the expiry.
    fn decides(&self) -> bool {
        self.expires_at.is_some() || self.lasts.is_some() || self.ladder.is_some() || self.on_expiry.is_some()
    }

    /// Writes what is given into the rules. Errors: a ladder, an action or a life that cannot be read.
    pub(super) fn apply_to_rules(&self, rules: &mut ExpiryRules) -> Result<(), Trouble> {
        if let Some(date) = &self.expires_at {
            rules.is_dated = !date.is_empty();
        }
        if let Some(text) = self.lasts.as_deref() {
            rules.lasts = (!text.is_empty()).then(|| read_life(text)).transpose()?;
        }
        if let Some(text) = &self.ladder {
            rules.ladder = LadderRule::try_from(text.clone())
                .map_err(|error| invalid(error.code(), error.to_string(), error.hint()))?;
        }
        if let Some(text) = self.on_expiry.as_deref() {
            let read = |text: &str| {
                text.parse::<OnExpiry>().map_err(|error| invalid(error.code(), error.to_string(), error.hint()))
            };
            rules.on_expiry = (!text.is_empty()).then(|| read(text)).transpose()?;
        }
        Ok(())
    }
}

fn read_life(text: &str) -> Result<HumanDuration, Trouble> {
    text.parse().map_err(|error: crate::schedule::DurationError| {
        invalid(error.code(), format!("`lasts`: {error}"), error.hint())
    })
}

impl Asked {
    /// Keeps what is decided about the expiry, and dates the secret by it. `born_at` is given where a new version
    /// begins. Where a warned date is over with, that is told.
    ///
    /// Errors: a ladder, an action or a life that cannot be read; `expiry-past` for a new date that is over.
    pub(super) async fn keep_expiry(
        &self,
        tx: &mut Tx,
        before: &Secret,
        after: &mut Secret,
        about: &About,
        born_at: Option<DateTime<Utc>>,
    ) -> Result<Vec<Written>, Trouble> {
        let known = find_expiry(tx, self.keyring(), before).await?;
        let lasts = known.as_ref().and_then(|expiry| expiry.rules.lasts);
        if !about.decides() && (born_at.is_none() || lasts.is_none()) {
            return Ok(Vec::new());
        }
        let is_new_date = about.expires_at.as_deref().is_some_and(|text| !text.is_empty());
        if is_new_date && after.expires_at.is_some_and(|at| at <= self.now) {
            let sentence = format!("the date of `{}` is over", after.name);
            return Err(invalid("expiry-past", sentence, "give a date that is yet to come"));
        }
        let mut expiry = known.unwrap_or_else(|| self.engine.new_expiry(after));
        about.apply_to_rules(&mut expiry.rules)?;
        if let Some(lasts) = expiry.rules.lasts.filter(|_| !is_new_date && (born_at.is_some() || about.lasts.is_some()))
        {
            let born_at = match born_at {
                Some(born_at) => born_at,
                None => self.born_at(tx, before).await?,
            };
            after.expires_at = Some(born_at + lasts.as_delta());
        }
        if before.expires_at != after.expires_at {
            self.end_warning(tx, before, &mut expiry).await?;
        }
        Ok(vec![self.engine.put_expiry(tx, &mut expiry).await?])
    }

    async fn born_at(&self, tx: &mut Tx, secret: &Secret) -> Result<DateTime<Utc>, Trouble> {
        let live = version::list_live(tx, self.keyring(), self.tenant(), &secret.id).await?;
        let current = live.iter().find(|version| version.stage == Stage::Current);
        Ok(current.and_then(|current| current.published_at).unwrap_or(secret.created_at))
    }

    /// Tells that the warned date of a secret is over with, and counts its life from now.
    async fn end_warning(&self, tx: &mut Tx, before: &Secret, expiry: &mut Expiry) -> Result<(), Trouble> {
        expiry.rules.registered_at = micros(self.now);
        expiry.rules.overridden = None;
        let told = expiry.rules.told.take();
        let Some(_) = told.zip(before.expires_at).filter(|(told, at)| told.expires_at == micros(*at)) else {
            return Ok(());
        };
        let live = version::list_live(tx, self.keyring(), self.tenant(), &before.id).await?;
        let current = live.iter().find(|version| version.stage == Stage::Current).map(|current| &current.id);
        let facts = json!({ "v": 1, "thread": thread(before, current) });
        Ok(self.engine.append_of_secret(tx, before, "expiry.resolved", facts, Vec::new()).await?)
    }
}
