//! Rows come back as they were written; names are unique; what changed since it was read is not written over.
#![allow(
    clippy::cloned_ref_to_slice_refs,
    clippy::assigning_clones,
    clippy::needless_for_each,
    reason = "expected rows are written as they read"
)]

use keywheel::{
    model::{Name, OccurrenceEnd, Stage},
    store::{
        StoreError, alert, alert::Alert, delivery, delivery::Delivery, event, idempotency, meta, occurrence, proof,
        read_audit, read_audit::Read, rotation, rotation::Entry, schedule, secret, target, tenant, version,
    },
};
use keywheel_contract::{DeliveryId, EventId, RotationId, VersionId};
use serde_json::json;

use super::world::{World, later_key, mint, now, on_both_engines};

on_both_engines!(
    every_column_of_a_secret_a_target_a_version_and_a_schedule_comes_back,
    a_name_is_given_to_one_secret_and_one_target_only,
    what_changed_since_it_was_read_is_not_written_over,
    a_schedule_is_inserted_by_one_of_two,
    occurrences_come_back_open_and_ended,
    rotations_are_listed_newest_first_and_by_cursor,
    deliveries_come_back_and_are_written_over,
    at_most_one_alert_of_a_kind_is_open,
    an_answer_is_kept_under_its_key_until_it_is_forgotten,
    readers_are_listed_with_their_last_read,
    a_target_in_use_is_not_deleted,
    a_purged_secret_leaves_events_alone,
    roots_come_back_and_are_numbered,
    another_tenant_s_rows_are_not_found,
    live_versions_are_those_not_retired,
    facts_about_the_store_are_written_over,
);

async fn every_column_of_a_secret_a_target_a_version_and_a_schedule_comes_back(world: World) {
    let target = world.target("pg/main");
    let secret = world.secret("billing/db", Some(&target));
    let version = world.version(&secret, Stage::Candidate, None);
    let mut schedule = world.schedule(&secret);
    let (keyring, put) = (world.keyring.clone(), (target.clone(), secret.clone(), version.clone()));
    let written = world.write(move |tx| {
        Box::pin(async move {
            let (target, secret, version) = put;
            let written = vec![
                target::insert(tx, &keyring, &target).await?,
                secret::insert(tx, &keyring, &secret).await?,
                version::insert(tx, &keyring, &version).await?,
                schedule::put(tx, &keyring, &mut schedule).await?,
            ];
            event::note_without_event(tx, &written).await?;
            Ok(schedule)
        })
    });
    let schedule = written.await.expect("written");
    let mut tx = world.read().await;
    let (keyring, tenant) = (&world.keyring, &world.tenant);
    assert_eq!(secret::find(&mut tx, keyring, tenant, &secret.id).await.expect("read"), Some(secret.clone()));
    assert_eq!(
        secret::find_by_name(&mut tx, keyring, tenant, &secret.name).await.expect("read").as_ref(),
        Some(&secret)
    );
    assert_eq!(target::find(&mut tx, keyring, tenant, &target.id).await.expect("read"), Some(target.clone()));
    assert_eq!(
        target::find_by_name(&mut tx, keyring, tenant, &target.name).await.expect("read").as_ref(),
        Some(&target)
    );
    assert_eq!(target::list(&mut tx, keyring, tenant).await.expect("read"), [target.clone()]);
    assert_eq!(version::find(&mut tx, keyring, tenant, &version.id).await.expect("read"), Some(version.clone()));
    assert_eq!(version::list(&mut tx, keyring, tenant, &secret.id).await.expect("read"), [version.clone()]);
    assert_eq!(schedule::find(&mut tx, keyring, tenant, &secret.id).await.expect("read"), Some(schedule.clone()));
    assert_eq!(schedule::list(&mut tx, keyring, tenant, "", 9).await.expect("read"), [schedule]);
    assert_eq!(secret::list_of_target(&mut tx, keyring, tenant, &target.id).await.expect("read"), [secret]);
    let older = version::list_sealed_before(&mut tx, keyring, tenant, &later_key(), 5).await.expect("read");
    assert_eq!(older, [version.clone()]);
    assert!(version::list_sealed_before(&mut tx, keyring, tenant, &version.key, 5).await.expect("read").is_empty());
    let sealed = proof::find_sealed(&world.store, tenant, &version.id).await.expect("read");
    assert!(sealed.is_some_and(|sealed| *sealed.version() == version));
    assert!(proof::find_published(&world.store, tenant, &version.id).await.expect("read").is_none());
}

