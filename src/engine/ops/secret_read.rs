//! Reading secrets: values (recorded before they are answered), lists, and all that is known of one.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    access::tokens::refuse_if_ended,
    asked::{Asked, refuse_deleted},
    expiry_rules::ExpiryView,
    schedules::ScheduleView,
    views::{AcknowledgementView, AlertView, DeliveryView, EventView, OccurrenceView, RotationLine, VersionView},
    wire::{Fields, Moment, moment},
};
use crate::{
    access::{Grant, Pattern, Span},
    engine::{
        Engine, Kind, Trouble,
        notices::warn::{Expiry, find_expiry, read_standing},
    },
    expiry::ReadStanding,
    model::{Actor, EventId, Name, Secret, Stage, Target, TokenId, Version},
    store::{
        Tx, alert, delivery, event, occurrence, read_audit, rotation, schedule, secret, target, token::Token, version,
    },
};

/// The most lines of one page.
const LONGEST_PAGE: usize = 1_000;
/// Rows read at a time, and how often, before a page ends early with a cursor.
const ROWS: i64 = 500;
const READS: usize = 20;

/// The answer to a read of a value.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SecretValue {
    /// The secret's name.
    pub name: String,
    /// The version.
    pub version: VersionView,
    /// Its value.
    pub value: Fields,
}

/// Which secrets to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ListSecrets {
    /// What their names begin with.
    pub prefix: String,
    /// A cursor: the last name of the page before.
    pub after: String,
    /// How many at most, 1 to 1,000; 100 if it is not given.
    pub limit: Option<usize>,
    /// A label `key` or `key=value` that they carry.
    pub tag: Option<String>,
    /// Whether they take effect at a target.
    pub managed: Option<bool>,
    /// Whether deleted ones are listed too.
    pub deleted: bool,
}

/// A page of secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretPage {
    /// The secrets, by name.
    pub secrets: Vec<SecretLine>,
    /// The cursor of the next page; none where this is the last.
    pub next: Option<String>,
}

/// A line of the list of secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Who answers for it.
    pub owner: String,
    /// Its labels.
    pub tags: BTreeMap<String, String>,
    /// The target where it takes effect.
    pub target: Option<String>,
    /// The number of its newest published version; 0 for none.
    pub version: i64,
    /// When its value expires.
    pub expires_at: Option<Moment>,
    /// When its next rotation is due.
    pub next_due_at: Option<Moment>,
    /// The rotation that runs.
    pub rotation: Option<String>,
    /// When it was deleted.
    pub deleted_at: Option<Moment>,
}

/// All that is known of a secret but its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SecretView {
    /// What the list shows of it.
    #[serde(flatten)]
    pub line: SecretLine,
    /// What it is for.
    pub description: String,
    /// The rotator's settings.
    pub settings: Value,
    /// Promises that were knowingly given up.
    pub acknowledged: Vec<AcknowledgementView>,
    /// How long the previous version stays valid after a publish, in seconds.
    pub overlap_seconds: i64,
    /// How long it can be brought back after a deletion, in seconds.
    pub recovery_seconds: i64,
    /// When the current value is next probed for drift.
    pub probe_at: Option<Moment>,
    /// Its versions that are at work, oldest first.
    pub versions: Vec<VersionView>,
    /// Its schedule.
    pub schedule: Option<ScheduleView>,
    /// Its deliveries, by name.
    pub deliveries: Vec<DeliveryView>,
    /// What needs a person, oldest first.
    pub alerts: Vec<AlertView>,
    /// What waits for a rotation, oldest first.
    pub occurrences: Vec<OccurrenceView>,
    /// The rotation that runs, or else the last one.
    pub rotation_line: Option<RotationLine>,
    /// When it was made.
    pub created_at: Moment,
    /// Who made it.
    pub created_by: String,
    /// How it expires; none where nobody decided anything.
    pub expiry: Option<ExpiryView>,
    /// Grows by one with each change.
    pub revision: i64,
}

/// The versions and the newest events of a secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SecretHistory {
    /// All versions, oldest first.
    pub versions: Vec<VersionView>,
    /// The newest events, newest first.
    pub events: Vec<EventView>,
}

