//! From an event to a receiver: warnings, failures, retries, order, silence, digests, escalation.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use keywheel::{
    engine::{
        Options,
        ops::{
            channels::{self, PutChannel},
            notices::{self, ListNotices, NoticeView},
            routes::{self, PutSilence},
            secrets::About,
            tracked::{self, Track},
            wire::Moment,
        },
        rules::{Matcher, RouteRules},
    },
    model::Actor,
    notify::Limits,
    store::{StoreError, notices::notice},
};
use keywheel_contract::kit::{Fault, FaultRule, Operation, Strategy};
use serde_json::json;

use super::still::{Still, calm};
use crate::support::{
    hooks::{Got, Receiver},
    wait::eventually,
};

const SOON: Duration = Duration::from_secs(20);

fn begin() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).expect("a time")
}

/// Receivers of the tests stand on loopback.
fn options() -> Options {
    let allow = vec!["127.0.0.0/8".parse().expect("a network")];
    Options {
        notify: Limits { allow, ..Limits::default() },
        public_url: Some("https://keys.test".to_owned()),
        ..calm()
    }
}

/// A world with the channel `hook` to a receiver.
pub(crate) struct Told {
    pub(crate) still: Still,
    pub(crate) receiver: Receiver,
}

impl Told {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with other options.
    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = options();
        change(&mut options);
        let mut still = Still::at(begin(), options).await;
        let receiver = Receiver::start().await.expect("a receiver");
        still.world.start();
        let told = Self { still, receiver };
        told.channel("hook", told.receiver.url()).await;
        told
    }

    pub(crate) async fn channel(&self, name: &str, url: &str) {
        let request = PutChannel {
            kind: "webhook".to_owned(),
            settings: json!({ "url": url }),
            enabled: true,
            heartbeat: None,
            reason: String::new(),
        };
        channels::put(&self.still.world.engine, &actor(), name, request).await.expect("a channel");
    }

    pub(crate) async fn track(&self, name: &str, days: i64) {
        self.track_until(name, self.still.world.engine.now() + TimeDelta::days(days)).await;
    }

    pub(crate) async fn track_until(&self, name: &str, expires_at: DateTime<Utc>) {
        let about =
            About { expires_at: Some(expires_at.to_rfc3339()), owner: Some("web".to_owned()), ..About::default() };
        let request = Track { about, reason: String::new() };
        tracked::put(&self.still.world.engine, &actor(), name, request).await.expect("tracked");
    }

    pub(crate) async fn route(&self, name: &str, rules: RouteRules) {
        routes::put(&self.still.world.engine, &actor(), name, rules).await.expect("a route");
    }

    pub(crate) async fn pass_days(&self, days: i64) {
        let until = self.still.world.engine.now() + TimeDelta::days(days);
        self.still.pass(until).await;
        self.still.quiet().await;
    }

    pub(crate) async fn notices(&self) -> Vec<NoticeView> {
        let all = ListNotices { limit: Some(1000), ..ListNotices::default() };
        notices::list(&self.still.world.engine, &actor(), &all).await.expect("listed")
    }

    /// Kinds and subjects of what the receiver got, in order.
    pub(crate) fn got(&self) -> Vec<String> {
        self.receiver.got().iter().map(|got| format!("{} {}", got.kind(), got.subject())).collect()
    }
}