async fn a_name_is_given_to_one_secret_and_one_target_only(world: World) {
    let (first, second) = (world.secret("a/b", None), world.secret("a/b", None));
    let (one, other) = (world.target("t"), world.target("t"));
    let keyring = world.keyring.clone();
    let inserted = world.write(move |tx| {
        Box::pin(async move {
            secret::insert(tx, &keyring, &first).await?;
            target::insert(tx, &keyring, &one).await?;
            let twice = (secret::insert(tx, &keyring, &second).await, target::insert(tx, &keyring, &other).await);
            // The refusals leave the transaction usable.
            meta::put(tx, "after", "refusals").await?;
            Ok(twice)
        })
    });
    let (secret, target) = inserted.await.expect("written");
    assert!(matches!(secret, Err(StoreError::Exists { what: "secret", name }) if name == "a/b"));
    assert!(matches!(target, Err(StoreError::Exists { what: "target", name }) if name == "t"));
    assert_eq!(meta::find(&mut world.read().await, "after").await.expect("read").as_deref(), Some("refusals"));
}

async fn what_changed_since_it_was_read_is_not_written_over(world: World) {
    let (target, secret) = (world.target("t"), world.secret("s", None));
    let version = world.version(&secret, Stage::Current, Some(1));
    let mut schedule = world.schedule(&secret);
    let keyring = world.keyring.clone();
    let tried = world.write(move |tx| {
        Box::pin(async move {
            target::insert(tx, &keyring, &target).await?;
            secret::insert(tx, &keyring, &secret).await?;
            version::insert(tx, &keyring, &version).await?;
            schedule::put(tx, &keyring, &mut schedule).await?;
            let (mut t, mut s, mut v, mut c) = (target.clone(), secret.clone(), version.clone(), schedule.clone());
            target::update(tx, &keyring, &mut t).await?;
            secret::update(tx, &keyring, &mut s).await?;
            version::update(tx, &keyring, &mut v).await?;
            schedule::put(tx, &keyring, &mut c).await?;
            assert_eq!((t.revision, s.revision, v.revision, c.revision), (2, 2, 2, 2));
            let (mut t, mut s, mut v, mut c) = (target, secret, version, schedule);
            Ok(vec![
                target::update(tx, &keyring, &mut t).await,
                secret::update(tx, &keyring, &mut s).await,
                version::update(tx, &keyring, &mut v).await,
                schedule::put(tx, &keyring, &mut c).await,
            ])
        })
    });
    for stale in tried.await.expect("written") {
        assert!(matches!(stale, Err(StoreError::Stale { .. })), "{stale:?}");
    }
}

async fn a_schedule_is_inserted_by_one_of_two(world: World) {
    let secret = world.secret("s", None);
    let (mut one, mut two) = (world.schedule(&secret), world.schedule(&secret));
    let keyring = world.keyring.clone();
    let tried = world.write(move |tx| {
        Box::pin(async move {
            secret::insert(tx, &keyring, &secret).await?;
            schedule::put(tx, &keyring, &mut one).await?;
            Ok(schedule::put(tx, &keyring, &mut two).await)
        })
    });
    assert!(matches!(tried.await.expect("written"), Err(StoreError::Stale { what: "schedule" })));
}

