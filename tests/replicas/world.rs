//! Replicas: engines on one database, each in a runtime of its own, so that it can be killed or suspended alone.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use chrono::TimeDelta;
use keywheel::{
    clock::WrongClock,
    engine::{Engine, Options, Parts, Rotators},
    model::{OccurrenceId, ScheduleRow, SecretId, Stage, VersionId},
    store::{NewEvent, Store, agenda, event, occurrence, schedule, secret, target, version},
};
use keywheel_contract::kit::{FakeRotator, FakeTarget, Strategy, SystemRandom};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::{
    store::world::{Rows, World, mint, now},
    support::wait::eventually,
};

/// One replica.
pub(crate) struct Replica {
    runtime: Runtime,
    pub(crate) engine: Arc<Engine>,
}

impl Replica {
    /// Ends it where it is, as a kill does.
    pub(crate) fn kill(self) {
        self.runtime.shutdown_background();
    }

    /// Stops its only thread until the answer is dropped.
    pub(crate) fn suspend(&self) -> mpsc::Sender<()> {
        let (resume, resumed) = mpsc::channel();
        let (stopped, is_stopped) = mpsc::channel();
        self.runtime.spawn(async move {
            stopped.send(()).expect("somebody waits");
            let _ = resumed.recv();
        });
        is_stopped.recv().expect("it stops");
        resume
    }
}

/// A database with a double as target, and what is told to replicas.
pub(crate) struct Replicas {
    pub(crate) world: World,
    pub(crate) fake: Arc<FakeTarget>,
    pub(crate) options: Options,
}

impl Replicas {
    pub(crate) async fn new() -> Self {
        let options = Options {
            claim: Duration::from_secs(5),
            step_deadline: Duration::from_secs(20),
            verify_for: Duration::from_secs(20),
            longest_sleep: Duration::from_millis(200),
            probe_every: None,
            ..Options::default()
        };
        Self { world: World::postgres().await, fake: Arc::new(FakeTarget::new()), options }
    }

    pub(crate) async fn start(&self) -> Replica {
        self.start_with_clock(TimeDelta::zero()).await
    }

    pub(crate) async fn start_with_clock(&self, wrong_by: TimeDelta) -> Replica {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let Rows::Url(url) = &self.world.place else { panic!("it is PostgreSQL") };
        let (url, keyring) = (url.clone(), Arc::clone(&self.world.keyring));
        let (fake, tenant, options) = (Arc::clone(&self.fake), self.world.tenant.clone(), self.options.clone());
        let started = runtime.spawn(async move {
            let store = Store::open_postgres(&url, 4, keyring).await.expect("a store");
            let engine = Engine::new(Parts {
                store,
                clock: Arc::new(WrongClock(wrong_by)),
                random: Arc::new(SystemRandom),
                rotators: Rotators::default().with(Arc::new(FakeRotator { target: fake })),
                options,
                tenant,
            });
            tokio::spawn(Arc::clone(&engine).run());
            engine
        });
        Replica { engine: started.await.expect("started"), runtime }
    }

    /// Adopts secrets, several at each target.
    pub(crate) async fn adopt(&self, count: usize) -> Vec<SecretId> {
        let world = &self.world;
        let (mut ids, mut at) = (Vec::new(), None);
        for n in 0..count {
            let account = format!("account-{n}");
            let material = self.fake.enroll(&account, Strategy::Single, "first-password");
            if n % 25 == 0 {
                let breaker = keywheel::model::Breaker::Closed;
                at = Some(keywheel::model::Target { admin: None, breaker, ..world.target(&format!("target/{n}")) });
            }
            let (target, is_new) = (at.clone().expect("there is one"), n % 25 == 0);
            let mut secret = world.secret(&format!("app/{n}"), Some(&target));
            (secret.rotation, secret.probe_at, secret.expires_at) = (None, None, None);
            (secret.settings, secret.overlap_us) = (json!({ "account": account, "strategy": "single" }), 0);
            let mut version = world.version(&secret, Stage::Current, Some(1));
            (version.identity, version.retire_at) = (account.clone(), None);
            let place = keywheel::keyring::Place {
                tenant: &world.tenant,
                table: "version",
                row: version.id.as_str(),
                column: "token",
            };
            let sealed = world.keyring.seal(&place, &material.to_json(), now()).expect("sealed");
            (version.key, version.token) = (sealed.key_id, Some(sealed.token));
            ids.push(secret.id.clone());
            let (keyring, event) = (world.keyring.clone(), world.event(secret.id.as_str(), "secret.adopted", vec![]));
            let adopted = world.write(move |tx| {
                Box::pin(async move {
                    let mut written = Vec::new();
                    if is_new {
                        written.push(target::insert(tx, &keyring, &target).await?);
                    }
                    written.push(secret::insert(tx, &keyring, &secret).await?);
                    written.push(version::insert(tx, &keyring, &version).await?);
                    agenda::insert(tx, secret.id.as_str(), &secret.tenant, target.id.as_str(), None).await?;
                    event::append(tx, &keyring, NewEvent { written, ..event }).await.map(|_| ())
                })
            });
            adopted.await.expect("adopted");
        }
        ids
    }