/// Finds the version that a text names: a number, an id, a stage; the current one if the text is empty.
pub(super) fn select<'v>(secret: &Secret, versions: &'v [Version], text: &str) -> Result<&'v Version, Trouble> {
    let number: Option<i64> = text.parse().ok();
    let stage = if text.is_empty() { Some(Stage::Current) } else { Stage::parse(text) };
    let is_meant = |version: &&Version| {
        version.id.as_str() == text
            || number.is_some_and(|number| version.number == Some(number))
            || stage == Some(version.stage)
    };
    versions.iter().rev().find(is_meant).ok_or_else(|| {
        let which = if text.is_empty() { "current" } else { text };
        let sentence = format!("`{}` has no version `{which}`", secret.name);
        let hint = format!("`keywheel secret history {}` shows what there is", secret.name);
        Trouble::new(Kind::NotFound, "version-not-found", sentence, hint)
    })
}

fn refuse_unreadable(secret: &Secret, version: &Version) -> Result<(), Trouble> {
    let which = version.number.map_or_else(|| version.id.to_string(), |number| number.to_string());
    let (kind, code, what, hint) = if version.destroyed_at.is_some() || version.token.is_none() {
        (Kind::Conflict, "version-destroyed", "was destroyed", "choose another version".to_owned())
    } else if version.deleted_at.is_some() {
        let hint = format!("`keywheel secret undelete {} --version {which}` brings it back", secret.name);
        (Kind::NotFound, "version-deleted", "is deleted", hint)
    } else if version.deactivated_at.is_some() {
        (Kind::Conflict, "version-deactivated", "is switched off for reads", "choose another version".to_owned())
    } else {
        return Ok(());
    };
    Err(Trouble::new(kind, code, format!("version `{which}` of `{}` {what}", secret.name), hint))
}

/// Refuses the keys that sign: they are used here, and never answered.
fn refuse_kept(secret: &Secret) -> Result<(), Trouble> {
    let hint = match secret.kind.as_str() {
        super::pki::AUTHORITY => format!("`keywheel ca export {}` writes its certificate", secret.name),
        super::pki::ACME => "`keywheel acme list` shows the accounts".to_owned(),
        _ => return Ok(()),
    };
    let sentence = format!("the keys of `{}` sign here and are not answered", secret.name);
    Err(Trouble::new(Kind::Denied, "key-kept", sentence, hint))
}

impl Asked {
    /// Refuses the current value of a secret whose expiry ends reads, unless an emergency lifted that.
    fn refuse_expired(&self, secret: &Secret, expiry: Option<&Expiry>, chosen: &Version) -> Result<(), Trouble> {
        if chosen.stage != Stage::Current {
            return Ok(());
        }
        let rules = expiry.map(|expiry| &expiry.rules);
        let standing = read_standing(secret, rules, self.now, self.engine.held_since());
        let ReadStanding::Deactivated { since } = standing else { return Ok(()) };
        let sentence = format!("`{}` expired, and reads ended at {}", secret.name, Moment(since));
        let hint = format!(
            "put a new value or a later date (`keywheel secret edit {0} --expires …`); in an emergency `keywheel secret \
             override {0} --for 2h --reason …`",
            secret.name
        );
        Err(Trouble::new(Kind::Conflict, "secret-expired", sentence, hint))
    }
}

/// Reads a value. The read is recorded, durably, before the value is answered.
///
/// Errors: `secret-deleted`, `secret-expired`, `version-not-found`, `version-deleted`, `version-deactivated`,
/// `version-destroyed`.
pub async fn get(engine: &Arc<Engine>, actor: &Actor, name: &str, which: &str) -> Result<SecretValue, Trouble> {
    read(engine, actor, None, name, which).await
}

/// Reads a value for the holder of a token, who was let in and may read it. A token that has ended since is refused.
///
/// Errors: those of [`get`], `token-expired`, `token-revoked`.
pub async fn get_by_token(
    engine: &Arc<Engine>,
    token: &Token,
    name: &str,
    which: &str,
) -> Result<SecretValue, Trouble> {
    read(engine, &Actor::token(&token.id), Some(token.id.clone()), name, which).await
}