async fn occurrences_come_back_open_and_ended(world: World) {
    let secret = world.secret("s", None);
    let (first, mut second) = (world.occurrence(&secret.id), world.occurrence(&secret.id));
    let (keyring, id) = (world.keyring.clone(), secret.id.clone());
    let put = (first.clone(), second.clone());
    let inserted = world.write(move |tx| {
        Box::pin(async move {
            secret::insert(tx, &keyring, &secret).await?;
            occurrence::insert(tx, &put.0).await?;
            occurrence::insert(tx, &put.1).await
        })
    });
    inserted.await.expect("written");
    let mut tx = world.read().await;
    let mut both = [first.clone(), second.clone()];
    both.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(occurrence::list_open(&mut tx, &world.tenant, &id).await.expect("read"), both);
    second.end = Some(OccurrenceEnd::Coalesced);
    second.ended_at = Some(now());
    second.attempts = 3;
    let ended = second.clone();
    world.write(move |tx| Box::pin(async move { occurrence::update(tx, &ended).await })).await.expect("written");
    assert_eq!(occurrence::list_open(&mut tx, &world.tenant, &id).await.expect("read"), [first.clone()]);
    assert_eq!(occurrence::find(&mut tx, &world.tenant, &second.id).await.expect("read"), Some(second));
    assert_eq!(occurrence::list(&mut tx, &world.tenant, &id, 1).await.expect("read").len(), 1);
    let since = now() - chrono::TimeDelta::hours(1);
    let ends = occurrence::count_ends(&mut tx, &world.tenant, since).await.expect("read");
    assert_eq!(ends, [("coalesced".to_owned(), 1), ("open".to_owned(), 1)]);
}

async fn rotations_are_listed_newest_first_and_by_cursor(world: World) {
    let (secret, other) = (world.secret("s", None), world.secret("o", None));
    let ids = [secret.id.clone(), other.id.clone()];
    let keyring = world.keyring.clone();
    let inserted = world.write(move |tx| {
        Box::pin(async move {
            secret::insert(tx, &keyring, &secret).await?;
            secret::insert(tx, &keyring, &other).await.map(|_| ())
        })
    });
    inserted.await.expect("written");
    let mut entries: Vec<Entry> = (0..6_i32)
        .map(|n| Entry {
            id: RotationId::mint(now() + chrono::TimeDelta::seconds(i64::from(n)), [0; 10]),
            secret: ids[usize::from(n % 2 == 0)].clone(),
            status: "planned".to_owned(),
            detail: String::new(),
            started_at: now(),
            ended_at: None,
        })
        .collect();
    entries[5].status = "published".to_owned();
    entries[5].ended_at = Some(now());
    let (put, tenant) = (entries.clone(), world.tenant.clone());
    let listed = world.write(move |tx| {
        Box::pin(async move {
            for mut entry in put {
                rotation::put(tx, &tenant, &Entry { status: "new".to_owned(), ..entry.clone() }).await?;
                entry.detail = "put twice".to_owned();
                rotation::put(tx, &tenant, &entry).await?;
            }
            Ok(())
        })
    });
    listed.await.expect("written");
    entries.iter_mut().for_each(|entry| entry.detail = "put twice".to_owned());
    entries.reverse();
    let mut tx = world.read().await;
    let all = rotation::list(&mut tx, &world.tenant, None, None, 4).await.expect("read");
    assert_eq!(all, entries[..4]);
    let rest = rotation::list(&mut tx, &world.tenant, None, Some(all[3].id.as_str()), 9).await.expect("read");
    assert_eq!(rest, entries[4..]);
    let one = rotation::list(&mut tx, &world.tenant, Some(&ids[0]), None, 9).await.expect("read");
    assert_eq!(one.iter().map(|entry| &entry.id).collect::<Vec<_>>(), [&entries[0].id, &entries[2].id, &entries[4].id]);
    let before =
        rotation::list(&mut tx, &world.tenant, Some(&ids[0]), Some(one[0].id.as_str()), 1).await.expect("read");
    assert_eq!(before, one[1..2]);
    assert_eq!(rotation::list_open(&mut tx, &world.tenant, 9).await.expect("read").len(), 5);
    assert_eq!(rotation::find(&mut tx, &world.tenant, &one[0].id).await.expect("read").as_ref(), Some(&one[0]));
}