    /// Asks for rotations, by none of the replicas.
    pub(crate) async fn request(&self, ids: &[SecretId]) {
        for id in ids {
            let mut asked = self.world.occurrence(id);
            (asked.not_before, asked.rotation, asked.candidate_from) = (None, None, None);
            asked.id = mint(OccurrenceId::mint);
            let (keyring, told) =
                (self.world.keyring.clone(), self.world.event(id.as_str(), "rotation.requested", vec![]));
            let asking = self.world.write(move |tx| {
                Box::pin(async move {
                    agenda::lock(tx, asked.secret.as_str()).await?;
                    occurrence::insert(tx, &asked).await?;
                    event::append(tx, &keyring, told).await?;
                    agenda::pull(tx, asked.secret.as_str(), asked.first_at).await
                })
            });
            asking.await.expect("asked");
        }
    }

    /// Gives a secret a schedule whose next fire is so far away.
    pub(crate) async fn schedule(&self, id: &SecretId, every: &str, next: TimeDelta) {
        let mut row = ScheduleRow {
            secret: id.clone(),
            tenant: self.world.tenant.clone(),
            rule: json!({ "every": every }),
            paused_at: None,
            pause_reason: String::new(),
            counted_from: now(),
            next_due_at: Some(now() + next),
            zone_data: String::new(),
            revision: 0,
        };
        let (keyring, told) = (self.world.keyring.clone(), self.world.event(id.as_str(), "schedule.set", vec![]));
        let put = self.world.write(move |tx| {
            Box::pin(async move {
                let written = schedule::put(tx, &keyring, &mut row).await?;
                event::append(tx, &keyring, NewEvent { written: vec![written], ..told }).await?;
                agenda::pull(tx, row.secret.as_str(), row.next_due_at.expect("just set")).await
            })
        });
        put.await.expect("scheduled");
    }

    /// Secrets whose current version has this number.
    pub(crate) async fn count_at(&self, number: i64) -> usize {
        let sql = format!("SELECT CAST(COUNT(*) AS TEXT) FROM version WHERE stage = 'current' AND number = {number}");
        self.world.texts(&sql).await[0].parse().expect("a number")
    }

    pub(crate) async fn until_at(&self, number: i64, count: usize, limit: Duration) {
        let what = format!("{count} secrets have version {number}");
        let look = async || (self.count_at(number).await == count).then_some(());
        eventually(limit, &what, look).await.expect("in time");
    }

    /// Waits until nobody holds a claim and nothing is open.
    pub(crate) async fn until_idle(&self) {
        let sql = "SELECT CAST((SELECT COUNT(*) FROM agenda WHERE holder IS NOT NULL)
                       + (SELECT COUNT(*) FROM occurrence WHERE ended_at IS NULL) AS TEXT)";
        let look = async || (self.world.texts(sql).await == ["0"]).then_some(());
        if let Err(error) = eventually(Duration::from_secs(30), "all work is done", look).await {
            panic!("{error}\n{}", self.open_work().await.join("\n"));
        }
    }

    /// What is open: its last events, when it is due, who has it.
    async fn open_work(&self) -> Vec<String> {
        let sql = "SELECT occurrence.secret_id || ' due in ' || COALESCE(CAST(agenda.due_at / 1000000
                       - CAST(EXTRACT(EPOCH FROM now()) AS BIGINT) AS TEXT), 'ever') || ' s, held by '
                       || COALESCE(holder, 'nobody') || ', attempts ' || attempts || ' ' || why || ': '
                       || (SELECT string_agg(kind, ' ' ORDER BY seq) FROM event WHERE subject = occurrence.secret_id)
                   FROM occurrence JOIN agenda ON agenda.subject = occurrence.secret_id
                   WHERE ended_at IS NULL";
        self.world.texts(sql).await
    }

    /// Fails unless each secret was published so often, its served value logs in and nothing else does.
    pub(crate) async fn check(&self, ids: &[SecretId], publishes: usize) {
        let sql = "SELECT subject FROM event WHERE kind = 'rotation.published' ORDER BY subject";
        let published = self.world.texts(sql).await;
        for (n, id) in ids.iter().enumerate() {
            let times = published.iter().filter(|subject| *subject == id.as_str()).count();
            assert_eq!(times, publishes, "publishes of {id}");
            let mut tx = self.world.read().await;
            let current = version::find_current(&mut tx, &self.world.keyring, &self.world.tenant, id).await;
            let current = current.expect("readable").expect("a current version");
            let place = keywheel::keyring::Place {
                tenant: &self.world.tenant,
                table: "version",
                row: VersionId::as_str(&current.id),
                column: "token",
            };
            let plain = self.world.keyring.open(&place, &current.key, current.token.as_deref().expect("a value"));
            let material = keywheel::model::Material::from_json(&plain.expect("it opens")).expect("a value");
            assert!(self.fake.logs_in(&format!("account-{n}"), &material), "{id} is locked out");
        }
    }
}
