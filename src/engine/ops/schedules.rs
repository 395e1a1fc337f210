//! Schedules: when a secret is rotated, and what will not work about that, said when it is configured.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use keywheel_contract::{Finding, FindingKind};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    asked::{Asked, conflict, invalid},
    secret_fields::check_text,
    views::FindingView,
    wire::{Moment, moment},
};
use crate::{
    engine::{Engine, Kind, Trouble, due},
    model::{Actor, ScheduleRow, Secret, Stage, Version},
    schedule::{self, DueContext, Lifetime, NextDue, Schedule, ScheduleText, check, next_due, zone_data_version},
    store::{Tx, Written, agenda, schedule as rows, secret, version},
};

/// How many coming moments are shown.
const SHOWN: usize = 5;

/// A schedule as somebody wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSchedule {
    /// The rule: one of `every`, `cron`, `name`, `at_lifetime`, `manual`; with `timezone`, `window`, `freeze`,
    /// `jitter`, `missed`.
    #[schema(value_type = Object)]
    pub schedule: ScheduleText,
    /// Codes of findings that are knowingly accepted.
    #[serde(default)]
    pub acknowledge: Vec<String>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A schedule as it is kept, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleView {
    /// The rule.
    #[schema(value_type = Object)]
    pub schedule: ScheduleText,
    /// When the next rotation is due; none where there is no next one.
    pub next_due_at: Option<Moment>,
    /// The next moments as they follow from the rule, window, freezes and expiry now.
    pub coming: Vec<Moment>,
    /// Since when it is paused.
    pub paused_at: Option<Moment>,
    /// Why it is paused.
    pub pause_reason: String,
    /// What intervals count from.
    pub counted_from: Moment,
    /// The release of the time-zone data by which the due time was made.
    pub zone_data: String,
    /// What a person should know about it.
    pub findings: Vec<FindingView>,
    /// Grows by one with each change.
    pub revision: i64,
}

fn finding(found: schedule::Finding) -> Finding {
    use schedule::Finding as F;
    let kind = match found {
        F::NoOccurrence
        | F::NoLifetime
        | F::NoAllowedSlot
        | F::NoSlotBeforeDeadline { .. }
        | F::ManualExpires { .. } => FindingKind::NeedsAcknowledgement,
        F::RuleAfterDeadline { .. } | F::CronOutsideWindow | F::MarginCut { .. } | F::BornExpired | F::JitterCut => {
            FindingKind::Note
        }
    };
    let (code, hint) = (found.code().to_owned(), found.hint().to_owned());
    Finding { code, kind, sentence: found.to_string(), hint }
}

/// Reads the text of a schedule. Errors: what the schedule says about it.
pub(super) fn read_schedule(text: &ScheduleText) -> Result<Schedule, Trouble> {
    Schedule::try_from(text.clone()).map_err(|error| {
        let beneath = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        invalid(error.code(), format!("{error}{beneath}"), error.hint())
    })
}