async fn deliveries_come_back_and_are_written_over(world: World) {
    let secret = world.secret("s", None);
    let id = secret.id.clone();
    let mut delivery = Delivery {
        id: mint(DeliveryId::mint),
        secret: id.clone(),
        name: "app".to_owned(),
        kind: "files".to_owned(),
        settings: json!({ "path": "app.env" }),
        delivered: None,
        delivered_at: None,
        attempts: 0,
        next_at: None,
        last_error: String::new(),
        created_at: now(),
        revision: 1,
    };
    let (keyring, tenant, first) = (world.keyring.clone(), world.tenant.clone(), delivery.clone());
    delivery.delivered = Some(mint(VersionId::mint));
    delivery.delivered_at = Some(now());
    delivery.last_error = "no room".to_owned();
    let second = delivery.clone();
    let put = world.write(move |tx| {
        Box::pin(async move {
            secret::insert(tx, &keyring, &secret).await?;
            delivery::put(tx, &tenant, &first).await?;
            delivery::put(tx, &tenant, &second).await
        })
    });
    put.await.expect("written");
    let mut tx = world.read().await;
    assert_eq!(delivery::list(&mut tx, &world.tenant, &id).await.expect("read"), [delivery.clone()]);
    let (tenant, gone) = (world.tenant.clone(), delivery.id.clone());
    let deleted = world.write(move |tx| {
        Box::pin(async move {
            Ok((delivery::delete(tx, &tenant, &gone).await?, delivery::delete(tx, &tenant, &gone).await?))
        })
    });
    assert_eq!(deleted.await.expect("written"), (true, false));
}

async fn at_most_one_alert_of_a_kind_is_open(world: World) {
    let alert = |kind: &str, sentence: &str| Alert {
        subject: "sec_1".to_owned(),
        kind: kind.to_owned(),
        sentence: sentence.to_owned(),
        hint: "h".to_owned(),
        opened_at: now(),
        closed_at: None,
    };
    let (first, again, other) = (alert("stuck", "one"), alert("stuck", "two"), alert("drifted", "three"));
    let tenant = world.tenant.clone();
    let opened = world.write(move |tx| {
        Box::pin(async move {
            let mut is_new = Vec::new();
            for alert in [&first, &again, &other] {
                is_new.push(alert::open(tx, &tenant, &mint(EventId::mint), alert).await?);
            }
            Ok(is_new)
        })
    });
    assert_eq!(opened.await.expect("written"), [true, false, true]);
    let open = alert::list_open(&mut world.read().await, &world.tenant, Some("sec_1")).await.expect("read");
    assert_eq!(open.iter().map(|alert| alert.sentence.as_str()).collect::<Vec<_>>(), ["two", "three"]);
    let (tenant, later) = (world.tenant.clone(), alert("stuck", "four"));
    let closed = world.write(move |tx| {
        Box::pin(async move {
            let closed = alert::close(tx, &tenant, "sec_1", &["stuck", "unknown"], now()).await?;
            let again = alert::close(tx, &tenant, "sec_1", &["stuck"], now()).await?;
            let is_new = alert::open(tx, &tenant, &mint(EventId::mint), &later).await?;
            Ok((closed, again, is_new, alert::close_all(tx, &tenant, "sec_1", now()).await?))
        })
    });
    assert_eq!(closed.await.expect("written"), (vec!["stuck".to_owned()], Vec::<String>::new(), true, 2));
    assert!(alert::list_open(&mut world.read().await, &world.tenant, None).await.expect("read").is_empty());
}

async fn an_answer_is_kept_under_its_key_until_it_is_forgotten(world: World) {
    let kept = |body: &str| idempotency::Kept { digest: "d".to_owned(), status: 201, body: body.to_owned() };
    let (first, second) = (kept("one"), kept("two"));
    let put = world.write(move |tx| {
        Box::pin(async move {
            idempotency::put(tx, "k", &first, now()).await?;
            idempotency::put(tx, "k", &second, now()).await
        })
    });
    put.await.expect("written");
    assert_eq!(idempotency::find(&mut world.read().await, "k").await.expect("read"), Some(kept("one")));
    let hour = chrono::TimeDelta::hours(1);
    for (before, count) in [(now() - hour, 0), (now() + hour, 1)] {
        let forgotten = world.write(move |tx| Box::pin(async move { idempotency::delete_before(tx, before).await }));
        assert_eq!(forgotten.await.expect("written"), count);
    }
    assert_eq!(idempotency::find(&mut world.read().await, "k").await.expect("read"), None);
}

