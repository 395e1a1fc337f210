//! Warnings before an expiry: which one is next, and the event that tells it.
//!
//! The event and what was told are written in one transaction under the secret's claim, so a rung of an expiry date is
//! told by one event however often the daemon is killed.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::rules::{ExpiryRules, Told, kind, read};
use crate::{
    clock::micros,
    engine::{
        Engine,
        load::{Subject, load},
        ops::tracked::TRACKED,
        runner::{RunError, Runner, Then},
    },
    expiry::{
        DateFrom, Nature, OnExpiry, ReadQuestion, ReadStanding, Rotates, Rung, Standing, Warning, WarningReason,
        next_warning,
    },
    model::{Actor, DocumentId, EventId, OccurrenceOrigin, Secret, VersionId},
    store::{NewEvent, StoreError, Tx, Written, agenda, document, document::Document, event},
};

/// The expiry rules of a secret as they are kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expiry {
    pub(crate) document: Document,
    pub(crate) rules: ExpiryRules,
}

/// Reads the expiry rules of a secret; none where nobody wrote any.
pub(crate) async fn find_expiry(
    tx: &mut Tx,
    keyring: &crate::keyring::Keyring,
    secret: &Secret,
) -> Result<Option<Expiry>, StoreError> {
    let found = document::find(tx, keyring, &secret.tenant, kind::EXPIRY, secret.id.as_str()).await?;
    found.map(|document| Ok(Expiry { rules: read(&document)?, document })).transpose()
}

/// The question of a read, for a secret with these rules.
pub(crate) fn read_standing(
    secret: &Secret,
    rules: Option<&ExpiryRules>,
    now: DateTime<Utc>,
    held_since: Option<DateTime<Utc>>,
) -> ReadStanding {
    let is_dated = rules.is_some_and(|rules| rules.is_dated && rules.lasts.is_none());
    let date_from = if is_dated { DateFrom::Person } else { DateFrom::Value };
    let usual = OnExpiry::usual(date_from, secret.target.is_some());
    ReadQuestion {
        expires_at: secret.expires_at,
        on_expiry: rules.and_then(|rules| rules.on_expiry).unwrap_or(usual),
        override_until: rules.and_then(ExpiryRules::override_until),
        now,
        held_since,
    }
    .standing()
}

/// The next warning of a secret; none where it never expires.
pub(crate) fn warning_of(subject: &Subject, now: DateTime<Utc>) -> Option<Warning> {
    let expires_at = subject.secret.expires_at?;
    let rules = subject.expiry.as_ref().map(|expiry| expiry.rules.clone()).unwrap_or_default();
    let begins_at = begins_at(subject, &rules);
    let ladder = rules.ladder.ladder(nature_of(&subject.secret), begins_at.map(|begins_at| expires_at - begins_at));
    let told = rules.told.as_ref().filter(|told| told.expires_at == micros(expires_at)).map(|told| told.rung);
    let rotation = rotates(subject);
    Some(next_warning(&Standing { now, begins_at, expires_at, ladder: &ladder, told, rotation }))
}

/// When the life that ends began, where keywheel knows it: of a value that it made, or whose life somebody gave. When
/// a date was merely written down says nothing about that.
fn begins_at(subject: &Subject, rules: &ExpiryRules) -> Option<DateTime<Utc>> {
    let is_known = subject.secret.target.is_some() || rules.lasts.is_some();
    subject.current().filter(|_| is_known).and_then(|current| current.published_at)
}

fn nature_of(secret: &Secret) -> Nature {
    match (secret.kind.as_str(), secret.target.is_some()) {
        ("authority", _) => Nature::Authority,
        ("certificate", true) => Nature::RenewsItself,
        _ => Nature::Ordinary,
    }
}

/// What is known of the rotation that would end this life in time.
fn rotates(subject: &Subject) -> Rotates {
    if subject.secret.target.is_none() {
        return Rotates::Not;
    }
    if subject.open.iter().any(|open| open.attempts > 0) {
        return Rotates::Failing;
    }
    if let Some(open) = subject.open.first() {
        return match open.origin {
            OccurrenceOrigin::Planned | OccurrenceOrigin::Requested => Rotates::Planned { at: open.first_at },
        };
    }
    match &subject.schedule {
        Some(schedule) if schedule.paused_at.is_some() => Rotates::Paused,
        Some(schedule) => schedule.next_due_at.map_or(Rotates::Not, |at| Rotates::Planned { at }),
        None => Rotates::Not,
    }
}

