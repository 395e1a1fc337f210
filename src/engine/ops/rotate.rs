//! Asking for rotations, and looking at what one would do.
//!
//! A request is an open occurrence and an agenda row pulled forward: there is one path, whoever asks. Until publish a
//! request joins a rotation that already runs.

use std::sync::Arc;

use chrono::TimeDelta;
use keywheel_contract::{CheckOutcome, Work};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    adopt_check::{covered_by_target, no_delivery},
    asked::{Asked, conflict, invalid},
    secret_fields::check_text,
    secret_read::{self, ListSecrets},
    views::{AlertView, FindingView},
    wire::Moment,
};
use crate::{
    clock::micros,
    engine::{
        Engine, Kind, Trouble,
        call::{Call, Right},
    },
    model::{Actor, Occurrence, OccurrenceId, OccurrenceOrigin, RotationId, Secret, Stage, Target, Version},
    rotation::Status,
    store::{Tx, agenda, alert, delivery, occurrence, read_audit, schedule, target, version},
};

/// The most secrets of one request.
const MOST: usize = 1_000;
/// How long ago a reader counts as one.
const LATELY: TimeDelta = TimeDelta::days(30);

/// A request for rotations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestRotation {
    /// The names of secrets.
    pub names: Vec<String>,
    /// A label `key` or `key=value`: all managed secrets that carry it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Codes of findings that are knowingly accepted, such as `cuts-overlap`.
    pub acknowledge: Vec<String>,
    /// Why.
    pub reason: String,
}

/// What became of a request for one secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A rotation will begin.
    Requested,
    /// A rotation that already runs serves it.
    Joined,
    /// It waits for the end of the rotation that runs, and then begins another one.
    Waits,
    /// It was refused.
    Refused,
}

/// The answer for one secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Requested {
    /// The secret's name.
    pub name: String,
    /// What became of the request.
    pub outcome: Outcome,
    /// The occurrence to watch.
    pub occurrence: Option<String>,
    /// The rotation that was joined or is waited for.
    pub rotation: Option<String>,
    /// Why it was refused.
    pub refusal: Option<Refusal>,
}

/// Why a request for one secret of several was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// A stable code.
    pub code: String,
    /// What is wrong.
    pub sentence: String,
    /// What solves it.
    pub hint: String,
}

/// The answers for all secrets that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationsRequested {
    /// One for each secret.
    pub requested: Vec<Requested>,
}

/// One check of a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckView {
    /// What was checked.
    pub name: String,
    /// `passed`, `failed` or `skipped`.
    #[schema(value_type = String)]
    pub outcome: CheckOutcome,
    /// What was found.
    pub detail: String,
}

/// Who read a secret lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReaderView {
    /// Who.
    pub reader: String,
    /// The newest version that was read, by number, or by id where it has none.
    pub version: String,
    /// When it was last read.
    pub at: Moment,
}

/// What a rotation would do now. Nothing was changed to find out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DryRun {
    /// The secret's name.
    pub name: String,
    /// The target's name.
    pub target: String,
    /// What was checked at the target.
    pub checks: Vec<CheckView>,
    /// The exact changes, with values masked.
    pub changes: Vec<String>,
    /// What stands in the way, and what gives up a promise.
    pub findings: Vec<FindingView>,
    /// Who read the secret in the last 30 days, the latest first.
    pub readers: Vec<ReaderView>,
    /// What needs a person now.
    pub alerts: Vec<AlertView>,
    /// What a request would lead to.
    pub next: String,
    /// Whether a rotation could go through as things are.
    pub is_clear: bool,
}

/// An open occurrence of a request.
pub(super) fn request_occurrence(asked: &Asked, secret: &Secret, reason: &str) -> Occurrence {
    Occurrence {
        id: asked.engine.mint(OccurrenceId::mint),
        tenant: secret.tenant.clone(),
        secret: secret.id.clone(),
        origin: OccurrenceOrigin::Requested,
        end: None,
        first_at: asked.now,
        last_at: asked.now,
        fires: 1,
        attempts: 0,
        not_before: None,
        actor: asked.actor.clone(),
        reason: reason.to_owned(),
        rotation: None,
        candidate_from: None,
        why: String::new(),
        created_at: asked.now,
        ended_at: None,
    }
}

async fn names_of(engine: &Arc<Engine>, request: &RequestRotation) -> Result<Vec<String>, Trouble> {
    let mut names = request.names.clone();
    if let Some(tag) = &request.tag {
        let mut asks = ListSecrets { tag: Some(tag.clone()), managed: Some(true), ..ListSecrets::default() };
        loop {
            let page = secret_read::list(engine, &asks).await?;
            names.extend(page.secrets.into_iter().map(|line| line.name));
            let Some(next) = page.next.filter(|_| names.len() <= MOST) else { break };
            asks.after = next;
        }
    }
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Err(invalid("nothing-named", "no secret is named", "name secrets, or a tag that some carry"));
    }
    if names.len() > MOST {
        return Err(invalid("too-many", format!("more than {MOST} secrets are named"), "ask for fewer at a time"));
    }
    Ok(names)
}

