//! The plan: what rotates when, where that collides, and which deadlines have no allowed slot before them.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{asked::Asked, schedules::Walk, wire::Moment};
use crate::{
    engine::{Engine, Trouble, due},
    model::{Actor, ScheduleRow, Secret, Target},
    schedule::Because,
    store::{Tx, schedule, secret, target, version},
};

/// The longest look ahead, in days.
const FARTHEST: u32 = 3_660;
/// The most fires of one secret, and of the whole plan.
const FIRES_OF_ONE: usize = 1_000;
const FIRES: usize = 20_000;
const PAGE: i64 = 500;

/// What the plan is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AskPlan {
    /// How many days ahead, 1 to 3,660.
    pub days: u32,
    /// What the names of secrets begin with.
    pub prefix: String,
}

impl Default for AskPlan {
    fn default() -> Self {
        Self { days: 90, prefix: String::new() }
    }
}

/// The plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// What rotates when, in order of time.
    pub fires: Vec<Fire>,
    /// Minutes in which a target is asked for more than it may do at a time.
    pub collisions: Vec<Collision>,
    /// Fires at a deadline, in spite of window and freezes.
    pub without_slot: Vec<Fire>,
    /// Managed secrets that nothing rotates by itself, by name.
    pub unscheduled: Vec<String>,
    /// Secrets whose schedule is paused, by name.
    pub paused: Vec<String>,
    /// Whether there is more than was listed.
    pub is_cut: bool,
}

/// One planned rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fire {
    /// When.
    pub at: Moment,
    /// The secret's name.
    pub secret: String,
    /// The target's name.
    pub target: String,
    /// What decided on the moment, such as `cron` or `expiry-beats-window`; nothing for what is overdue.
    pub because: String,
}

/// More at a time than a target may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Collision {
    /// The minute.
    pub at: Moment,
    /// The target's name.
    pub target: String,
    /// How many rotations are due in it.
    pub fires: usize,
    /// How many may work on it at a time.
    pub parallel: i64,
    /// The secrets' names, up to 20.
    pub secrets: Vec<String>,
}

/// Makes the plan as schedules, windows, freezes and expiries are now, as if each rotation were published at its
/// moment. Reads only.
pub async fn plan(engine: &Arc<Engine>, actor: &Actor, request: &AskPlan) -> Result<Plan, Trouble> {
    let asked = Asked::new(engine, actor);
    let until = asked.now + TimeDelta::days(i64::from(request.days.clamp(1, FARTHEST)));
    let tx = &mut engine.store.read().await?;
    let targets = target::list(tx, asked.keyring(), asked.tenant()).await?;
    let mut plan = Plan::default();
    let mut after = String::new();
    loop {
        let page = secret::list(tx, asked.keyring(), asked.tenant(), &request.prefix, &after, PAGE).await?;
        let Some(last) = page.last() else { break };
        last.name.as_str().clone_into(&mut after);
        for secret in page.iter().filter(|secret| secret.deleted_at.is_none()) {
            let place = secret.target.as_ref().and_then(|id| targets.iter().find(|target| target.id == *id));
            if let Some(place) = place {
                asked.plan_one(tx, secret, place, until, &mut plan).await?;
            }
        }
    }
    plan.fires.sort_by(|a, b| (a.at, &a.secret).cmp(&(b.at, &b.secret)));
    plan.collisions = collisions(&plan.fires, &targets);
    plan.without_slot = plan.fires.iter().filter(|fire| fire.because == "expiry-beats-window").cloned().collect();
    Ok(plan)
}

impl Asked {
    async fn plan_one(
        &self,
        tx: &mut Tx,
        secret: &Secret,
        place: &Target,
        until: DateTime<Utc>,
        plan: &mut Plan,
    ) -> Result<(), Trouble> {
        let row = schedule::find(tx, self.keyring(), self.tenant(), &secret.id).await?;
        let Some(row) = row.filter(|row| row.next_due_at.is_some() || row.paused_at.is_some()) else {
            plan.unscheduled.push(secret.name.to_string());
            return Ok(());
        };
        if row.paused_at.is_some() {
            plan.paused.push(secret.name.to_string());
            return Ok(());
        }
        let current = version::find_current(tx, self.keyring(), self.tenant(), &secret.id).await?;
        let cx = self.due_context(secret, current.as_ref(), row.counted_from);
        for (at, because) in fires(&row, Walk::new(cx, row.next_due_at), until) {
            if plan.fires.len() == FIRES {
                plan.is_cut = true;
                return Ok(());
            }
            plan.fires.push(Fire {
                at: at.into(),
                secret: secret.name.to_string(),
                target: place.name.to_string(),
                because: because.and_then(word).unwrap_or_default(),
            });
        }
        Ok(())
    }
}

fn fires(row: &ScheduleRow, mut walk: Walk<'_>, until: DateTime<Utc>) -> Vec<(DateTime<Utc>, Option<Because>)> {
    let Ok(schedule) = due::read(row) else { return Vec::new() };
    let compiled = schedule.compile();
    std::iter::from_fn(|| walk.next(&compiled)).take_while(|(at, _)| *at <= until).take(FIRES_OF_ONE).collect()
}

fn word(because: Because) -> Option<String> {
    serde_json::to_value(because).ok()?.as_str().map(str::to_owned)
}

/// The minutes in which more is due at a target than it may do at a time.
fn collisions(fires: &[Fire], targets: &[Target]) -> Vec<Collision> {
    let mut minutes: BTreeMap<(Moment, &str), Vec<&str>> = BTreeMap::new();
    for fire in fires {
        let minute = fire.at.0.duration_trunc(TimeDelta::minutes(1)).unwrap_or(fire.at.0);
        minutes.entry((minute.into(), &fire.target)).or_default().push(&fire.secret);
    }
    let over = minutes.into_iter().filter_map(|((at, name), secrets)| {
        let parallel = targets.iter().find(|target| target.name.as_str() == name)?.parallel;
        let is_over = i64::try_from(secrets.len()).is_ok_and(|count| count > parallel);
        is_over.then(|| Collision {
            at,
            target: name.to_owned(),
            fires: secrets.len(),
            parallel,
            secrets: secrets.iter().take(20).map(|name| (*name).to_owned()).collect(),
        })
    });
    over.collect()
}
