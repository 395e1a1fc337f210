//! What can be asked of the engine, on a real store, with a double as target.

use std::{collections::BTreeMap, time::Duration};

use keywheel::{
    engine::{
        DeliveryRoot, Kind, Options, Trouble,
        ops::{
            adopt::{self, AdoptSecret},
            apply::{self, Action, Apply, Declared, DeclaredSecret, DeclaredTarget, Progress},
            deliveries::{self, PutDelivery},
            plan::{self, AskPlan},
            resolve::{self, ResolveRotation},
            rotate::{self, RequestRotation},
            rotations::{self, ListRotations, Wish},
            schedules::{self, Pause, SetSchedule},
            secret_life::{self, DeleteSecret, DestroySecret, UndeleteSecret},
            secret_read::{self, ListSecrets},
            secrets::{self, About, EditSecret, PutSecret},
            targets::{self, PutTarget},
            wire::{Fields, Password},
        },
    },
    expiry::LadderText,
    model::{Actor, Material, SecretText},
    schedule::ScheduleText,
};
use keywheel_contract::kit::{Fault, FaultRule, Operation, Strategy};
use serde_json::json;

use super::world::World;

fn quick() -> Options {
    Options {
        step_deadline: Duration::from_secs(2),
        verify_for: Duration::from_secs(2),
        longest_sleep: Duration::from_millis(200),
        probe_every: None,
        ..Options::default()
    }
}

fn me() -> Actor {
    Actor::local(1000)
}

fn value(password: &str) -> PutSecret {
    PutSecret {
        value: Fields(Material::of_texts([("username", "admin"), ("password", password)])),
        cas: None,
        kind: None,
        about: About::default(),
        reason: String::new(),
    }
}

fn target(address: &str, admin: Option<&str>, proof: Option<&str>) -> PutTarget {
    PutTarget {
        rotator: "fake".to_owned(),
        settings: json!({ "address": address }),
        admin: admin.map(str::to_owned),
        parallel: None,
        acknowledge: Vec::new(),
        admin_password: proof.map(|proof| Password(SecretText::new(proof.to_owned()))),
        reason: String::new(),
    }
}

fn code<T: std::fmt::Debug>(answer: Result<T, Trouble>) -> String {
    answer.expect_err("refused").code.into_owned()
}

fn codes(codes: &[&str]) -> Vec<String> {
    codes.iter().map(|code| (*code).to_owned()).collect()
}

fn adoption(world: &World, strategy: Strategy, account: &str, acknowledge: &[&str]) -> AdoptSecret {
    let first = world.fake.enroll(account, strategy, "first-password");
    AdoptSecret {
        target: "one".to_owned(),
        settings: json!({ "account": account, "strategy": strategy.name() }),
        value: Some(Fields(first)),
        acknowledge: codes(acknowledge),
        ..AdoptSecret::default()
    }
}

/// A world with the target `one` and an adopted account.
async fn with_account(account: &str) -> World {
    let world = World::new(quick()).await;
    targets::put(&world.engine, &me(), "one", target("fake://one", None, None)).await.expect("a target");
    let request = adoption(&world, Strategy::Single, account, &["no-overlap", "no-delivery"]);
    adopt::adopt(&world.engine, &me(), account, request).await.expect("adopted");
    world
}

