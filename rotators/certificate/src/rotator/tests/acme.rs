//! Certificates that a public authority issues in `apply`, by a stand-in for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::DateTime;
use keywheel_contract::{Cx, Decision, Failure, Material, Refusal, Rotator, Seen, Verdict};
use serde_json::{Value, json};

use super::world::{World, authority, serial};
use crate::{
    rotator::{NOT_ISSUED, Obtain, Wish},
    x509::{Authority, LeafRequest, OnClamp, PrivateKey, SubjectName},
};

/// Issues what is wished for, or for one more name.
struct StandIn {
    authority: Authority,
    orders: AtomicUsize,
    revoked: AtomicUsize,
    is_too_generous: bool,
}

impl StandIn {
    fn new(is_too_generous: bool) -> Arc<Self> {
        let authority = authority(DateTime::from_timestamp(1_780_000_000, 0).expect("a time"));
        Arc::new(Self { authority, orders: AtomicUsize::new(0), revoked: AtomicUsize::new(0), is_too_generous })
    }
}

#[async_trait]
impl Obtain for StandIn {
    fn check(&self, acme: &Value, _names: &[SubjectName]) -> Result<(), Failure> {
        match acme.get("challenge") {
            Some(_) => Ok(()),
            None => Err(Failure::misconfigured("target.acme.challenge", "acme-no-challenge", "no challenge", "set it")),
        }
    }

    async fn obtain(&self, cx: &Cx<'_>, wish: &Wish<'_>, candidate: &Material) -> Result<Material, Failure> {
        self.orders.fetch_add(1, Ordering::SeqCst);
        cx.checkpoint.keep(candidate, NOT_ISSUED).await?;
        let key = PrivateKey::from_material(candidate).expect("a key");
        let mut names = wish.names.to_vec();
        names.extend(self.is_too_generous.then(|| SubjectName::parse("more.test").expect("a name")));
        let request = LeafRequest {
            common_name: None,
            organisation: None,
            names,
            profile: wish.profile,
            lifetime: Duration::from_hours(2160),
            on_clamp: OnClamp::Refuse,
            crl_url: None,
        };
        let issued = self.authority.issue(&request, &key, cx.random, cx.now).expect("issued");
        Ok(issued.to_material(Some(&key)))
    }

    async fn revoke(&self, _: &Cx<'_>, _: &Material, _: &Value, _: &Material) -> Result<(), Failure> {
        self.revoked.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

async fn world(stand_in: &Arc<StandIn>) -> World {
    let mut world = World::bare(Some(Arc::clone(stand_in) as Arc<_>));
    world.add(super::listener::Manner::WhenTold).await;
    world.target.settings["acme"] = json!({ "challenge": "http-01" });
    world.target.admins = vec![Material::new(json!({ "accounts": [] }).as_object().expect("a table").clone())];
    world
}

#[tokio::test]
async fn the_certificate_is_kept_before_it_is_installed_and_not_ordered_again() {
    let stand_in = StandIn::new(false);
    let world = world(&stand_in).await;
    let work = world.work(None);
    let key = world.prepare(&work).await.expect("prepared");
    assert_eq!(key.field_names().collect::<Vec<_>>(), ["private_key"]);
    assert_eq!(world.probe(&work, &key).await, Seen::Refused { refusal: Refusal::WrongCredential });
    world.revert(&work, &key).await.expect("nothing was brought");
    world.hooks.next("check", super::hooks::Act::Fail);
    assert!(world.apply(&work, &key).await.is_err());
    let kept = world.kept.identities();
    assert_eq!((kept.len(), kept[0].as_str()), (2, NOT_ISSUED), "{kept:?}");
    // The engine gives the kept value to the next try; here, that of a second order stands for it.
    let applied = world.apply(&work, &key).await.expect("applied").issued.expect("issued");
    assert_eq!(stand_in.orders.load(Ordering::SeqCst), 2);
    assert!(world.apply(&work, &applied.0).await.expect("applied again").issued.is_none());
    assert_eq!(stand_in.orders.load(Ordering::SeqCst), 2);
    assert_eq!((world.link(), applied.1.clone()), (Some(serial(&applied.0)), serial(&applied.0)));
    assert!(matches!(world.verify(&work, &applied.0).await, Verdict::Works { .. }));
}

#[tokio::test]
async fn nothing_is_ordered_where_it_cannot_be_installed() {
    let stand_in = StandIn::new(false);
    let world = world(&stand_in).await;
    let work = world.work(None);
    let key = world.prepare(&work).await.expect("prepared");
    std::fs::write(world.root.path().join("shop"), "in the way").expect("written");
    assert_eq!(world.apply(&work, &key).await.expect_err("refused").code, "install-place-taken");
    assert_eq!(stand_in.orders.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_the_authority_does_otherwise_than_asked_is_not_installed_and_not_ordered_over_and_over() {
    let stand_in = StandIn::new(true);
    let world = world(&stand_in).await;
    let work = world.work(None);
    let key = world.prepare(&work).await.expect("prepared");
    let failure = world.apply(&work, &key).await.expect_err("refused");
    assert_eq!(failure.code, "gate-names-differ");
    assert_eq!(failure.decision, Decision::Misconfigured { key: "target.acme".to_owned() });
    assert_eq!(world.link(), None);
}

#[tokio::test]
async fn an_old_certificate_is_revoked_where_that_is_asked_for() {
    let stand_in = StandIn::new(false);
    let mut world = world(&stand_in).await;
    for (is_asked, revoked) in [(false, 0), (true, 1)] {
        world.settings["revoke_old"] = json!(is_asked);
        let work = world.work(None);
        let mut versions = Vec::new();
        for _ in 0..2 {
            let key = world.prepare(&work).await.expect("prepared");
            versions.push(world.apply(&work, &key).await.expect("applied").issued.expect("issued").0);
        }
        world.rotator.retire(&world.cx(), &world.target, &work, &versions[0], &versions[1]).await.expect("retired");
        assert_eq!(stand_in.revoked.load(Ordering::SeqCst), revoked);
    }
}

#[tokio::test]
async fn the_settings_are_checked_by_who_uses_them() {
    let world = world(&StandIn::new(false)).await;
    let target = json!({ "acme": {} });
    let failure = world.rotator.declare(&target, &world.settings).expect_err("refused");
    assert_eq!(failure.decision, Decision::Misconfigured { key: "target.acme.challenge".to_owned() });
}