async fn read(
    engine: &Arc<Engine>,
    actor: &Actor,
    token: Option<TokenId>,
    name: &str,
    which: &str,
) -> Result<SecretValue, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let found = asked.load_secret(&mut tx, name).await?;
    refuse_deleted(&found)?;
    refuse_kept(&found)?;
    let versions = version::list(&mut tx, asked.keyring(), asked.tenant(), &found.id).await?;
    let expiry = match found.expires_at {
        Some(_) => find_expiry(&mut tx, asked.keyring(), &found).await?,
        None => None,
    };
    drop(tx);
    let chosen = select(&found, &versions, which)?;
    refuse_unreadable(&found, chosen)?;
    asked.refuse_expired(&found, expiry.as_ref(), chosen)?;
    let value = Fields(engine.open(chosen)?);
    let read = read_audit::Read {
        id: engine.mint(EventId::mint),
        tenant: asked.tenant().clone(),
        secret: found.id.clone(),
        version: chosen.id.clone(),
        reader: actor.clone(),
        via: "api",
        at: asked.now,
    };
    let recorded = engine.store.write(move |tx| {
        Box::pin(async move {
            if let Some(token) = &token {
                refuse_if_ended(tx, &asked, token).await?;
            }
            read_audit::insert(tx, asked.keyring(), &read).await.map_err(Trouble::from)
        })
    });
    recorded.await?;
    Ok(SecretValue { name: found.name.to_string(), version: chosen.into(), value })
}

impl ListSecrets {
    fn takes(&self, secret: &Secret) -> bool {
        let tagged = self.tag.as_deref().is_none_or(|tag| match tag.split_once('=') {
            Some((key, value)) => secret.tags.get(key).is_some_and(|found| found == value),
            None => secret.tags.contains_key(tag),
        });
        let managed = self.managed.is_none_or(|managed| managed == secret.target.is_some());
        tagged && managed && (self.deleted || secret.deleted_at.is_none())
    }
}

/// Lists secrets by name, a page at a time. A page may be shorter than asked for and still have a next one.
pub async fn list(engine: &Arc<Engine>, request: &ListSecrets) -> Result<SecretPage, Trouble> {
    list_spans(engine, &[Span::Below(None)], request).await
}

/// Lists the secrets that a grant means, and looks at no others: neither line nor cursor tells that they exist.
pub async fn list_granted(engine: &Arc<Engine>, grant: &Grant, request: &ListSecrets) -> Result<SecretPage, Trouble> {
    let spans: Vec<Span<'_>> = grant.patterns().iter().map(Pattern::span).collect();
    list_spans(engine, &spans, request).await
}

/// Where a page begins, and what it has so far.
struct Listing<'r> {
    request: &'r ListSecrets,
    limit: usize,
    after: String,
    lines: Vec<SecretLine>,
    targets: Vec<Target>,
    reads: usize,
}

