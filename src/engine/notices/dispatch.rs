//! From news to notices and sends, in one transaction, without a call outside.
//!
//! Each process has one dispatcher: woken after its own writes, and by a slow poll for what a crash or another replica
//! left. Replicas leave out the news that another one has locked. A crash before the commit leaves the news.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    matter::{About, Matter, matter_of},
    rules::{ChannelRules, Facts, RouteRules, SilenceRules, kind, rank, read},
};
use crate::{
    clock::{from_micros, micros},
    engine::{Engine, alerts},
    model::{DocumentId, NoticeId, SecretId, SendId, TargetId, TenantId},
    notify::{Class, Severity, State},
    schedule,
    store::{
        Event, StoreError, Tx, agenda, alert, document,
        document::Document,
        event,
        notices::{
            news::{self, News},
            notice::{self, Notice},
            send::{self, Send},
        },
        secret, target,
    },
};

/// News of one transaction.
const BATCH: i64 = 128;

/// How long the dispatcher sleeps without a wake.
const POLL: Duration = Duration::from_secs(5);

/// How long a warning waits for others of its kind, to become a digest with them.
pub(super) const GATHER: TimeDelta = TimeDelta::seconds(3);

/// The most documents of a kind that are looked at.
const MOST: i64 = 1_000;

/// What people configured, as one round reads it.
pub(super) struct Configured {
    pub(super) channels: Vec<(Document, ChannelRules)>,
    pub(super) routes: Vec<RouteRules>,
    silences: Vec<SilenceRules>,
}

/// One channel's share of a matter.
struct Share {
    channel: DocumentId,
    not_before: DateTime<Utc>,
}

impl Engine {
    /// Makes notices until the engine is asked to stop.
    pub(in crate::engine) async fn dispatch(self: Arc<Self>) {
        let mut stopping = self.stopping.subscribe();
        while !self.is_stopping() && !self.store.is_broken() {
            match self.dispatch_round().await {
                Ok(true) => {}
                Ok(false) => {
                    tokio::select! {
                        () = self.store.wait_for_news() => {}
                        () = self.clock.sleep(POLL) => {}
                        _ = stopping.changed() => {}
                    }
                }
                Err(error) => {
                    tracing::warn!(code = error.code(), "cannot make notices: {error}");
                    self.clock.sleep(POLL).await;
                }
            }
        }
    }

    /// Makes notices of the oldest news; answers whether there were any.
    pub(in crate::engine) async fn dispatch_round(self: &Arc<Self>) -> Result<bool, StoreError> {
        let mut tx = self.store.read().await?;
        let is_any = news::is_any(&mut tx, &self.tenant).await?;
        drop(tx);
        if !is_any {
            return Ok(false);
        }
        let engine = Arc::clone(self);
        let found = self.write(move |tx| Box::pin(async move { engine.tell_oldest(tx).await })).await?;
        self.wake();
        Ok(found > 0)
    }

    async fn tell_oldest(&self, tx: &mut Tx) -> Result<usize, StoreError> {
        let tenant = self.tenant.clone();
        let found = news::list_oldest(tx, &tenant, BATCH).await?;
        if found.is_empty() {
            return Ok(0);
        }
        let configured = self.read_configured(tx, &tenant).await?;
        for news in &found {
            if let Some(event) = event::find(tx, self.keyring(), &tenant, &news.event).await? {
                self.tell_event(tx, &tenant, &configured, news, &event).await?;
            }
            news::delete(tx, &tenant, news).await?;
        }
        Ok(found.len())
    }

    pub(super) async fn read_configured(&self, tx: &mut Tx, tenant: &TenantId) -> Result<Configured, StoreError> {
        let mut channels = Vec::new();
        for found in document::list(tx, self.keyring(), tenant, kind::CHANNEL, "", MOST).await? {
            let rules: ChannelRules = read(&found)?;
            channels.push((found, rules));
        }
        let routes = document::list(tx, self.keyring(), tenant, kind::ROUTE, "", MOST).await?;
        let silences = document::list(tx, self.keyring(), tenant, kind::SILENCE, "", MOST).await?;
        Ok(Configured {
            channels,
            routes: routes.iter().map(read).collect::<Result<_, _>>()?,
            silences: silences.iter().map(read).collect::<Result<_, _>>()?,
        })
    }