async fn readers_are_listed_with_their_last_read(world: World) {
    let secret = world.secret("s", None);
    let (keyring, id, tenant) = (world.keyring.clone(), secret.id.clone(), world.tenant.clone());
    let versions = [mint(VersionId::mint), mint(VersionId::mint)];
    let (put, start) = (versions.clone(), now());
    let read = world.write(move |tx| {
        Box::pin(async move {
            for n in 0..4_u32 {
                let (reader, version) = (1000 + n % 2, put[usize::from(n >= 2)].clone());
                let at = start + chrono::TimeDelta::seconds(i64::from(n));
                let actor = keywheel::model::Actor::local(reader);
                let (id, tenant, secret) = (mint(EventId::mint), tenant.clone(), id.clone());
                let read = Read { id, tenant, secret, version, reader: actor, via: "api", at };
                read_audit::insert(tx, &keyring, &read).await?;
            }
            Ok(())
        })
    });
    read.await.expect("written");
    let mut tx = world.read().await;
    let listed = read_audit::list_readers(&mut tx, &world.keyring, &world.tenant, &secret.id, start).await;
    let version = versions[1].as_str().to_owned();
    let at = |n| start + chrono::TimeDelta::seconds(n);
    let expected = [("uid:1001".to_owned(), version.clone(), at(3)), ("uid:1000".to_owned(), version, at(2))];
    assert_eq!(listed.expect("read"), expected);
    world.sql("UPDATE read_audit SET reader = 'uid:7' WHERE reader = 'uid:1000'").await;
    let damaged = read_audit::list_readers(&mut tx, &world.keyring, &world.tenant, &secret.id, start).await;
    assert!(matches!(damaged, Err(StoreError::Tampered { table: "read_audit", .. })), "{damaged:?}");
}

async fn a_target_in_use_is_not_deleted(world: World) {
    let (used, unused) = (world.target("used"), world.target("unused"));
    let secret = world.secret("s", Some(&used));
    let (keyring, tenant) = (world.keyring.clone(), world.tenant.clone());
    let deleted = world.write(move |tx| {
        Box::pin(async move {
            target::insert(tx, &keyring, &used).await?;
            target::insert(tx, &keyring, &unused).await?;
            secret::insert(tx, &keyring, &secret).await?;
            let used = target::delete_if_unused(tx, &tenant, &used.id).await?;
            Ok((used, target::delete_if_unused(tx, &tenant, &unused.id).await?))
        })
    });
    assert_eq!(deleted.await.expect("written"), (false, true));
}

async fn a_purged_secret_leaves_events_alone(world: World) {
    let secret = world.secret("s", None);
    let version = world.version(&secret, Stage::Current, Some(1));
    let mut schedule = world.schedule(&secret);
    let (occurrence, event) = (world.occurrence(&secret.id), world.event(secret.id.as_str(), "secret.purged", vec![]));
    let (keyring, tenant, id) = (world.keyring.clone(), world.tenant.clone(), secret.id.clone());
    let purged = world.write(move |tx| {
        Box::pin(async move {
            let written = vec![
                secret::insert(tx, &keyring, &secret).await?,
                version::insert(tx, &keyring, &version).await?,
                schedule::put(tx, &keyring, &mut schedule).await?,
            ];
            occurrence::insert(tx, &occurrence).await?;
            keywheel::store::agenda::insert(tx, secret.id.as_str(), &tenant, "", None).await?;
            event::append(tx, &keyring, keywheel::store::NewEvent { written, ..event }).await?;
            secret::delete(tx, &tenant, &secret.id).await
        })
    });
    purged.await.expect("written");
    for table in ["secret", "version", "schedule", "occurrence", "agenda", "row_mac"] {
        let left = world.texts(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}")).await;
        assert_eq!(left, ["0"], "{table}");
    }
    let events = event::list_of_subject(&mut world.read().await, &world.keyring, &world.tenant, id.as_str(), 9).await;
    assert_eq!(events.expect("read").len(), 1);
    assert_eq!(keywheel::store::verify::verify_all(&world.store).await.expect("verified"), []);
}