/// Asks for rotations: an occurrence for each secret.
///
/// Where one secret is named its refusal is the error; of several each has its own answer. Errors: `nothing-named`,
/// `too-many`, `secret-unmanaged`, `secret-deleted`, `rotation-stuck`; `cuts-overlap` where the previous value is
/// still promised to be valid, unless it is acknowledged.
pub async fn request(
    engine: &Arc<Engine>,
    actor: &Actor,
    request: RequestRotation,
) -> Result<RotationsRequested, Trouble> {
    check_text("reason", &request.reason)?;
    let names = names_of(engine, &request).await?;
    let is_single = names.len() == 1;
    let request = Arc::new(request);
    let mut requested = Vec::with_capacity(names.len());
    for name in names {
        let (asked, mine) = (Asked::new(engine, actor), Arc::clone(&request));
        let named = name.clone();
        let answer = asked
            .write(move |asked, tx| Box::pin(async move { asked.request_rotation(tx, &named, &mine).await }))
            .await;
        requested.push(match answer {
            Ok(answer) => answer,
            Err(trouble) if is_single => return Err(trouble),
            Err(trouble) => refused(name, trouble),
        });
    }
    Ok(RotationsRequested { requested })
}

fn refused(name: String, trouble: Trouble) -> Requested {
    Requested { name, outcome: Outcome::Refused, occurrence: None, rotation: None, refusal: Some(trouble.into()) }
}

/// What a request would meet.
struct Meets {
    outcome: Outcome,
    rotation: Option<RotationId>,
}

impl Asked {
    async fn request_rotation(&self, tx: &mut Tx, name: &str, request: &RequestRotation) -> Result<Requested, Trouble> {
        let found = self.lock_living(tx, name).await?;
        refuse_unmanaged(&found)?;
        let meets = self.meets(tx, &found).await?;
        let live = version::list_live(tx, self.keyring(), self.tenant(), &found.id).await?;
        let cuts = (meets.outcome == Outcome::Requested).then(|| cut_short(&live, self.now)).flatten();
        if let Some(until) = cuts
            && !request.acknowledge.iter().any(|code| code == "cuts-overlap")
        {
            return Err(cuts_overlap(name, until));
        }
        let mut wanted = request_occurrence(self, &found, &request.reason);
        wanted.rotation = meets.rotation.clone().filter(|_| meets.outcome == Outcome::Joined);
        occurrence::insert(tx, &wanted).await?;
        let facts = json!({
            "v": 1, "occurrence": wanted.id, "outcome": meets.outcome, "meets": meets.rotation,
            "cuts_overlap_until": cuts.map(Moment),
        });
        self.tell(tx, &found, "rotation.requested", facts, &request.reason, Vec::new()).await?;
        agenda::pull(tx, found.id.as_str(), self.now).await?;
        Ok(Requested {
            name: found.name.to_string(),
            outcome: meets.outcome,
            occurrence: Some(wanted.id.to_string()),
            rotation: meets.rotation.map(String::from),
            refusal: None,
        })
    }

    /// What a request meets: nothing, a rotation that serves it, or one that has turned back.
    async fn meets(&self, tx: &mut Tx, secret: &Secret) -> Result<Meets, Trouble> {
        let Some(rotation) = &secret.rotation else { return Ok(Meets { outcome: Outcome::Requested, rotation: None }) };
        let fold = self.journal(tx, rotation).await?.fold;
        let outcome = match &fold.status {
            Status::Stuck { because } => {
                let sentence = format!("the rotation `{rotation}` of `{}` is stuck: {}", secret.name, because.sentence);
                let hint = format!("`keywheel rotation resolve {rotation} --keep candidate|current|VERSION|-`");
                return Err(conflict("rotation-stuck", sentence, hint));
            }
            Status::Unwinding { .. } | Status::Reverting { .. } | Status::Reverted { .. } => Outcome::Waits,
            _ if fold.rollback.is_some() => Outcome::Waits,
            _ => Outcome::Joined,
        };
        Ok(Meets { outcome, rotation: Some(rotation.clone()) })
    }
}

fn refuse_unmanaged(secret: &Secret) -> Result<(), Trouble> {
    if secret.target.is_some() {
        return Ok(());
    }
    let sentence = format!("`{}` takes effect at no target, so nothing can rotate it", secret.name);
    let hint =
        format!("`keywheel secret put {0}` gives it a new value; `keywheel adopt {0}` makes it managed", secret.name);
    Err(conflict("secret-unmanaged", sentence, hint))
}

/// Until when the previous value is promised to stay valid, where that lies ahead.
fn cut_short(live: &[Version], now: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    let previous = live.iter().filter(|version| version.stage == Stage::Previous);
    previous.filter_map(|version| version.retire_at).filter(|at| *at > now).max()
}