    async fn tell_event(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        configured: &Configured,
        news: &News,
        event: &Event,
    ) -> Result<(), StoreError> {
        let about = self.about(tx, tenant, configured, &event.subject).await?;
        let public_url = self.options.public_url.as_deref();
        let Some(matter) = matter_of(event, &about, crate::store::tenant::ROOT, public_url) else { return Ok(()) };
        let message = &matter.message;
        let is_awaited = matter.is_answer && notice::is_thread_open(tx, tenant, &message.thread).await?;
        if matter.is_answer && !is_awaited && message.kind != "rotation.succeeded" {
            return Ok(());
        }
        // Who was told that something is wrong is told that it is over, whatever routes and silences say by now.
        let (mut told, mut muted) = (Vec::new(), String::new());
        if is_awaited {
            told = send::list_told(tx, tenant, &message.thread).await?;
        } else {
            muted = self.muted(tx, tenant, configured, &matter, event).await?;
        }
        let routes: Vec<&RouteRules> = configured.routes.iter().filter(|route| route.means(&matter)).collect();
        let mut shares = Vec::new();
        if muted.is_empty() {
            shares = configured.shares(&matter, &routes, &told, news, event, self.now());
        }
        if shares.is_empty() && message.severity == Severity::Info {
            return Ok(());
        }
        let kept = self.keep_notice(tx, tenant, event, &matter, &routes, muted).await?;
        for share in shares {
            self.keep_send(tx, tenant, &kept, &matter, share).await?;
        }
        Ok(())
    }

    /// Writes the notice of an event, unless another round did.
    async fn keep_notice(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        event: &Event,
        matter: &Matter,
        routes: &[&RouteRules],
        muted: String,
    ) -> Result<Notice, StoreError> {
        let message = &matter.message;
        let is_open = message.state == State::Open;
        let escalation = routes.iter().filter_map(|route| route.escalate_after).min().filter(|_| is_open);
        let escalate_at = escalation.filter(|_| muted.is_empty()).map(|after| self.now() + after.as_delta());
        let new = Notice {
            id: self.mint(NoticeId::mint),
            event: event.id.clone(),
            subject: event.subject.clone(),
            kind: message.kind.clone(),
            class: message.class.word().to_owned(),
            severity: rank(message.severity),
            state: message.state.word().to_owned(),
            thread: message.thread.clone(),
            message: serde_json::to_value(message).unwrap_or_default(),
            muted,
            deadline_at: matter.deadline_at,
            escalate_at,
            created_at: self.now(),
            acked_at: None,
            acked_by: String::new(),
            ack_reason: String::new(),
        };
        if !notice::insert(tx, tenant, &new).await?
            && let Some(known) = notice::find_of_event(tx, tenant, &event.id).await?
        {
            return Ok(known);
        }
        if new.escalate_at.is_some() {
            agenda::insert(tx, new.id.as_str(), tenant, "", new.escalate_at).await?;
        }
        Ok(new)
    }

    async fn keep_send(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        kept: &Notice,
        matter: &Matter,
        share: Share,
    ) -> Result<(), StoreError> {
        if matter.message.class == Class::Expiry {
            self.supersede(tx, tenant, &share.channel, &kept.thread).await?;
        }
        self.insert_send(tx, tenant, kept, &share.channel, share.not_before).await
    }

    /// Puts a notice on its way to a channel.
    pub(super) async fn insert_send(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        kept: &Notice,
        channel: &DocumentId,
        not_before: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let new = Send {
            id: self.mint(SendId::mint),
            notice: kept.id.clone(),
            channel: channel.clone(),
            thread: kept.thread.clone(),
            state: "waiting".to_owned(),
            attempts: 0,
            next_at: Some(not_before),
            deadline_at: kept.deadline_at,
            code: String::new(),
            answer: String::new(),
            created_at: self.now(),
            ended_at: None,
        };
        if send::insert(tx, tenant, &new).await? {
            agenda::insert(tx, new.id.as_str(), tenant, channel.as_str(), Some(not_before)).await?;
        }
        Ok(())
    }

    /// Ends what was not yet delivered of a matter: the next notice says more.
    async fn supersede(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        channel: &DocumentId,
        thread: &str,
    ) -> Result<(), StoreError> {
        for mut older in send::list_open(tx, tenant, channel, Some(thread), MOST).await? {
            "superseded".clone_into(&mut older.state);
            older.ended_at = Some(self.now());
            older.next_at = None;
            send::update(tx, tenant, &older).await?;
            agenda::pull(tx, older.id.as_str(), self.now()).await?;
        }
        Ok(())
    }