impl Asked {
    /// What a schedule must be told about a secret.
    pub(super) fn due_context<'s>(
        &self,
        secret: &'s Secret,
        current: Option<&Version>,
        counted_from: DateTime<Utc>,
    ) -> DueContext<'s> {
        let published_at = current.and_then(|version| version.published_at);
        DueContext {
            after: counted_from,
            now: self.now,
            secret_id: secret.id.as_str(),
            lifetime: published_at
                .zip(secret.expires_at)
                .map(|(starts_at, expires_at)| Lifetime { starts_at, expires_at }),
            expiry_margin: self.engine.options.expiry_margin,
        }
    }

    pub(super) fn view_schedule(
        &self,
        secret: &Secret,
        current: Option<&Version>,
        row: &ScheduleRow,
    ) -> Result<ScheduleView, Trouble> {
        let schedule = due::read(row)?;
        let compiled = schedule.compile();
        let cx = self.due_context(secret, current, row.counted_from);
        let findings = check(&compiled, &cx).into_iter().map(finding);
        let mut coming: Vec<Moment> = Vec::new();
        let mut walk = Walk::new(cx, row.next_due_at);
        while coming.len() < SHOWN
            && let Some((at, _)) = walk.next(&compiled)
        {
            coming.push(at.into());
        }
        Ok(ScheduleView {
            schedule: schedule.into(),
            next_due_at: moment(row.next_due_at),
            coming,
            paused_at: moment(row.paused_at),
            pause_reason: row.pause_reason.clone(),
            counted_from: row.counted_from.into(),
            zone_data: row.zone_data.clone(),
            findings: findings.map(|f| FindingView::of(&f, secret.acknowledges(&f.code, &f.sentence))).collect(),
            revision: row.revision,
        })
    }

    /// A schedule's row with its next due time, and what was found about it.
    pub(super) fn planned_row(
        &self,
        secret: &Secret,
        current: Option<&Version>,
        schedule: &Schedule,
        old: Option<ScheduleRow>,
    ) -> (ScheduleRow, Vec<Finding>) {
        let by_rotation = current.filter(|version| version.rotation.is_some()).and_then(|version| version.published_at);
        let mut row = old.unwrap_or_else(|| ScheduleRow {
            secret: secret.id.clone(),
            tenant: secret.tenant.clone(),
            rule: json!(null),
            paused_at: None,
            pause_reason: String::new(),
            counted_from: by_rotation.unwrap_or(self.now),
            next_due_at: None,
            zone_data: String::new(),
            revision: 0,
        });
        let compiled = schedule.compile();
        let cx = self.due_context(secret, current, row.counted_from);
        row.rule = json!(schedule);
        row.next_due_at = due_at(next_due(&compiled, &cx));
        zone_data_version().clone_into(&mut row.zone_data);
        let findings = check(&compiled, &cx).into_iter().map(finding).collect();
        (row, findings)
    }

    /// After a change of the expiry: pulls the plan forward where the rule now gives an earlier time; never back.
    pub(super) async fn pull_plan_forward(&self, tx: &mut Tx, secret: &Secret) -> Result<Option<Written>, Trouble> {
        let Some(mut row) = rows::find(tx, self.keyring(), self.tenant(), &secret.id).await? else { return Ok(None) };
        let current = version::find_current(tx, self.keyring(), self.tenant(), &secret.id).await?;
        let cx = self.due_context(secret, current.as_ref(), row.counted_from);
        let due = due_at(next_due(&due::read(&row)?.compile(), &cx));
        if due.is_none() || row.next_due_at.is_some_and(|planned| due >= Some(planned)) {
            return Ok(None);
        }
        row.next_due_at = due;
        Ok(Some(rows::put(tx, self.keyring(), &mut row).await?))
    }

    /// After a publish by a person's decision: counts from now on.
    pub(super) async fn count_anew(
        &self,
        tx: &mut Tx,
        secret: &Secret,
        current: Option<&Version>,
    ) -> Result<Option<Written>, Trouble> {
        let Some(mut row) = rows::find(tx, self.keyring(), self.tenant(), &secret.id).await? else { return Ok(None) };
        row.counted_from = self.now;
        let cx = self.due_context(secret, current, row.counted_from);
        row.next_due_at = due_at(next_due(&due::read(&row)?.compile(), &cx));
        Ok(Some(rows::put(tx, self.keyring(), &mut row).await?))
    }
}

fn due_at(next: NextDue) -> Option<DateTime<Utc>> {
    match next {
        NextDue::At(due) => Some(due.at),
        NextDue::Never(_) => None,
    }
}

/// The moments that follow from a schedule, as if each rotation were published at its moment.
pub(super) struct Walk<'s> {
    cx: DueContext<'s>,
    first: Option<DateTime<Utc>>,
}

impl<'s> Walk<'s> {
    /// Begins with the kept due time.
    pub(super) fn new(cx: DueContext<'s>, first: Option<DateTime<Utc>>) -> Self {
        Self { cx, first }
    }

    /// The next moment, and what decided on it; the kept one has no reason.
    pub(super) fn next(
        &mut self,
        schedule: &schedule::CompiledSchedule,
    ) -> Option<(DateTime<Utc>, Option<schedule::Because>)> {
        let (at, because) = match self.first.take() {
            Some(kept) => {
                let because = match next_due(schedule, &self.cx) {
                    NextDue::At(due) if due.at == kept => Some(due.because),
                    _ => None,
                };
                (kept, because)
            }
            None => match next_due(schedule, &self.cx) {
                NextDue::At(due) => (due.at, Some(due.because)),
                NextDue::Never(_) => return None,
            },
        };
        let at = at.max(self.cx.after + chrono::TimeDelta::seconds(1));
        self.cx.after = at;
        self.cx.now = self.cx.now.max(at);
        if let Some(lifetime) = &mut self.cx.lifetime {
            let length = lifetime.expires_at - lifetime.starts_at;
            *lifetime = Lifetime { starts_at: at, expires_at: at + length };
        }
        Some((at, because))
    }
}

/// Sets the schedule of a managed secret and computes its next due time.
///
/// Errors: what cannot be read; `secret-unmanaged`; `schedule-findings` for what will not work, unless it is
/// acknowledged.
pub async fn set(
    engine: &Arc<Engine>,
    actor: &Actor,
    name: &str,
    request: SetSchedule,
) -> Result<ScheduleView, Trouble> {
    let schedule = read_schedule(&request.schedule)?;
    check_text("reason", &request.reason)?;
    let name = name.to_owned();
    let asked = Asked::new(engine, actor);
    asked.write(move |asked, tx| Box::pin(async move { asked.set_schedule(tx, &name, &schedule, request).await })).await
}