async fn roots_come_back_and_are_numbered(world: World) {
    use keywheel::clock::Clock as _;
    let (clock, random) = (keywheel::clock::SystemClock, keywheel_contract::kit::SystemRandom);
    let mut tx = world.read().await;
    let first = tenant::list_roots(&mut tx).await.expect("read");
    let later = clock.now() + chrono::TimeDelta::seconds(2);
    let second =
        keywheel::keyring::next_generation(&world.tenant, Some(&first[0].key_id), &world.masters, later, &random)
            .expect("a second root");
    let put = second.clone();
    world.write(move |tx| Box::pin(async move { tenant::insert_root(tx, &put).await })).await.expect("written");
    let both = tenant::list_roots(&mut tx).await.expect("read");
    assert_eq!(both.iter().map(|root| &root.key_id).collect::<Vec<_>>(), [&first[0].key_id, &second.key_id]);
    assert!(both.iter().all(|root| root.unwrap(&world.masters).is_ok()));
    assert_eq!(world.texts("SELECT CAST(generation AS TEXT) FROM tenant_root ORDER BY generation").await, ["1", "2"]);
    assert_eq!(tenant::find_by_name(&mut tx, tenant::ROOT).await.expect("read"), Some(world.tenant.clone()));
    let gone = first[0].key_id.clone();
    world.write(move |tx| Box::pin(async move { tenant::delete_root(tx, &gone).await })).await.expect("written");
    assert_eq!(tenant::list_roots(&mut tx).await.expect("read").len(), 1);
}

async fn another_tenant_s_rows_are_not_found(world: World) {
    let secret = world.secret("s", None);
    let version = world.version(&secret, Stage::Current, Some(1));
    let (keyring, put, ids) =
        (world.keyring.clone(), (secret.clone(), version.clone()), (secret.id.clone(), version.id.clone()));
    let written = world.write(move |tx| {
        Box::pin(async move {
            let written =
                vec![secret::insert(tx, &keyring, &put.0).await?, version::insert(tx, &keyring, &put.1).await?];
            event::note_without_event(tx, &written).await
        })
    });
    written.await.expect("written");
    let other = mint(keywheel::model::TenantId::mint);
    let mut tx = world.read().await;
    let name = Name::parse("s").expect("a name");
    assert!(secret::find_by_name(&mut tx, &world.keyring, &other, &name).await.expect("read").is_none());
    assert!(secret::find(&mut tx, &world.keyring, &other, &ids.0).await.is_err());
    assert!(version::find(&mut tx, &world.keyring, &other, &ids.1).await.expect("read").is_none());
    assert!(version::list(&mut tx, &world.keyring, &other, &ids.0).await.expect("read").is_empty());
}

async fn live_versions_are_those_not_retired(world: World) {
    let secret = world.secret("s", None);
    let stages = [Stage::Retired, Stage::Previous, Stage::Current, Stage::Candidate];
    let versions: Vec<_> =
        (1..).zip(stages).map(|(n, stage)| world.version(&secret, stage, Some(n).filter(|n| *n < 4))).collect();
    let (keyring, id, put) = (world.keyring.clone(), secret.id.clone(), versions.clone());
    let written = world.write(move |tx| {
        Box::pin(async move {
            secret::insert(tx, &keyring, &secret).await?;
            for version in &put {
                let written = version::insert(tx, &keyring, version).await?;
                event::note_without_event(tx, &[written]).await?;
            }
            Ok(())
        })
    });
    written.await.expect("written");
    let mut tx = world.read().await;
    let live = version::list_live(&mut tx, &world.keyring, &world.tenant, &id).await.expect("read");
    assert_eq!(live.len(), 3);
    let current = version::find_current(&mut tx, &world.keyring, &world.tenant, &id).await.expect("read");
    assert_eq!(current.as_ref(), Some(&versions[2]));
    world.sql("UPDATE version SET stage = 'retired' WHERE stage = 'current'").await;
    let hidden = version::list_live(&mut tx, &world.keyring, &world.tenant, &id).await;
    assert!(matches!(hidden, Err(StoreError::Tampered { table: "version", .. })), "{hidden:?}");
}

async fn facts_about_the_store_are_written_over(world: World) {
    for value in ["one", "two"] {
        world.write(move |tx| Box::pin(async move { meta::put(tx, "f", value).await })).await.expect("written");
    }
    assert_eq!(meta::find(&mut world.read().await, "f").await.expect("read").as_deref(), Some("two"));
    assert_eq!(meta::find(&mut world.read().await, "g").await.expect("read"), None);
}