pub(crate) fn actor() -> Actor {
    Actor::daemon()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rung_of_a_tracked_date_is_told_once_and_the_expiry_too() {
    let told = Told::new().await;
    told.track("domain example.org", 100).await;
    told.pass_days(120).await;
    let expected = ["expiry.warning"; 4].into_iter().chain(["expiry.expired"]);
    assert_eq!(told.got(), expected.map(|kind| format!("{kind} domain example.org")).collect::<Vec<_>>());
    let first = &told.receiver.got()[0];
    assert_eq!(first.body["id"], first.id);
    assert!(
        first.body["data"]["link"].as_str().is_some_and(|link| link.starts_with("https://keys.test/")),
        "{first:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_most_urgent_rung_is_told_after_a_downtime() {
    let mut told = Told::new().await;
    told.track("licence", 100).await;
    told.still.quiet().await;
    told.still.world.crash().await;
    told.still.clock.advance(Duration::from_hours(95 * 24));
    told.still.world.restart().await;
    told.pass_days(1).await;
    assert_eq!(told.got(), ["expiry.warning licence"]);
    let superseded = &told.receiver.got()[0].body["data"];
    assert!(superseded.to_string().contains("30d 14d"), "{superseded}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_receiver_gets_each_notice_in_order_when_it_is_back() {
    let told = Told::new().await;
    told.receiver.answer_always(Some(500));
    let id = told.still.world.adopt("db", Strategy::Single).await;
    told.still.world.fake.inject(FaultRule::next(Operation::Apply, Fault::Refuse).forever());
    told.still.world.request(&id).await;
    told.still.push(async || told.notices().await.iter().any(|notice| notice.kind == "rotation.failed")).await;
    assert!(told.got().is_empty());
    told.receiver.answer_always(None);
    told.still.push(async || told.got().contains(&"rotation.failed db".to_owned())).await;
    let ids: Vec<String> = told.receiver.got().into_iter().map(|got| got.id).collect();
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!(ids, sorted, "a later notice of the matter came first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_mutes_and_says_so_in_the_list() {
    let told = Told::new().await;
    let request = PutSilence {
        matching: Matcher { names: vec!["muted/".to_owned()], ..Matcher::default() },
        until: Moment(begin() + TimeDelta::days(365)),
        reason: "it goes away".to_owned(),
    };
    routes::silence(&told.still.world.engine, &actor(), request).await.expect("silenced");
    told.track("muted/a", 20).await;
    told.track("heard", 20).await;
    told.pass_days(30).await;
    assert!(told.got().iter().all(|got| got.ends_with("heard")), "{:?}", told.got());
    assert!(told.notices().await.iter().any(|notice| notice.muted.contains("it goes away")));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_warnings_of_a_day_are_one_digest() {
    let told = Told::new().await;
    for n in 0..60 {
        told.track(&format!("cert/{n:02}"), 100).await;
    }
    told.pass_days(71).await;
    let got = told.receiver.got();
    let digests: Vec<_> = got.iter().filter(|got| got.kind() == "expiry.digest").collect();
    let named: BTreeSet<&str> = digests
        .iter()
        .flat_map(|digest| digest.body["data"]["items"].as_array().into_iter().flatten())
        .filter_map(|item| item["name"].as_str())
        .chain(got.iter().map(Got::subject).filter(|name| !name.is_empty()))
        .collect();
    assert_eq!(named.len(), 60, "everything is told");
    assert!(got.len() <= 12, "{} messages", got.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_announced_over_another_channel_and_can_be_sent_again() {
    let told = Told::new().await;
    let other = Receiver::start().await.expect("another receiver");
    told.channel("other", other.url()).await;
    told.receiver.answer_always(Some(404));
    told.track("domain", 20).await;
    told.still.push(async || other.got().iter().any(|got| got.kind() == "channel.dead_letter")).await;
    let failed = ListNotices { failed: true, ..ListNotices::default() };
    let dead = notices::list(&told.still.world.engine, &actor(), &failed).await.expect("listed");
    assert_eq!(dead.len(), 1);
    told.receiver.answer_always(None);
    notices::resend(&told.still.world.engine, &actor(), &dead[0].id).await.expect("on its way");
    let arrived = async || told.receiver.got().iter().any(|got| got.id == dead[0].id).then_some(());
    eventually(SOON, "the dead letter arrives under its id", arrived).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_disables_its_channel() {
    let told = Told::new().await;
    told.receiver.answer_next(&[410]);
    told.track("domain", 20).await;
    told.still
        .push(async || {
            let view = channels::show(&told.still.world.engine, &actor(), "hook").await.expect("shown");
            view.enabled_at.is_none() && !view.disabled_because.is_empty()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_acknowledges_is_told_further() {
    let told = Told::new().await;
    let boss = Receiver::start().await.expect("another receiver");
    told.channel("boss", boss.url()).await;
    let rules = RouteRules {
        channels: vec!["hook".to_owned()],
        escalate_after: Some("2h".parse().expect("a duration")),
        escalate_to: vec!["boss".to_owned()],
        ..RouteRules::default()
    };
    told.route("all", rules).await;
    told.track("seen", 20).await;
    told.track("ignored", 20).await;
    told.still.push(async || told.got().len() >= 2).await;
    let seen = told.notices().await.into_iter().find(|notice| notice.subject == "seen").expect("a notice");
    notices::acknowledge(&told.still.world.engine, &actor(), &seen.id, notices::AckNotice::default())
        .await
        .expect("acknowledged");
    told.pass_days(1).await;
    let names: BTreeSet<String> = boss.got().iter().map(|got| got.subject().to_owned()).collect();
    assert_eq!(names, BTreeSet::from(["ignored".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_value_closes_the_warning() {
    let told = Told::new().await;
    told.track("domain", 20).await;
    told.still.push(async || !told.got().is_empty()).await;
    told.track("domain", 400).await;
    told.still.push(async || told.got().contains(&"expiry.resolved domain".to_owned())).await;
    let got = told.receiver.got();
    let thread = |n: usize| got[n].body["data"]["thread"].clone();
    assert_eq!(thread(0), thread(got.len() - 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_channel_is_told_what_is_open() {
    let told = Told::new().await;
    let late = Receiver::start().await.expect("another receiver");
    let id = told.still.world.adopt("db", Strategy::Single).await;
    told.still.world.fake.inject(FaultRule::next(Operation::Apply, Fault::Refuse).forever());
    told.still.world.request(&id).await;
    told.still.push(async || told.notices().await.iter().any(|notice| notice.kind == "rotation.failed")).await;
    told.channel("late", late.url()).await;
    told.still.push(async || !late.got().is_empty()).await;
}

/// A route that leads nothing but errors to the receiver.
fn errors_alone() -> RouteRules {
    let matching = Matcher { severity: Some("error".to_owned()), ..Matcher::default() };
    RouteRules { matching, channels: vec!["hook".to_owned()], ..RouteRules::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_of_a_failure_is_told_of_the_success_that_ends_it() {
    let told = Told::new().await;
    told.route("errors", errors_alone()).await;
    let id = told.still.world.adopt("db", Strategy::Single).await;
    told.still.world.request(&id).await;
    told.still.push(async || told.still.world.current(&id).await.number == Some(2)).await;
    assert!(told.got().is_empty(), "a success that ends nothing is no error");
    told.still.world.fake.inject(FaultRule::next(Operation::Apply, Fault::Refuse).forever());
    told.still.world.request(&id).await;
    told.still.push(async || told.got().contains(&"rotation.rolled_back db".to_owned())).await;
    told.still.world.fake.heal();
    told.still.push(async || told.got().contains(&"rotation.succeeded db".to_owned())).await;
    let threads: BTreeSet<String> =
        told.receiver.got().iter().map(|got| got.body["data"]["thread"].to_string()).collect();
    assert_eq!(threads.len(), 1, "one matter");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_is_resolved_where_a_route_leads_warnings_alone_and_even_if_silenced_since() {
    let told = Told::new().await;
    let matching = Matcher { kinds: vec!["expiry.warning".to_owned()], ..Matcher::default() };
    told.route("warnings", RouteRules { matching, channels: vec!["hook".to_owned()], ..RouteRules::default() }).await;
    told.track("domain", 20).await;
    told.still.push(async || !told.got().is_empty()).await;
    let until = Moment(begin() + TimeDelta::days(365));
    let request = PutSilence { matching: Matcher::default(), until, reason: "a holiday".to_owned() };
    routes::silence(&told.still.world.engine, &actor(), request).await.expect("silenced");
    told.track("domain", 400).await;
    told.still.push(async || told.got().contains(&"expiry.resolved domain".to_owned())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_notices_are_forgotten_and_dead_letters_stay() {
    let told = Told::new().await;
    told.receiver.answer_next(&[204, 404]);
    told.track("delivered", 20).await;
    told.still.push(async || !told.got().is_empty()).await;
    told.track("refused", 20).await;
    let engine = &told.still.world.engine;
    let dead = ListNotices { failed: true, ..ListNotices::default() };
    told.still.push(async || !notices::list(engine, &actor(), &dead).await.expect("listed").is_empty()).await;
    let before = engine.now() + TimeDelta::days(1);
    let forgotten: Result<u64, StoreError> =
        engine.store.write(move |tx| Box::pin(async move { notice::prune(tx, before).await })).await;
    assert!(forgotten.expect("forgotten") > 0);
    let left: Vec<String> = told.notices().await.into_iter().map(|notice| notice.subject).collect();
    assert_eq!(left, ["refused"]);
}
