//! What each test stands in: one shared server, roles of the test's own, seeded randomness.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::Utc;
use keywheel_contract::{
    Cx, FindingKind, Material, NotKept, Observation, Preflight, Prepared, Random, RotationId, Rotator, Seen, Target,
    TargetId, Verdict, Work, verdict_of,
};
use keywheel_database::PostgresRotator;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::support::postgres::{ADMIN_PASSWORD, PostgresServer};

/// The server that tests share which need no settings of their own.
pub(crate) static SERVER: LazyLock<PostgresServer> = LazyLock::new(PostgresServer::start);

/// A server whose whole catalogue is compared: one test at a time.
static QUIET: LazyLock<PostgresServer> = LazyLock::new(PostgresServer::start);
static TURN: Mutex<()> = Mutex::const_new(());

static COUNTER: AtomicU64 = AtomicU64::new(1);

/// A name that no other test uses.
pub(crate) fn unique(stem: &str) -> String {
    format!("{stem}_{}", COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// SplitMix64 (Steele, Lea, Flood 2014), seeded per process by the clock: values never repeat between tests.
pub(crate) struct Seeded(AtomicU64);

impl Seeded {
    pub(crate) fn new() -> Self {
        let clock = Utc::now().timestamp_nanos_opt().unwrap_or_default().unsigned_abs();
        Self(AtomicU64::new(clock ^ COUNTER.fetch_add(1, Ordering::Relaxed).rotate_left(40)))
    }
}

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let n = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *byte = (n ^ (n >> 31)).to_be_bytes()[0];
        }
    }
}

/// One rotator at one server.
pub(crate) struct World {
    pub(crate) server: &'static PostgresServer,
    pub(crate) rotator: PostgresRotator,
    pub(crate) random: Seeded,
    pub(crate) deadline: Duration,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::at(&SERVER)
    }

    /// A server that no other test changes meanwhile.
    pub(crate) async fn alone() -> (Self, MutexGuard<'static, ()>) {
        let turn = TURN.lock().await;
        (Self::at(&QUIET), turn)
    }

    pub(crate) fn at(server: &'static PostgresServer) -> Self {
        Self { server, rotator: PostgresRotator::new(), random: Seeded::new(), deadline: Duration::from_secs(20) }
    }

    pub(crate) fn cx(&self) -> Cx<'_> {
        Cx { random: &self.random, deadline: self.deadline, now: Utc::now(), checkpoint: &NotKept }
    }

    /// The server as a target, with the superuser as admin.
    pub(crate) fn target(&self) -> Target {
        self.target_with(json!({ "host": "127.0.0.1", "port": self.server.port() }))
    }

    pub(crate) fn target_with(&self, settings: Value) -> Target {
        Target {
            id: TargetId::mint(Utc::now(), self.bytes()),
            name: "pg-main".to_owned(),
            settings,
            admins: vec![value("postgres", ADMIN_PASSWORD)],
        }
    }

    pub(crate) fn work(&self, settings: Value, current: Option<Material>) -> Work {
        Work {
            rotation: RotationId::mint(Utc::now(), self.bytes()),
            secret: "billing/db".to_owned(),
            settings,
            current,
            next_due_at: None,
        }
    }

    /// A login role with a password, and the work of rotating it by strategy `single`.
    pub(crate) fn single(&self, role: &str, password: &str) -> Work {
        self.server.sql(&format!("CREATE ROLE {} LOGIN PASSWORD '{password}'", ident(role)));
        self.work(json!({ "strategy": "single", "role": role }), Some(value(role, password)))
    }

    pub(crate) async fn prepare(&self, target: &Target, work: &Work) -> Material {
        match self.rotator.prepare(&self.cx(), target, work).await.expect("prepared") {
            Prepared::Minted { material, .. } => material,
            Prepared::IssuedByTarget => panic!("passwords are minted here"),
        }
    }

    /// Prepares, applies and verifies; answers the candidate.
    pub(crate) async fn rotate(&self, target: &Target, work: &Work) -> Material {
        let candidate = self.prepare(target, work).await;
        self.rotator.apply(&self.cx(), target, work, &candidate).await.expect("applied");
        let verdict = self.rotator.verify(&self.cx(), target, work, &candidate).await.expect("verified");
        assert!(matches!(verdict, Verdict::Works { .. }), "{verdict:?}");
        candidate
    }

    pub(crate) async fn probe(&self, target: &Target, work: &Work, credential: &Material) -> Seen {
        let seen: Vec<Observation> =
            self.rotator.probe(&self.cx(), target, work, credential).await.expect("a probe answers");
        verdict_of(&seen)
    }

    pub(crate) async fn preflight(&self, target: &Target, work: &Work) -> Preflight {
        self.rotator.preflight(&self.cx(), target, work).await.expect("a preflight answers")
    }

    /// Whether psql gets in with a value.
    pub(crate) fn accepts(&self, material: &Material) -> bool {
        self.server.accepts(text(material, "username"), text(material, "password"))
    }

    /// Every role with every attribute and its password, memberships, settings and comments, a line each.
    pub(crate) fn catalogue(&self) -> Vec<String> {
        let text = self.server.sql(
            "SELECT to_jsonb(a) FROM pg_authid a ORDER BY oid; SELECT m FROM pg_auth_members m ORDER BY 1; \
             SELECT s FROM pg_db_role_setting s ORDER BY 1; SELECT to_jsonb(d) FROM pg_shdescription d ORDER BY 1",
        );
        text.lines().map(str::to_owned).collect()
    }

    fn bytes(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        self.random.fill(&mut bytes);
        bytes
    }
}

/// Asserts that between two catalogues the password of one role changed, and nothing else.
pub(crate) fn assert_only_password_changed(before: &[String], after: &[String], role: &str) {
    assert_eq!(before.len(), after.len());
    let changed: Vec<_> = before.iter().zip(after).filter(|(before, after)| before != after).collect();
    let [(old, new)] = changed[..] else { panic!("{} lines changed for {role:?}", changed.len()) };
    let [mut old, mut new] = [old, new].map(|line| serde_json::from_str::<Value>(line).expect("a role"));
    assert_eq!(old["rolname"], *role);
    assert_ne!(old["rolpassword"].take(), new["rolpassword"].take());
    assert_eq!(old, new);
}

pub(crate) fn value(username: &str, password: &str) -> Material {
    Material::of_texts([("username", username), ("password", password)])
}

pub(crate) fn text<'a>(material: &'a Material, field: &str) -> &'a str {
    material.text(field).expect("the field is there")
}

pub(crate) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The codes of a preflight's findings of one kind.
pub(crate) fn codes(preflight: &Preflight, kind: FindingKind) -> Vec<&str> {
    preflight.findings.iter().filter(|f| f.kind == kind).map(|f| f.code.as_str()).collect()
}
