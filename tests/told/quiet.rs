//! When people are not disturbed, when they are all the same, and signs of life.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use keywheel::{
    engine::{
        ops::{
            channels::{self, PutChannel},
            notices::NoticeView,
            routes::{self, PutSilence},
            wire::Moment,
        },
        rules::{Matcher, Quiet, RouteRules},
    },
    model::SecretId,
    store::{NewEvent, StoreError, event},
};
use keywheel_contract::{
    EventId, RotationId,
    kit::{Fault, FaultRule, Operation, Strategy},
};
use serde_json::json;

use crate::engine::notices::{Told, actor};

/// The begin of these worlds is midnight in UTC; rungs of dates in whole days are reached then.
fn night(channels: &[&str]) -> RouteRules {
    RouteRules {
        channels: channels.iter().map(|name| (*name).to_owned()).collect(),
        quiet: Some(Quiet { window: "22:00-07:00".to_owned(), timezone: None }),
        ..RouteRules::default()
    }
}

impl Told {
    async fn pass_minutes(&self, minutes: i64) {
        let until = self.still.world.engine.now() + TimeDelta::minutes(minutes);
        self.still.pass(until).await;
        self.still.quiet().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_delay_a_warning_until_the_morning_and_never_the_last_one() {
    let told = Told::new().await;
    told.route("night", night(&["hook"])).await;
    told.track("domain", 100).await;
    told.pass_days(70).await;
    told.pass_minutes(6 * 60 + 59).await;
    assert!(told.got().is_empty(), "somebody was woken by the first of four warnings: {:?}", told.got());
    told.pass_minutes(2).await;
    assert_eq!(told.got(), ["expiry.warning domain"]);
    // Two more warnings, each told in the morning; then the last one, a day before, at midnight.
    told.pass_days(28).await;
    assert_eq!(told.got().len(), 3);
    told.pass_minutes(17 * 60).await;
    assert_eq!(told.got(), ["expiry.warning domain"; 4], "the last warning waits for the morning");
    told.pass_days(1).await;
    assert_eq!(told.got().last().map(String::as_str), Some("expiry.expired domain"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_leaves_alone_what_waits_for_the_morning() {
    let told = Told::new().await;
    let names = |name: &str| Matcher { names: vec![name.to_owned()], ..Matcher::default() };
    told.route("night", RouteRules { matching: names("calm/"), ..night(&["hook"]) }).await;
    let awake = RouteRules { matching: names("loud/"), channels: vec!["hook".to_owned()], ..RouteRules::default() };
    told.route("day", awake).await;
    told.track("calm/a", 100).await;
    for n in 0..20 {
        told.track(&format!("loud/{n:02}"), 100).await;
    }
    told.pass_days(70).await;
    told.pass_minutes(60).await;
    let text: String = told.receiver.got().iter().map(|got| got.body.to_string()).collect();
    assert!((0..20).all(|n| text.contains(&format!("loud/{n:02}"))), "not all are told by night");
    assert!(!text.contains("calm/a"), "what waits for the morning came by night");
    told.pass_minutes(7 * 60).await;
    assert!(told.got().contains(&"expiry.warning calm/a".to_owned()), "{:?}", told.got());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_that_is_over_mutes_nothing() {
    let told = Told::new().await;
    let request = PutSilence {
        matching: Matcher::default(),
        until: Moment(told.still.world.engine.now() + TimeDelta::days(75)),
        reason: "moving house".to_owned(),
    };
    routes::silence(&told.still.world.engine, &actor(), request).await.expect("silenced");
    told.track("domain", 100).await;
    told.pass_days(74).await;
    assert!(told.got().is_empty());
    told.pass_days(13).await;
    assert_eq!(told.got(), ["expiry.warning domain"], "the rung of fourteen days comes after the silence");
}

/// An event as a rollback leaves it, of a rotation that is not there.
async fn tell_of_rollback(told: &Told, id: &SecretId) {
    let engine = Arc::clone(&told.still.world.engine);
    let new = NewEvent {
        id: engine.mint(EventId::mint),
        tenant: engine.tenant.clone(),
        subject: id.as_str().to_owned(),
        rotation: Some(engine.mint(RotationId::mint)),
        kind: "rotation.unwound".to_owned(),
        facts: json!({ "v": 1, "facts": { "because": { "code": "x", "sentence": "no answer", "hint": "h" } } }),
        written: Vec::new(),
        actor: actor(),
        reason: String::new(),
        at: engine.now(),
    };
    let keyring = Arc::clone(engine.keyring());
    let told: Result<(), StoreError> =
        engine.store.write(move |tx| Box::pin(async move { event::append(tx, &keyring, new).await.map(|_| ()) })).await;
    told.expect("told");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_target_mutes_the_rollbacks_of_its_secrets_and_says_so() {
    let told = Told::with(|options| options.breaker_after = 1).await;
    let world = &told.still.world;
    let (id, other) = (world.adopt("db", Strategy::Single).await, world.adopt("well", Strategy::Single).await);
    for (operation, fault) in [
        (Operation::Apply, Fault::Vanish),
        (Operation::Settle, Fault::Unreachable),
        (Operation::Probe, Fault::Unreachable),
    ] {
        world.fake.inject(FaultRule::next(operation, fault).at_account("db").forever());
    }
    world.request(&id).await;
    let has = async |kind: &str| told.notices().await.iter().any(|notice| notice.kind == kind);
    told.still.push(async || has("target.unreachable").await && has("rotation.undecided").await).await;
    tell_of_rollback(&told, &id).await;
    tell_of_rollback(&told, &other).await;
    told.still.push(async || told.got().contains(&"rotation.rolled_back well".to_owned())).await;
    let notices = told.notices().await;
    for kind in ["rotation.undecided", "rotation.rolled_back"] {
        let of_db = |notice: &&NoticeView| notice.kind == kind && notice.subject == "db";
        let muted = notices.iter().find(of_db).expect("it is listed");
        assert!(muted.muted.contains("its target is unreachable") && muted.sends.is_empty(), "{muted:?}");
    }
    assert!(told.got().iter().any(|got| got.starts_with("target.unreachable")), "{:?}", told.got());
    assert!(!told.got().iter().any(|got| got.ends_with(" db") && !got.starts_with("target")), "{:?}", told.got());
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_of_life_come_as_often_as_asked_for_and_stop_with_the_daemon() {
    let mut told = Told::new().await;
    let request = PutChannel {
        kind: "webhook".to_owned(),
        settings: json!({ "url": told.receiver.url() }),
        enabled: true,
        heartbeat: Some("5m".to_owned()),
        reason: String::new(),
    };
    channels::put(&told.still.world.engine, &actor(), "hook", request).await.expect("a channel");
    told.pass_minutes(61).await;
    let signs = told.got().iter().filter(|got| got.starts_with("daemon.alive")).count();
    assert!((12..=14).contains(&signs), "{signs} signs of life in an hour");
    assert!(told.notices().await.is_empty(), "a sign of life is kept");
    told.still.world.crash().await;
    let before = told.got().len();
    told.still.clock.advance(Duration::from_hours(2));
    assert_eq!(told.got().len(), before);
    told.still.world.restart().await;
    told.pass_minutes(6).await;
    let after = told.got().len() - before;
    assert!((1..=3).contains(&after), "{after} signs after a pause: what was missed is not caught up");
}
