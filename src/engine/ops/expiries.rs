//! What expires when: a list, a calendar, and the emergency that lifts a deactivation.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::{
    asked::{Asked, invalid},
    secret_fields::{check_text, read_duration},
    wire::Moment,
};
use crate::{
    clock::micros,
    engine::{
        Engine, Trouble,
        notices::{
            rules::Override,
            warn::{find_expiry, read_standing},
        },
    },
    expiry::{CalendarRow, ReadStanding, calendar},
    model::{Actor, Secret},
    store::{Tx, agenda, schedule, secret},
};

/// Rows read at a time.
const ROWS: i64 = 500;

/// The longest emergency: a week, in microseconds.
const LONGEST_OVERRIDE: i64 = 7 * 86_400 * 1_000_000;

/// How far ahead to look.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ListExpiring {
    /// Such as `60d`; everything with a date if it is not given.
    pub within: Option<String>,
    /// An owner.
    pub owner: Option<String>,
}

/// Something that expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExpiringLine {
    /// The secret's name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Who answers for it.
    pub owner: String,
    /// When it expires, or did.
    pub expires_at: Moment,
    /// When keywheel rotates it by itself, if it does.
    pub rotates_at: Option<Moment>,
    /// What was told last, such as `14d`.
    pub told: Option<String>,
    /// `readable`, `deactivated` or `overridden`.
    pub standing: String,
}

/// An emergency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideExpiry {
    /// For how long reads go on, at most `7d`.
    #[serde(rename = "for")]
    pub lasting: String,
    /// Why.
    pub reason: String,
}

/// Lists what expires, the earliest first. Errors: a duration that cannot be read.
pub async fn list(engine: &Arc<Engine>, actor: &Actor, request: &ListExpiring) -> Result<Vec<ExpiringLine>, Trouble> {
    let asked = Asked::new(engine, actor);
    let within = request.within.as_deref().map(|text| read_duration("within", text)).transpose()?;
    let until = within.map(|us| asked.now + TimeDelta::microseconds(us));
    let mut tx = engine.store.read().await?;
    let mut lines = Vec::new();
    for found in asked.list_dated(&mut tx, until).await? {
        if request.owner.as_ref().is_none_or(|owner| *owner == found.owner) {
            lines.push(asked.line_of(&mut tx, &found).await?);
        }
    }
    lines.sort_by(|one: &ExpiringLine, other| one.expires_at.cmp(&other.expires_at).then(one.name.cmp(&other.name)));
    Ok(lines)
}

impl Asked {
    async fn list_dated(&self, tx: &mut Tx, until: Option<DateTime<Utc>>) -> Result<Vec<Secret>, Trouble> {
        let (mut dated, mut after) = (Vec::new(), String::new());
        loop {
            let rows = secret::list(tx, self.keyring(), self.tenant(), "", &after, ROWS).await?;
            let is_last = i64::try_from(rows.len()).is_ok_and(|read| read < ROWS);
            for row in rows {
                row.name.as_str().clone_into(&mut after);
                let is_meant = row.expires_at.is_some_and(|at| until.is_none_or(|until| at <= until));
                if is_meant && row.deleted_at.is_none() {
                    dated.push(row);
                }
            }
            if is_last {
                return Ok(dated);
            }
        }
    }

    async fn line_of(&self, tx: &mut Tx, secret: &Secret) -> Result<ExpiringLine, Trouble> {
        let expiry = find_expiry(tx, self.keyring(), secret).await?;
        let rules = expiry.as_ref().map(|expiry| &expiry.rules);
        let standing = match read_standing(secret, rules, self.now, self.engine.held_since()) {
            ReadStanding::Readable => "readable",
            ReadStanding::Deactivated { .. } => "deactivated",
            ReadStanding::Overridden { .. } => "overridden",
        };
        let plan = schedule::find(tx, self.keyring(), self.tenant(), &secret.id).await?;
        let plan = plan.filter(|row| row.paused_at.is_none()).and_then(|row| row.next_due_at);
        Ok(ExpiringLine {
            name: secret.name.to_string(),
            kind: secret.kind.clone(),
            owner: secret.owner.clone(),
            expires_at: Moment(secret.expires_at.unwrap_or(self.now)),
            rotates_at: plan.map(Moment),
            told: rules.and_then(|rules| rules.told.as_ref()).map(|told| told.rung.to_string()),
            standing: standing.to_owned(),
        })
    }
}