fn cuts_overlap(name: &str, until: chrono::DateTime<chrono::Utc>) -> Trouble {
    let sentence = format!("the previous value of `{name}` is to stay valid until `{}`", Moment(until));
    let hint = "wait until then, or end it now with `--acknowledge cuts-overlap`";
    Trouble::new(Kind::NeedsAcknowledgement, "cuts-overlap", sentence, hint)
}

/// Finds out what a rotation would do now. Writes nothing, here and at the target.
///
/// Errors: `not-found`, `secret-deleted`, `secret-unmanaged`, `admin-missing`; what the rotator says where it could
/// not look.
pub async fn dry_run(engine: &Arc<Engine>, actor: &Actor, name: &str) -> Result<DryRun, Trouble> {
    let asked = Asked::new(engine, actor);
    let seen = asked.look_around(name).await?;
    let rotator = engine.rotators.find(&seen.target.rotator)?;
    let declared = rotator.declare(&seen.target.settings, &seen.secret.settings)?;
    let current = seen.versions.iter().find(|version| version.stage == Stage::Current);
    let call = Call {
        right: Right::Look,
        engine: Arc::clone(engine),
        rotator,
        target: engine.resolve_target(&seen.target).await?,
        work: Work {
            rotation: engine.mint(RotationId::mint),
            secret: seen.secret.name.to_string(),
            settings: seen.secret.settings.clone(),
            current: current.map(|version| engine.open(version)).transpose()?,
            next_due_at: seen.next_due_at,
        },
    };
    let mut preflight = call.preflight().await?;
    preflight.findings.extend(no_delivery(&declared, seen.deliveries));
    covered_by_target(&seen.target, &mut preflight.findings);
    let known = |code: &str, sentence: &str| seen.secret.acknowledges(code, sentence);
    let findings: Vec<FindingView> =
        preflight.findings.iter().map(|found| FindingView::of(found, known(&found.code, &found.sentence))).collect();
    let is_clear = findings.iter().all(|f| f.is_acknowledged || f.kind == keywheel_contract::FindingKind::Note);
    let checks = preflight.checks.into_iter();
    Ok(DryRun {
        name: seen.secret.name.to_string(),
        target: seen.target.name.to_string(),
        checks: checks.map(|c| CheckView { name: c.name, outcome: c.outcome, detail: c.detail }).collect(),
        changes: preflight.changes,
        is_clear: is_clear && seen.is_free,
        findings,
        readers: seen.readers,
        alerts: seen.alerts,
        next: seen.next,
    })
}

/// What a dry run reads of the store.
struct Around {
    secret: Secret,
    target: Target,
    versions: Vec<Version>,
    deliveries: usize,
    next_due_at: Option<i64>,
    readers: Vec<ReaderView>,
    alerts: Vec<AlertView>,
    next: String,
    is_free: bool,
}

impl Asked {
    async fn look_around(&self, name: &str) -> Result<Around, Trouble> {
        let tx = &mut self.engine.store.read().await?;
        let secret = self.load_secret(tx, name).await?;
        super::asked::refuse_deleted(&secret)?;
        refuse_unmanaged(&secret)?;
        let target = match &secret.target {
            Some(id) => target::find(tx, self.keyring(), self.tenant(), id).await?,
            None => None,
        };
        let target = target.ok_or_else(|| Trouble::not_found("target", name))?;
        let versions = version::list(tx, self.keyring(), self.tenant(), &secret.id).await?;
        let readers =
            read_audit::list_readers(tx, self.engine.keyring(), self.tenant(), &secret.id, self.now - LATELY).await?;
        let readers = readers.into_iter().map(|(reader, version, at)| {
            let number = versions.iter().find(|v| v.id.as_str() == version).and_then(|v| v.number);
            let version = number.map_or(version, |number| number.to_string());
            ReaderView { reader, version, at: at.into() }
        });
        let schedule = schedule::find(tx, self.keyring(), self.tenant(), &secret.id).await?;
        let (next, is_free) = match self.meets(tx, &secret).await {
            Ok(Meets { outcome: Outcome::Joined, rotation: Some(id) }) => {
                (format!("would join `{id}`, which runs"), true)
            }
            Ok(Meets { rotation: Some(id), .. }) => (format!("would begin when `{id}` has ended"), true),
            Ok(_) => match cut_short(&versions, self.now) {
                Some(until) => (cuts_overlap(name, until).sentence, true),
                None => ("would begin at once".to_owned(), true),
            },
            Err(trouble) => (trouble.sentence, false),
        };
        Ok(Around {
            readers: readers.collect(),
            deliveries: delivery::list(tx, self.tenant(), &secret.id).await?.len(),
            next_due_at: schedule.and_then(|row| row.next_due_at).map(micros),
            alerts: alert::list_open(tx, self.tenant(), Some(secret.id.as_str()))
                .await?
                .iter()
                .map(AlertView::from)
                .collect(),
            secret,
            target,
            versions,
            next,
            is_free,
        })
    }
}