/// Lists the secrets of spans that lie apart, in their order.
async fn list_spans(engine: &Arc<Engine>, spans: &[Span<'_>], request: &ListSecrets) -> Result<SecretPage, Trouble> {
    let mut tx = engine.store.read().await?;
    let mut listing = Listing {
        request,
        limit: request.limit.unwrap_or(100).clamp(1, LONGEST_PAGE),
        after: request.after.clone(),
        lines: Vec::new(),
        targets: target::list(&mut tx, engine.keyring(), &engine.tenant).await?,
        reads: 0,
    };
    for span in spans {
        let is_whole = match span {
            Span::One(name) => listing.take_one(engine, &mut tx, name).await?,
            Span::Below(above) => listing.take_below(engine, &mut tx, *above).await?,
        };
        if !is_whole {
            return Ok(SecretPage { secrets: listing.lines, next: Some(listing.after) });
        }
    }
    Ok(SecretPage { secrets: listing.lines, next: None })
}

impl Listing<'_> {
    /// Takes one name; answers whether the page had room for it.
    async fn take_one(&mut self, engine: &Engine, tx: &mut Tx, name: &Name) -> Result<bool, Trouble> {
        if name.as_str() <= self.after.as_str() || !name.as_str().starts_with(&self.request.prefix) {
            return Ok(true);
        }
        match secret::find_by_name(tx, engine.keyring(), &engine.tenant, name).await? {
            Some(found) => self.take(engine, tx, &found).await,
            None => Ok(true),
        }
    }

    /// Takes all names below one; answers whether the page had room for them.
    async fn take_below(&mut self, engine: &Engine, tx: &mut Tx, above: Option<&Name>) -> Result<bool, Trouble> {
        let span = above.map(|name| format!("{name}/")).unwrap_or_default();
        let prefix = match (span.starts_with(&self.request.prefix), self.request.prefix.starts_with(&span)) {
            (true, _) => span,
            (false, true) => self.request.prefix.clone(),
            (false, false) => return Ok(true),
        };
        while self.reads < READS {
            self.reads += 1;
            let (keyring, tenant) = (engine.keyring(), &engine.tenant);
            let rows = secret::list(tx, keyring, tenant, &prefix, &self.after, ROWS).await?;
            let is_last = i64::try_from(rows.len()).is_ok_and(|read| read < ROWS);
            for row in rows {
                if !self.take(engine, tx, &row).await? {
                    return Ok(false);
                }
            }
            if is_last {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn take(&mut self, engine: &Engine, tx: &mut Tx, row: &Secret) -> Result<bool, Trouble> {
        if self.lines.len() == self.limit {
            return Ok(false);
        }
        row.name.as_str().clone_into(&mut self.after);
        if self.request.takes(row) {
            self.lines.push(line(engine, tx, row, &self.targets).await?);
        }
        Ok(true)
    }
}

async fn line(engine: &Engine, tx: &mut Tx, secret: &Secret, targets: &[Target]) -> Result<SecretLine, Trouble> {
    let target = secret.target.as_ref().and_then(|id| targets.iter().find(|target| target.id == *id));
    let schedule = match target {
        Some(_) => schedule::find(tx, engine.keyring(), &engine.tenant, &secret.id).await?,
        None => None,
    };
    let due = schedule.filter(|schedule| schedule.paused_at.is_none()).and_then(|schedule| schedule.next_due_at);
    Ok(SecretLine {
        id: secret.id.to_string(),
        name: secret.name.to_string(),
        kind: secret.kind.clone(),
        owner: secret.owner.clone(),
        tags: secret.tags.clone(),
        target: target.map(|target| target.name.to_string()),
        version: secret.next_number - 1,
        expires_at: moment(secret.expires_at),
        next_due_at: moment(due),
        rotation: secret.rotation.as_ref().map(ToString::to_string),
        deleted_at: moment(secret.deleted_at),
    })
}

/// Shows all that is known of a secret, deleted or not, but its values. Errors: `not-found`.
pub async fn show(engine: &Arc<Engine>, actor: &Actor, name: &str) -> Result<SecretView, Trouble> {
    let asked = Asked::new(engine, actor);
    let (keyring, tenant) = (asked.keyring(), asked.tenant());
    let tx = &mut engine.store.read().await?;
    let found = asked.load_secret(tx, name).await?;
    let targets = target::list(tx, keyring, tenant).await?;
    let versions = version::list_live(tx, keyring, tenant, &found.id).await?;
    let schedule = schedule::find(tx, keyring, tenant, &found.id).await?;
    let deliveries = delivery::list(tx, tenant, &found.id).await?;
    let alerts = alert::list_open(tx, tenant, Some(found.id.as_str())).await?;
    let open = occurrence::list_open(tx, tenant, &found.id).await?;
    let last = rotation::list(tx, tenant, Some(&found.id), None, 1).await?;
    let current = versions.iter().find(|version| version.stage == Stage::Current);
    Ok(SecretView {
        line: line(engine, tx, &found, &targets).await?,
        description: found.description.clone(),
        settings: found.settings.clone(),
        acknowledged: found.acknowledged.iter().map(AcknowledgementView::from).collect(),
        overlap_seconds: found.overlap_us / 1_000_000,
        recovery_seconds: found.recovery_us / 1_000_000,
        probe_at: moment(found.probe_at),
        versions: versions.iter().map(VersionView::from).collect(),
        schedule: schedule.map(|row| asked.view_schedule(&found, current, &row)).transpose()?,
        deliveries: deliveries.iter().map(|delivery| DeliveryView::of(delivery, &versions)).collect(),
        alerts: alerts.iter().map(AlertView::from).collect(),
        occurrences: open.iter().map(OccurrenceView::from).collect(),
        rotation_line: last.first().map(|entry| RotationLine::of(entry, found.name.to_string())),
        created_at: found.created_at.into(),
        created_by: found.created_by.to_string(),
        expiry: find_expiry(tx, keyring, &found).await?.map(|expiry| ExpiryView::of(&expiry.rules)),
        revision: found.revision,
    })
}

/// Lists all versions of a secret, and its newest events: up to 200 of them. Errors: `not-found`.
pub async fn history(engine: &Arc<Engine>, actor: &Actor, name: &str) -> Result<SecretHistory, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let found = asked.load_secret(&mut tx, name).await?;
    let versions = version::list(&mut tx, asked.keyring(), asked.tenant(), &found.id).await?;
    let events = event::list_of_subject(&mut tx, asked.keyring(), asked.tenant(), found.id.as_str(), 200).await?;
    Ok(SecretHistory {
        versions: versions.iter().map(VersionView::from).collect(),
        events: events.iter().map(EventView::from).collect(),
    })
}