/// An iCalendar feed of expiries and planned rotations.
pub async fn feed(engine: &Arc<Engine>, actor: &Actor) -> Result<String, Trouble> {
    let lines = list(engine, actor, &ListExpiring::default()).await?;
    let asked = Asked::new(engine, actor);
    let mut rows = Vec::new();
    for line in &lines {
        rows.push(CalendarRow {
            uid: format!("expiry-{}@keywheel", line.name),
            summary: format!("{} expires", line.name),
            description: format!("owner: {}", line.owner),
            at: line.expires_at.0,
            categories: vec!["expiry".to_owned()],
        });
    }
    let mut tx = engine.store.read().await?;
    let mut after = String::new();
    loop {
        let plans = schedule::list(&mut tx, asked.keyring(), asked.tenant(), &after, ROWS).await?;
        let is_last = i64::try_from(plans.len()).is_ok_and(|read| read < ROWS);
        for plan in plans {
            plan.secret.as_str().clone_into(&mut after);
            let Some(at) = plan.next_due_at.filter(|_| plan.paused_at.is_none()) else { continue };
            let found = secret::find(&mut tx, asked.keyring(), asked.tenant(), &plan.secret).await?;
            let Some(found) = found.filter(|found| found.deleted_at.is_none()) else { continue };
            rows.push(CalendarRow {
                uid: format!("rotation-{}@keywheel", found.name),
                summary: format!("{} is rotated", found.name),
                description: format!("owner: {}", found.owner),
                at,
                categories: vec!["rotation".to_owned()],
            });
        }
        if is_last {
            return Ok(calendar("keywheel", asked.now, &rows));
        }
    }
}

/// Lets a deactivated value be read for a while. Errors: `not-found`, `not-expiring`, `reason-missing`,
/// `override-too-long`.
pub async fn lift(engine: &Arc<Engine>, actor: &Actor, name: &str, request: OverrideExpiry) -> Result<Moment, Trouble> {
    check_text("reason", &request.reason)?;
    if request.reason.trim().is_empty() {
        return Err(invalid("reason-missing", "an emergency needs a reason", "say why with `--reason`"));
    }
    let lasting = read_duration("for", &request.lasting)?;
    if !(1..=LONGEST_OVERRIDE).contains(&lasting) {
        let sentence = format!("`{}` is not between a second and `7d`", request.lasting);
        return Err(invalid("override-too-long", sentence, "give a short time, and rotate meanwhile"));
    }
    let name = name.to_owned();
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                let found = asked.lock_living(tx, &name).await?;
                if found.expires_at.is_none() {
                    let sentence = format!("`{name}` never expires");
                    return Err(invalid("not-expiring", sentence, "nothing is to be lifted"));
                }
                let until = asked.now + TimeDelta::microseconds(lasting);
                let known = find_expiry(tx, asked.keyring(), &found).await?;
                let mut expiry = known.unwrap_or_else(|| asked.engine.new_expiry(&found));
                expiry.rules.overridden = Some(Override {
                    until: micros(until),
                    reason: request.reason.clone(),
                    actor: asked.actor.to_string(),
                });
                let written = asked.engine.put_expiry(tx, &mut expiry).await?;
                let facts = json!({ "v": 1, "until": micros(until) });
                asked.tell(tx, &found, "secret.expiry_overridden", facts, &request.reason, vec![written]).await?;
                agenda::pull(tx, found.id.as_str(), asked.now).await?;
                Ok(Moment(until))
            })
        })
        .await
}