    /// Who and what a subject is.
    async fn about(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        configured: &Configured,
        subject: &str,
    ) -> Result<About, StoreError> {
        if let Ok(id) = SecretId::parse(subject)
            && let Some(found) = secret::find(tx, self.keyring(), tenant, &id).await?
        {
            let name = found.name.to_string();
            return Ok(About { path: format!("secrets/{name}"), name, owner: found.owner, tags: found.tags });
        }
        if let Ok(id) = TargetId::parse(subject)
            && let Some(found) = target::find(tx, self.keyring(), tenant, &id).await?
        {
            let name = found.name.to_string();
            return Ok(About { path: format!("targets/{name}"), name, ..About::default() });
        }
        let channel = configured.channels.iter().find(|(found, _)| found.id.as_str() == subject);
        let name = channel.map(|(found, _)| found.name.clone()).unwrap_or_default();
        Ok(About { path: format!("channels/{name}"), name, ..About::default() })
    }

    /// Why nobody is told, or nothing: a silence, or a wider trouble that is told already.
    async fn muted(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        configured: &Configured,
        matter: &Matter,
        event: &Event,
    ) -> Result<String, StoreError> {
        let (now, facts) = (micros(self.now()), matter.facts());
        if let Some(silence) = configured.silences.iter().find(|s| s.until > now && s.matching.matches(&facts)) {
            return Ok(format!("silenced: {}", silence.reason));
        }
        let is_consequence = matches!(
            matter.message.kind.as_str(),
            "rotation.rolled_back" | "rotation.undecided" | "retirement.failing"
        );
        let Ok(id) = SecretId::parse(&event.subject) else { return Ok(String::new()) };
        if !is_consequence {
            return Ok(String::new());
        }
        let Some(secret) = secret::find(tx, self.keyring(), tenant, &id).await? else { return Ok(String::new()) };
        let Some(target) = secret.target else { return Ok(String::new()) };
        let open = alert::list_open(tx, tenant, Some(target.as_str())).await?;
        let is_away = open.iter().any(|alert| alert.kind == alerts::kind::UNREACHABLE);
        Ok(if is_away { "its target is unreachable, which was told".to_owned() } else { String::new() })
    }
}

impl Matter {
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            kind: &self.message.kind,
            severity: rank(self.message.severity),
            name: &self.message.subject,
            owner: &self.message.owner,
            tags: &self.message.tags,
        }
    }
}

impl RouteRules {
    fn means(&self, matter: &Matter) -> bool {
        self.matching.matches(&matter.facts())
    }

    /// When its quiet hours end; now, where they do not count.
    fn not_before(&self, matter: &Matter, now: DateTime<Utc>) -> DateTime<Utc> {
        match &self.quiet {
            Some(quiet) if !matter.is_urgent => schedule::quiet_until(&quiet.window, quiet.timezone.as_deref(), now),
            _ => now,
        }
    }
}

impl Configured {
    /// Who gets a matter, and not before when: whom routes name, and who was told of it before. Without any route,
    /// every channel gets what is at least a warning.
    fn shares(
        &self,
        matter: &Matter,
        routes: &[&RouteRules],
        told: &[DocumentId],
        news: &News,
        event: &Event,
        now: DateTime<Utc>,
    ) -> Vec<Share> {
        let mut named: BTreeMap<&str, DateTime<Utc>> = BTreeMap::new();
        let by_default = self.routes.is_empty() && matter.message.severity >= Severity::Warning;
        let meant = self.channels.iter().filter(|(channel, _)| by_default || told.contains(&channel.id));
        named.extend(meant.map(|(channel, _)| (channel.name.as_str(), now)));
        for route in routes {
            let at = route.not_before(matter, now);
            for name in &route.channels {
                let earliest = named.entry(name).or_insert(at);
                *earliest = at.min(*earliest);
            }
        }
        let gather = matter.message.class == Class::Expiry && !matter.is_urgent && !matter.is_answer;
        let wait = if gather { GATHER } else { TimeDelta::zero() };
        let own = |channel: &Document| channel.id.as_str() == event.subject;
        self.channels
            .iter()
            .filter(|(channel, rules)| {
                let is_meant = news.channel.as_ref().is_none_or(|only| *only == channel.id);
                let knows = rules.enabled_at.is_some_and(|at| news.channel.is_some() || from_micros(at) <= event.at);
                // A broken channel is no way to tell that it is broken.
                is_meant && knows && !own(channel)
            })
            .filter_map(|(channel, _)| {
                let at = named.get(channel.name.as_str())?;
                Some(Share { channel: channel.id.clone(), not_before: *at + wait })
            })
            .collect()
    }
}