impl Asked {
    async fn set_schedule(
        &self,
        tx: &mut Tx,
        name: &str,
        schedule: &Schedule,
        request: SetSchedule,
    ) -> Result<ScheduleView, Trouble> {
        let mut found = self.lock_living(tx, name).await?;
        if found.target.is_none() {
            let sentence = format!("`{name}` takes effect at no target, so nothing can rotate it");
            return Err(conflict("secret-unmanaged", sentence, format!("`keywheel adopt {name}` first")));
        }
        let current = version::find_current(tx, self.keyring(), self.tenant(), &found.id).await?;
        let old = rows::find(tx, self.keyring(), self.tenant(), &found.id).await?;
        let (mut row, findings) = self.planned_row(&found, current.as_ref(), schedule, old);
        let mut written = Vec::new();
        if self.acknowledge_schedule(&mut found, findings, &request.acknowledge)? {
            written.push(secret::update(tx, self.keyring(), &mut found).await?);
        }
        written.push(rows::put(tx, self.keyring(), &mut row).await?);
        let facts = json!({
            "v": 1, "rule": row.rule, "next_due_at": moment(row.next_due_at), "acknowledged": request.acknowledge,
        });
        self.tell(tx, &found, "schedule.set", facts, &request.reason, written).await?;
        agenda::pull(tx, found.id.as_str(), self.now).await?;
        self.view_schedule(&found, current.as_ref(), &row)
    }

    /// Refuses what will not work unless it is acknowledged. Tells whether the secret has new acknowledgements.
    pub(super) fn acknowledge_schedule(
        &self,
        secret: &mut Secret,
        findings: Vec<Finding>,
        codes: &[String],
    ) -> Result<bool, Trouble> {
        let asks: Vec<Finding> =
            findings.into_iter().filter(|found| found.kind == FindingKind::NeedsAcknowledgement).collect();
        let (given, missing): (Vec<_>, Vec<_>) = asks.into_iter().partition(|found| codes.contains(&found.code));
        if let Some(first) = missing.first() {
            let sentence = format!("the schedule will not work as written: {}", first.sentence);
            let hint = format!("{}; or accept it with `--acknowledge {}`", first.hint, first.code);
            let trouble = Trouble::new(Kind::NeedsAcknowledgement, "schedule-findings", sentence, hint);
            return Err(trouble.with_findings(missing));
        }
        for found in &given {
            secret.acknowledged.retain(|old| old.code != found.code);
            secret.acknowledged.push(self.acknowledgement(&found.code, &found.sentence));
        }
        Ok(!given.is_empty())
    }
}

/// Shows a schedule. Errors: `not-found`, `no-schedule`.
pub async fn show(engine: &Arc<Engine>, actor: &Actor, name: &str) -> Result<ScheduleView, Trouble> {
    let asked = Asked::new(engine, actor);
    let tx = &mut engine.store.read().await?;
    let found = asked.load_secret(tx, name).await?;
    let row = asked.load_schedule(tx, &found).await?;
    let live = version::list_live(tx, asked.keyring(), asked.tenant(), &found.id).await?;
    asked.view_schedule(&found, live.iter().find(|version| version.stage == Stage::Current), &row)
}

/// Whether a schedule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// It does not.
    On,
    /// It does.
    Off,
}

/// Pauses a schedule, or lets it go on. The plan itself stays as it is: what came due meanwhile fires, or counts as
/// missed, by the schedule's own rule. Errors: `no-schedule`.
pub async fn pause(
    engine: &Arc<Engine>,
    actor: &Actor,
    name: &str,
    pause: Pause,
    reason: String,
) -> Result<ScheduleView, Trouble> {
    check_text("reason", &reason)?;
    let name = name.to_owned();
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                let found = asked.lock_living(tx, &name).await?;
                let mut row = asked.load_schedule(tx, &found).await?;
                let current = version::find_current(tx, asked.keyring(), asked.tenant(), &found.id).await?;
                if row.paused_at.is_some() == (pause == Pause::On) {
                    return asked.view_schedule(&found, current.as_ref(), &row);
                }
                (row.paused_at, row.pause_reason) = match pause {
                    Pause::On => (Some(asked.now), reason.clone()),
                    Pause::Off => (None, String::new()),
                };
                let written = vec![rows::put(tx, asked.keyring(), &mut row).await?];
                let kind = if pause == Pause::On { "schedule.paused" } else { "schedule.resumed" };
                let facts = json!({ "v": 1, "next_due_at": moment(row.next_due_at) });
                asked.tell(tx, &found, kind, facts, &reason, written).await?;
                agenda::pull(tx, found.id.as_str(), asked.now).await?;
                asked.view_schedule(&found, current.as_ref(), &row)
            })
        })
        .await
}

impl Asked {
    async fn load_schedule(&self, tx: &mut Tx, secret: &Secret) -> Result<ScheduleRow, Trouble> {
        let found = rows::find(tx, self.keyring(), self.tenant(), &secret.id).await?;
        found.ok_or_else(|| {
            let sentence = format!("`{}` has no schedule", secret.name);
            let hint = format!("`keywheel schedule set {} --every 30d` gives it one", secret.name);
            Trouble::new(Kind::NotFound, "no-schedule", sentence, hint)
        })
    }
}