async fn until(world: &World, secret: &str, status: &str) -> String {
    let what = format!("the newest rotation of {secret} is {status}");
    let arrived = async || {
        let asks = ListRotations { secret: Some(secret.to_owned()), ..ListRotations::default() };
        let found = rotations::list(&world.engine, &me(), &asks).await.ok()?;
        let newest = found.first()?;
        (newest.status == status).then(|| newest.id.clone())
    };
    crate::support::wait::eventually(Duration::from_secs(20), &what, arrived).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_put_read_deleted_brought_back_and_destroyed() {
    let world = World::new(quick()).await;
    let (engine, me) = (&world.engine, me());
    assert!(secrets::put(engine, &me, "a/b", value("one")).await.expect("made").is_new);
    let second = secrets::put(engine, &me, "a/b", PutSecret { cas: Some(1), ..value("two") }).await.expect("put");
    assert_eq!(second.version, 2);
    let stale = secrets::put(engine, &me, "a/b", PutSecret { cas: Some(1), ..value("three") }).await;
    assert_eq!(code(stale), "version-not-expected");
    let read = async |which: &str| {
        let found = secret_read::get(engine, &me, "a/b", which).await?;
        Ok::<_, Trouble>(found.value.0.text("password").unwrap_or_default().to_owned())
    };
    for (which, password) in [("", "two"), ("2", "two"), ("1", "one"), ("previous", "one")] {
        assert_eq!(read(which).await.expect("read"), password, "{which}");
    }
    assert_eq!(code(read("7").await), "version-not-found");
    secret_life::delete(engine, &me, "a/b", DeleteSecret::default()).await.expect("deleted");
    assert_eq!(code(read("").await), "secret-deleted");
    assert_eq!(code(secrets::put(engine, &me, "a/b", value("x")).await), "secret-deleted");
    secret_life::undelete(engine, &me, "a/b", UndeleteSecret::default()).await.expect("back");
    assert_eq!(read("").await.expect("read"), "two");
    let first = DestroySecret { version: Some("1".to_owned()), reason: String::new() };
    secret_life::destroy(engine, &me, "a/b", first).await.expect("destroyed");
    assert_eq!(code(read("1").await), "version-destroyed");
    secret_life::destroy(engine, &me, "a/b", DestroySecret::default()).await.expect("destroyed");
    assert_eq!(code(read("").await), "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_by_prefix_label_and_page() {
    let world = World::new(quick()).await;
    let (engine, me) = (&world.engine, me());
    for name in ["a/1", "a/2", "a/3", "b/1"] {
        let tags = BTreeMap::from([("odd".to_owned(), name.ends_with(['1', '3']).then(|| "yes".to_owned()))]);
        let about = About { tags, ..About::default() };
        secrets::put(engine, &me, name, PutSecret { about, ..value("x") }).await.expect("made");
    }
    let names = async |asks: ListSecrets| {
        let page = secret_read::list(engine, &asks).await.expect("listed");
        (page.secrets.into_iter().map(|line| line.name).collect::<Vec<_>>(), page.next)
    };
    let below = |limit| ListSecrets { prefix: "a/".to_owned(), limit: Some(limit), ..ListSecrets::default() };
    assert_eq!(names(below(9)).await, (vec!["a/1".into(), "a/2".into(), "a/3".into()], None));
    assert_eq!(names(below(2)).await, (vec!["a/1".into(), "a/2".into()], Some("a/2".to_owned())));
    assert_eq!(names(ListSecrets { after: "a/2".to_owned(), ..below(2) }).await, (vec!["a/3".into()], None));
    let odd = ListSecrets { tag: Some("odd=yes".to_owned()), ..ListSecrets::default() };
    assert_eq!(names(odd).await.0, ["a/1", "a/3", "b/1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_changes_only_for_who_has_the_admins_password() {
    let world = World::new(quick()).await;
    let (engine, me) = (&world.engine, me());
    let missing = targets::put(engine, &me, "one", target("x", Some("one/admin"), None)).await;
    assert_eq!(code(missing), "admin-missing");
    secrets::put(engine, &me, "one/admin", value("s3cret")).await.expect("made");
    assert!(targets::put(engine, &me, "one", target("x", Some("one/admin"), None)).await.expect("made").is_new);
    for proof in [None, Some(""), Some("s3cre"), Some("s3cret ")] {
        let moved = targets::put(engine, &me, "one", target("y", Some("one/admin"), proof)).await;
        assert_eq!(code(moved), "admin-credential-needed", "{proof:?}");
    }
    targets::put(engine, &me, "one", target("y", Some("one/admin"), Some("s3cret"))).await.expect("moved");
    targets::put(engine, &me, "one", target("z", None, None)).await.expect("nothing is sent there");
    let back = targets::put(engine, &me, "one", target("z", Some("one/admin"), None)).await;
    assert_eq!(code(back), "admin-credential-needed");
    assert_eq!(targets::show(engine, &me, "one").await.expect("shown").settings["address"], "z");
    targets::put(engine, &me, "one", target("z", Some("one/admin"), Some("s3cret"))).await.expect("proven");
    assert_eq!(code(secret_life::delete(engine, &me, "one/admin", DeleteSecret::default()).await), "secret-is-admin");
    targets::delete(engine, &me, "one", String::new()).await.expect("unused");
    secret_life::delete(engine, &me, "one/admin", DeleteSecret::default()).await.expect("no admin any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_adopted_when_its_value_logs_in_and_promises_are_acknowledged() {
    let world = World::new(quick()).await;
    let (engine, me) = (&world.engine, me());
    targets::put(engine, &me, "one", target("fake://one", None, None)).await.expect("a target");
    let request = adoption(&world, Strategy::Single, "app", &[]);
    let wrong = Fields(Material::of_texts([("username", "app"), ("password", "wrong")]));
    let refused = adopt::adopt(engine, &me, "app", AdoptSecret { value: Some(wrong), ..request.clone() }).await;
    assert_eq!(code(refused), "value-refused");
    let trouble = adopt::adopt(engine, &me, "app", request.clone()).await.expect_err("two promises");
    assert_eq!((trouble.kind, trouble.findings.len()), (Kind::NeedsAcknowledgement, 2));
    let given = AdoptSecret { acknowledge: codes(&["no-overlap", "no-delivery"]), ..request };
    let adopted = adopt::adopt(engine, &me, "app", given).await.expect("adopted");
    assert_eq!((adopted.version, adopted.identity.as_str()), (Some(1), "app"));
    assert_eq!(secret_read::show(engine, &me, "app").await.expect("shown").overlap_seconds, 0);
    let about = About { overlap: Some("1h".to_owned()), ..About::default() };
    let impossible = secrets::edit(engine, &me, "app", EditSecret { about, reason: String::new() }).await;
    assert_eq!(code(impossible), "overlap-impossible");
    assert_eq!(world.fake.calls_of_all(Operation::Apply), 0);
    assert_eq!(code(secrets::put(engine, &me, "app", value("x")).await), "secret-managed");
    assert_eq!(code(targets::delete(engine, &me, "one", String::new()).await), "target-in-use");
    assert_eq!(code(secret_life::delete(engine, &me, "app", DeleteSecret::default()).await), "secret-managed");
    let first = DestroySecret { version: Some("1".to_owned()), reason: String::new() };
    assert_eq!(code(secret_life::destroy(engine, &me, "app", first).await), "version-not-dead");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_a_known_password_is_rotated_at_once() {
    let mut world = World::new(quick()).await;
    let me = me();
    targets::put(&world.engine, &me, "one", target("fake://one", None, None)).await.expect("a target");
    let known = adoption(&world, Strategy::Single, "app", &["no-overlap", "no-delivery"]);
    let unknown = AdoptSecret { value: None, unknown: true, ..known };
    assert_eq!(code(adopt::adopt(&world.engine, &me, "app", unknown.clone()).await), "acknowledgement-needed");
    let acknowledge = codes(&["no-overlap", "no-delivery", "unknown-password"]);
    let adopted = adopt::adopt(&world.engine, &me, "app", AdoptSecret { acknowledge, ..unknown }).await;
    assert!(adopted.expect("adopted").occurrence.is_some());
    world.start();
    until(&world, "app", "published").await;
    let served = secret_read::get(&world.engine, &me, "app", "").await.expect("a value").value.0;
    assert!(world.fake.logs_in("app", &served));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_changed_outside_is_taken_anew() {
    let world = with_account("app").await;
    world.fake.overwrite("app", "app", "changed-outside");
    let again = |password: &str| AdoptSecret {
        target: "one".to_owned(),
        value: Some(Fields(Material::of_texts([("username", "app"), ("password", password)]))),
        ..AdoptSecret::default()
    };
    let wrong = adopt::adopt(&world.engine, &me(), "app", again("first-password")).await;
    assert_eq!(code(wrong), "value-refused");
    let adopted = adopt::adopt(&world.engine, &me(), "app", again("changed-outside")).await.expect("taken");
    assert_eq!((adopted.is_new, adopted.version), (false, Some(2)));
    let history = secret_read::history(&world.engine, &me(), "app").await.expect("a history");
    assert!(history.versions[0].stage == "retired" && history.versions[0].retired_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adoption_says_how_long_each_value_lasts_and_when_to_warn() {
    let world = World::new(quick()).await;
    let (engine, me) = (&world.engine, me());
    targets::put(engine, &me, "one", target("fake://one", None, None)).await.expect("a target");
    let rungs = |rungs: &[&str]| Some(LadderText { mode: None, rungs: Some(codes(rungs)) });
    let about = About { lasts: Some("90d".to_owned()), ladder: rungs(&["7d", "30d"]), ..About::default() };
    let request = adoption(&world, Strategy::Single, "app", &["no-overlap", "no-delivery"]);
    let refused = adopt::adopt(engine, &me, "app", AdoptSecret { about: about.clone(), ..request.clone() }).await;
    assert_eq!(code(refused), "ladder-not-decreasing");
    assert_eq!(code(secret_read::show(engine, &me, "app").await), "not-found");
    let about = About { ladder: rungs(&["30d", "7d"]), on_expiry: Some("deactivate".to_owned()), ..about };
    adopt::adopt(engine, &me, "app", AdoptSecret { about, ..request }).await.expect("adopted");
    let shown = secret_read::show(engine, &me, "app").await.expect("shown");
    let published = shown.versions[0].published_at.expect("published");
    assert_eq!(shown.line.expires_at.map(|at| at.0 - published.0), Some(chrono::TimeDelta::days(90)));
    let expiry = shown.expiry.expect("decided");
    assert_eq!((expiry.lasts.as_deref(), expiry.on_expiry.as_deref()), (Some("90d"), Some("deactivate")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_requests_make_one_rotation() {
    let mut world = with_account("app").await;
    let request = RequestRotation { names: codes(&["app"]), ..RequestRotation::default() };
    let asks = (0..100).map(|_| rotate::request(&world.engine, &ME, request.clone()));
    let answers = futures_util::future::join_all(asks).await;
    assert!(answers.iter().all(Result::is_ok));
    world.start();
    until(&world, "app", "published").await;
    world.stop().await;
    let history = secret_read::history(&world.engine, &me(), "app").await.expect("a history");
    assert_eq!(history.versions.len(), 2);
    let asks = ListRotations { secret: Some("app".to_owned()), ..ListRotations::default() };
    assert_eq!(rotations::list(&world.engine, &me(), &asks).await.expect("listed").len(), 1);
}

static ME: std::sync::LazyLock<Actor> = std::sync::LazyLock::new(me);

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing_anywhere() {
    let world = with_account("app").await;
    secret_read::get(&world.engine, &me(), "app", "").await.expect("a read");
    let before = secret_read::history(&world.engine, &me(), "app").await.expect("a history");
    let run = rotate::dry_run(&world.engine, &me(), "app").await.expect("looked");
    assert!(run.is_clear && run.next == "would begin at once" && run.changes.len() == 1);
    assert_eq!((run.readers.len(), run.readers[0].version.as_str()), (1, "1"));
    let after = secret_read::history(&world.engine, &me(), "app").await.expect("a history");
    assert_eq!(before, after);
    assert_eq!(world.fake.calls_of_all(Operation::Apply) + world.fake.calls_of_all(Operation::Prepare), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cuts_an_overlap_must_say_so() {
    let mut world = World::new(quick()).await;
    targets::put(&world.engine, &me(), "one", target("fake://one", None, None)).await.expect("a target");
    let about = About { overlap: Some("1h".to_owned()), ..About::default() };
    let request = AdoptSecret { about, ..adoption(&world, Strategy::Alternate, "app", &[]) };
    adopt::adopt(&world.engine, &me(), "app", request).await.expect("adopted");
    let request = RequestRotation { names: codes(&["app"]), ..RequestRotation::default() };
    world.start();
    rotate::request(&world.engine, &me(), request.clone()).await.expect("asked");
    until(&world, "app", "published").await;
    assert_eq!(code(rotate::request(&world.engine, &me(), request.clone()).await), "cuts-overlap");
    let request = RequestRotation { acknowledge: codes(&["cuts-overlap"]), ..request };
    rotate::request(&world.engine, &me(), request).await.expect("asked");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_rotation_is_rolled_back_by_a_new_one() {
    let mut world = with_account("app").await;
    world.start();
    let request = RequestRotation { names: codes(&["app"]), ..RequestRotation::default() };
    rotate::request(&world.engine, &me(), request).await.expect("asked");
    let first = until(&world, "app", "published").await;
    let granted = rotations::rollback(&world.engine, &me(), &first, Wish::default()).await.expect("granted");
    assert!(granted.occurrence.is_some());
    let what = "the value before is served again";
    let arrived = async || {
        let read = secret_read::get(&world.engine, &me(), "app", "3").await.ok()?;
        (read.value.0.text("password") == Some("first-password")).then_some(())
    };
    crate::support::wait::eventually(Duration::from_secs(20), what, arrived).await.expect("in time");
    let again = rotations::rollback(&world.engine, &me(), &first, Wish::default()).await;
    assert_eq!(code(again), "not-the-last");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_rotation_is_resolved_by_what_logs_in() {
    let mut world = with_account("app").await;
    world.fake.overwrite("app", "app", "nobody-knows");
    world.fake.inject(FaultRule::next(Operation::Apply, Fault::Vanish).forever());
    world.start();
    let request = RequestRotation { names: codes(&["app"]), ..RequestRotation::default() };
    rotate::request(&world.engine, &me(), request.clone()).await.expect("asked");
    let rotation = until(&world, "app", "stuck").await;
    world.fake.heal();
    let candidate = secret_read::get(&world.engine, &me(), "app", "candidate").await.expect("kept").value.0;
    world.fake.overwrite("app", "app", candidate.text("password").expect("a password"));
    assert_eq!(code(rotate::request(&world.engine, &me(), request).await), "rotation-stuck");
    let keep = |keep: &str| ResolveRotation { keep: keep.to_owned(), ..ResolveRotation::default() };
    assert_eq!(code(resolve::resolve(&world.engine, &me(), &rotation, keep("current")).await), "value-refused");
    assert_eq!(code(resolve::resolve(&world.engine, &me(), &rotation, keep("-")).await), "reason-missing");
    let resolved = resolve::resolve(&world.engine, &me(), &rotation, keep("candidate")).await.expect("resolved");
    assert!(resolved.is_verified && resolved.kept.is_some_and(|kept| kept.number == Some(2)));
    let shown = secret_read::show(&world.engine, &me(), "app").await.expect("shown");
    assert!(shown.alerts.is_empty() && shown.occurrences.is_empty() && shown.line.rotation.is_none());
    let served = secret_read::get(&world.engine, &me(), "app", "").await.expect("a value").value.0;
    assert!(world.fake.logs_in("app", &served));
    assert_eq!(code(resolve::resolve(&world.engine, &me(), &rotation, keep("candidate")).await), "rotation-not-stuck");
    world.stop().await;
}

fn every(text: &str) -> SetSchedule {
    let schedule = ScheduleText { every: Some(text.to_owned()), ..ScheduleText::default() };
    SetSchedule { schedule, ..SetSchedule::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_checked_planned_paused_and_resumed() {
    let world = with_account("app").await;
    let (engine, me) = (&world.engine, me());
    let set = schedules::set(engine, &me, "app", every("30d")).await.expect("set");
    let due = set.next_due_at.expect("due");
    assert_eq!((due.0 - engine.now()).num_days(), 29);
    let never = ScheduleText { cron: Some("0 0 31 2 *".to_owned()), ..ScheduleText::default() };
    let never = SetSchedule { schedule: never, ..SetSchedule::default() };
    assert_eq!(code(schedules::set(engine, &me, "app", never.clone()).await), "schedule-findings");
    let paused = schedules::pause(engine, &me, "app", Pause::On, "release week".to_owned()).await.expect("paused");
    assert_eq!((paused.next_due_at, paused.pause_reason.as_str()), (Some(due), "release week"));
    let asks = AskPlan { days: 90, ..AskPlan::default() };
    assert_eq!(plan::plan(engine, &me, &asks).await.expect("a plan").paused, ["app"]);
    let resumed = schedules::pause(engine, &me, "app", Pause::Off, String::new()).await.expect("resumed");
    assert_eq!((resumed.next_due_at, resumed.paused_at), (Some(due), None));
    let planned = plan::plan(engine, &me, &asks).await.expect("a plan");
    assert_eq!((planned.fires.len(), planned.fires[0].at), (3, due));
    let accepted = SetSchedule { acknowledge: codes(&["schedule-never-fires"]), ..never };
    assert_eq!(schedules::set(engine, &me, "app", accepted).await.expect("accepted").next_due_at, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_checked_when_it_is_put() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = DeliveryRoot { path: folder.path().to_owned() };
    let options = Options { delivery_roots: BTreeMap::from([("apps".to_owned(), root)]), ..quick() };
    let mut world = World::new(options).await;
    let me = me();
    targets::put(&world.engine, &me, "one", target("fake://one", None, None)).await.expect("a target");
    let request = adoption(&world, Strategy::Single, "app", &["no-overlap", "no-delivery"]);
    adopt::adopt(&world.engine, &me, "app", request).await.expect("adopted");
    let files = |root: &str, path: &str, template: &str| -> PutDelivery {
        serde_json::from_value(json!({ "files": { "root": root, "path": path, "template": template } })).expect("one")
    };
    let put = async |request: PutDelivery| deliveries::put(&world.engine, &me, "app", "env", request).await;
    assert_eq!(code(put(files("else", "x", "")).await), "unknown-delivery-root");
    assert_eq!(code(put(files("apps", "../x", "")).await), "bad-path");
    assert_eq!(code(put(files("apps", "x", "{{ secret.pass }}")).await), "template-undefined");
    put(files("apps", "app.env", "P={{ secret.password }}\n")).await.expect("put");
    let engine = std::sync::Arc::clone(&world.engine);
    world.start();
    let file = folder.path().join("app.env");
    let arrived = async || std::fs::read_to_string(&file).ok();
    let written = crate::support::wait::eventually(Duration::from_secs(10), "the file is there", arrived).await;
    assert_eq!(written.expect("in time"), "P=first-password\n");
    world.stop().await;
    let listed = deliveries::list(&engine, &me, "app").await.expect("listed");
    assert!(listed[0].is_delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_is_planned_then_applied_and_then_kept() {
    let world = World::new(quick()).await;
    let (engine, me) = (&world.engine, me());
    world.fake.enroll("app", Strategy::Single, "first-password");
    let password = |text: &str| Some(Password(SecretText::new(text.to_owned())));
    let declared = Declared {
        target: vec![DeclaredTarget {
            name: "one".to_owned(),
            rotator: "fake".to_owned(),
            settings: json!({ "address": "fake://one" }),
            admin: Some("one/admin".to_owned()),
            parallel: Some(2),
            acknowledge: Vec::new(),
            admin_password: None,
        }],
        secret: vec![
            DeclaredSecret {
                name: "app".to_owned(),
                target: Some("one".to_owned()),
                settings: json!({ "account": "app", "strategy": "single" }),
                password: password("first-password"),
                acknowledge: codes(&["no-overlap", "no-delivery"]),
                schedule: Some(ScheduleText { every: Some("30d".to_owned()), ..ScheduleText::default() }),
                ..DeclaredSecret::default()
            },
            DeclaredSecret {
                name: "one/admin".to_owned(),
                username: Some("root".to_owned()),
                password: password("s3cret"),
                ..DeclaredSecret::default()
            },
        ],
        ..Declared::default()
    };
    let ask = |dry_run| Apply { declared: declared.clone(), dry_run, reason: String::new() };
    let names = |applied: &apply::Applied| applied.steps.iter().map(|step| step.name.clone()).collect::<Vec<_>>();
    let plan = apply::apply(engine, &me, ask(true)).await.expect("a plan");
    assert_eq!(names(&plan), ["one/admin", "one", "app"]);
    assert!(plan.steps.iter().all(|step| step.action == Action::Create && step.progress == Progress::Planned));
    assert!(targets::list(engine).await.expect("listed").is_empty());
    let done = apply::apply(engine, &me, ask(false)).await.expect("applied");
    assert!(done.is_complete, "{:?}", done.steps);
    assert!(schedules::show(engine, &me, "app").await.expect("a schedule").next_due_at.is_some());
    let again = apply::apply(engine, &me, ask(false)).await.expect("applied");
    assert!(again.steps.iter().all(|step| step.action == Action::Keep), "{:?}", again.steps);
}