impl Runner {
    /// Tells the rung that is reached, and notes it.
    pub(in crate::engine) async fn warn(&self) -> Result<Then, RunError> {
        let (engine, claim, secret) = (Arc::clone(&self.engine), self.claim.clone(), self.secret.clone());
        self.engine
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    let Some(subject) = load(tx, engine.keyring(), &claim.tenant, &secret).await? else {
                        return Ok(());
                    };
                    if let Some(Warning::Now { rung, superseded, reason }) = warning_of(&subject, engine.now()) {
                        engine.tell_rung(tx, &subject, rung, &superseded, reason).await?;
                    }
                    Ok::<_, RunError>(())
                })
            })
            .await?;
        Ok(Then::LookAgain)
    }
}

impl Engine {
    async fn tell_rung(
        &self,
        tx: &mut Tx,
        subject: &Subject,
        rung: Rung,
        superseded: &[Rung],
        reason: WarningReason,
    ) -> Result<(), RunError> {
        let Some(expires_at) = subject.secret.expires_at else { return Ok(()) };
        let mut expiry = self.expiry_of(subject);
        expiry.rules.told = Some(Told { rung, expires_at: micros(expires_at) });
        let written = self.put_expiry(tx, &mut expiry).await?;
        let facts = self.facts_of_rung(subject, &expiry.rules, rung, superseded, reason);
        self.append_of_secret(tx, &subject.secret, "expiry.warned", facts, vec![written]).await?;
        Ok(())
    }

    /// The kept rules of a secret, or fresh ones.
    pub(in crate::engine) fn expiry_of(&self, subject: &Subject) -> Expiry {
        subject.expiry.clone().unwrap_or_else(|| self.new_expiry(&subject.secret))
    }

    /// Rules that nobody wrote yet.
    pub(crate) fn new_expiry(&self, secret: &Secret) -> Expiry {
        let document = Document {
            id: self.mint(DocumentId::mint),
            tenant: secret.tenant.clone(),
            kind: kind::EXPIRY.to_owned(),
            name: secret.id.as_str().to_owned(),
            body: Value::Null,
            created_at: self.now(),
            created_by: Actor::daemon(),
            revision: 0,
        };
        let rules = ExpiryRules { registered_at: micros(self.now()), ..ExpiryRules::default() };
        Expiry { document, rules }
    }

    /// Writes the rules of a secret.
    pub(crate) async fn put_expiry(&self, tx: &mut Tx, expiry: &mut Expiry) -> Result<Written, StoreError> {
        expiry.document.body = json!(expiry.rules);
        document::put(tx, self.keyring(), &mut expiry.document).await
    }

    fn facts_of_rung(
        &self,
        subject: &Subject,
        rules: &ExpiryRules,
        rung: Rung,
        superseded: &[Rung],
        reason: WarningReason,
    ) -> Value {
        let secret = &subject.secret;
        let expires_at = secret.expires_at.unwrap_or_else(|| self.now());
        let planned = subject.schedule.as_ref().filter(|row| row.paused_at.is_none()).and_then(|row| row.next_due_at);
        let ends_reads = !read_standing(secret, Some(rules), expires_at + TimeDelta::days(3_660), None).is_readable();
        let will_do = match (planned, ends_reads) {
            _ if secret.kind == TRACKED => "keywheel reminds you, and can do no more: it lives elsewhere".to_owned(),
            (Some(at), _) => format!("keywheel rotates it at {}", at.format("%Y-%m-%d %H:%M UTC")),
            (None, true) => "keywheel refuses to serve it once it has expired".to_owned(),
            (None, false) => "keywheel goes on serving it".to_owned(),
        };
        let urgent = Self::is_last_rung(subject, rules, rung);
        json!({
            "v": 1, "rung": rung.as_secs().saturating_mul(1_000_000), "rung_text": rung.to_string(),
            "superseded": superseded.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            "expires_at": micros(expires_at), "thread": thread_of(subject), "left": left(expires_at - self.now()),
            "version": subject.current().and_then(|current| current.number), "is_last": urgent,
            "why": reason.to_string(), "code": reason.as_str(), "will_do": will_do, "asked": asked(secret, reason),
        })
    }

    /// Whether no rung but the expiry itself comes after this one.
    fn is_last_rung(subject: &Subject, rules: &ExpiryRules, rung: Rung) -> bool {
        let Some(expires_at) = subject.secret.expires_at else { return false };
        let lifetime = begins_at(subject, rules).map(|begins_at| expires_at - begins_at);
        let ladder = rules.ladder.ladder(nature_of(&subject.secret), lifetime);
        ladder.rungs_for(lifetime).last().is_none_or(|last| rung <= *last)
    }

    /// Tells, in the transaction of a publish, that a warned value has a successor.
    pub(in crate::engine) async fn resolve_warning(&self, tx: &mut Tx, before: &Subject) -> Result<(), StoreError> {
        let told = before.expiry.as_ref().and_then(|expiry| expiry.rules.told.as_ref());
        let is_of_this = told.zip(before.secret.expires_at).is_some_and(|(told, at)| told.expires_at == micros(at));
        if !is_of_this {
            return Ok(());
        }
        let facts = json!({ "v": 1, "thread": thread_of(before) });
        self.append_of_secret(tx, &before.secret, "expiry.resolved", facts, Vec::new()).await
    }

    pub(crate) async fn append_of_secret(
        &self,
        tx: &mut Tx,
        secret: &Secret,
        kind: &str,
        facts: Value,
        written: Vec<Written>,
    ) -> Result<(), StoreError> {
        let new = NewEvent {
            id: self.mint(EventId::mint),
            tenant: secret.tenant.clone(),
            subject: secret.id.as_str().to_owned(),
            rotation: None,
            kind: kind.to_owned(),
            facts,
            written,
            actor: Actor::daemon(),
            reason: String::new(),
            at: self.now(),
        };
        event::append(tx, self.keyring(), new).await.map(|_| ())
    }
}

fn thread_of(subject: &Subject) -> String {
    thread(&subject.secret, subject.current().map(|current| &current.id))
}

/// One matter per version and date.
pub(crate) fn thread(secret: &Secret, current: Option<&VersionId>) -> String {
    let version = current.map_or(secret.id.as_str(), VersionId::as_str);
    format!("expiry:{version}:{}", secret.expires_at.map_or(0, |at| at.timestamp()))
}

/// What is left, in words.
fn left(left: TimeDelta) -> String {
    match (left.num_days(), left.num_hours(), left.num_minutes()) {
        (days, _, _) if days >= 2 => format!("{days} days"),
        (_, hours, _) if hours >= 2 => format!("{hours} hours"),
        (_, _, minutes) if minutes >= 2 => format!("{minutes} minutes"),
        _ => "a minute".to_owned(),
    }
}

/// A name as it can be pasted into a shell.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-@:+".contains(c);
    if name.chars().all(is_plain) && !name.starts_with('-') {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', r"'\''"))
}

fn asked(secret: &Secret, reason: WarningReason) -> String {
    let name = quoted(secret.name.as_str());
    match reason {
        WarningReason::RotationFailing => format!("see why its rotation fails: `keywheel secret show {name}`"),
        WarningReason::RotationPaused => format!("resume its schedule: `keywheel schedule resume {name}`"),
        WarningReason::RotationOverdue | WarningReason::PlanTooLate => {
            format!("rotate it now: `keywheel rotate {name}`")
        }
        _ if secret.kind == TRACKED => {
            format!("renew it, and tell keywheel its new date: `keywheel track set {name} --expires DATE`")
        }
        _ => format!("put a new value or a later date: `keywheel secret put {name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_in_the_largest_unit_of_which_there_are_two() {
        let shown = |seconds| left(TimeDelta::seconds(seconds));
        assert_eq!(shown(30 * 86_400), "30 days");
        assert_eq!(shown(86_400 * 2 - 1), "47 hours");
        assert_eq!(shown(7_199), "119 minutes");
        assert_eq!(shown(30), "a minute");
    }

    #[test]
    fn a_name_is_pasted_as_one_word() {
        assert_eq!(quoted("billing/db"), "billing/db");
        assert_eq!(quoted("domain example.org"), "'domain example.org'");
        assert_eq!(quoted("$(id)'"), r"'$(id)'\'''");
        assert_eq!(quoted("-x"), "'-x'");
    }
}
