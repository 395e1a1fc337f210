//! The agenda: who gets what, for how long, and who is refused.

use std::{collections::BTreeMap, time::Duration};

use keywheel::{
    model::HolderId,
    store::{
        StoreError,
        agenda::{self, Ask, Claim, Part},
        meta,
    },
};

use super::world::{World, mint, now, on_both_engines};

on_both_engines!(
    due_work_is_claimed_earliest_first_and_up_to_the_limit,
    a_fence_grows_with_each_claim_and_never_restarts,
    a_full_lane_is_left_out_and_a_narrow_one_gives_what_it_has_room_for,
    a_live_claim_is_not_taken_and_an_ended_one_is,
    renewal_keeps_a_claim_and_cannot_bring_back_one_that_ended,
    a_write_under_a_lost_claim_writes_nothing,
    a_released_claim_cannot_be_used_again,
    a_due_time_is_pulled_forward_and_never_back,
    a_lane_is_pulled_forward_within_its_bounds,
    the_earliest_due_time_leaves_out_what_is_held_or_has_no_room,
    work_that_is_put_back_is_due_as_before,
    a_subject_is_put_on_the_agenda_once_and_taken_off,
    all_claims_are_void_after_a_start,
    many_holders_never_share_a_row,
);

const LENGTH: Duration = Duration::from_secs(15);

/// A row due so many seconds from now.
async fn put(world: &World, subject: &str, lane: &str, seconds: Option<i64>) {
    let (subject, lane, tenant) = (subject.to_owned(), lane.to_owned(), world.tenant.clone());
    let due = seconds.map(|seconds| now() + chrono::TimeDelta::seconds(seconds));
    let put = world.write(move |tx| Box::pin(async move { agenda::insert(tx, &subject, &tenant, &lane, due).await }));
    put.await.expect("put");
}

#[derive(Clone)]
struct Asking {
    holder: HolderId,
    boot: Duration,
    length: Duration,
    rooms: BTreeMap<String, usize>,
    limit: i64,
}

fn asking() -> Asking {
    let (boot, rooms) = (Duration::from_secs(1000), BTreeMap::new());
    Asking { holder: mint(HolderId::mint), boot, length: LENGTH, rooms, limit: 10 }
}

async fn claim(world: &World, asking: &Asking) -> Vec<Claim> {
    let asking = asking.clone();
    let claimed = world.write(move |tx| {
        Box::pin(async move {
            let ask = Ask {
                holder: &asking.holder,
                length: asking.length,
                now: now(),
                boot: asking.boot,
                rooms: &asking.rooms,
                room_per_lane: 3,
                limit: asking.limit,
                part: Part::Working,
            };
            agenda::claim_due(tx, &ask).await
        })
    });
    claimed.await.expect("claimed")
}

fn subjects(claims: &[Claim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.subject.as_str()).collect()
}

/// Lets a claim end: on SQLite by the process's time, on PostgreSQL by the server's.
async fn let_claims_end(world: &World, asking: &mut Asking) {
    asking.boot += LENGTH + Duration::from_secs(1);
    if !world.is_sqlite() {
        world.sql("UPDATE agenda SET claim_until = claim_until - 16000000 WHERE claim_until IS NOT NULL").await;
    }
}

async fn due_work_is_claimed_earliest_first_and_up_to_the_limit(world: World) {
    for (subject, due) in [("c", -1), ("a", -3), ("b", -2), ("later", 60)] {
        put(&world, subject, "", Some(due)).await;
    }
    put(&world, "never", "", None).await;
    let mut asking = asking();
    asking.limit = 2;
    let first = claim(&world, &asking).await;
    assert_eq!(subjects(&first), ["a", "b"]);
    assert_eq!(first[0].tenant, world.tenant);
    assert!(first[0].due_at < first[1].due_at && first[0].fence == first[1].fence);
    assert_eq!(agenda::count_due(&mut world.read().await, now()).await.expect("read"), 1);
    assert_eq!(subjects(&claim(&world, &asking).await), ["c"]);
    assert_eq!(agenda::count_claims(&mut world.read().await).await.expect("read"), 3);
}

async fn a_fence_grows_with_each_claim_and_never_restarts(world: World) {
    let mut asking = asking();
    put(&world, "s", "", Some(-1)).await;
    let mut fences = Vec::new();
    for _ in 0..3 {
        fences.extend(claim(&world, &asking).await.iter().map(|claim| claim.fence));
        let_claims_end(&world, &mut asking).await;
    }
    world.write(|tx| Box::pin(agenda::delete(tx, "s"))).await.expect("deleted");
    put(&world, "s", "", Some(-1)).await;
    fences.extend(claim(&world, &asking).await.iter().map(|claim| claim.fence));
    assert!(fences.len() == 4 && fences.is_sorted_by(|a, b| a < b), "{fences:?}");
}

async fn a_full_lane_is_left_out_and_a_narrow_one_gives_what_it_has_room_for(world: World) {
    for n in 0..5 {
        for lane in ["full", "narrow", "usual", ""] {
            put(&world, &format!("{lane}-{n}"), lane, Some(n - 100)).await;
        }
    }
    let mut asking = asking();
    asking.rooms = BTreeMap::from([("full".to_owned(), 0), ("narrow".to_owned(), 1)]);
    asking.limit = 100;
    let claimed = claim(&world, &asking).await;
    let count = |lane: &str| claimed.iter().filter(|claim| claim.lane == lane).count();
    assert_eq!((count("full"), count("narrow"), count("usual"), count("")), (0, 1, 3, 5));
    assert!(subjects(&claimed).contains(&"narrow-0") && !subjects(&claimed).contains(&"usual-3"));
}

async fn a_live_claim_is_not_taken_and_an_ended_one_is(world: World) {
    put(&world, "s", "", Some(-1)).await;
    let (mut one, mut two) = (asking(), asking());
    assert_eq!(claim(&world, &one).await.len(), 1);
    two.boot += LENGTH;
    assert!(claim(&world, &two).await.is_empty());
    let_claims_end(&world, &mut one).await;
    two.boot = one.boot;
    assert_eq!(claim(&world, &two).await.len(), 1);
}

async fn renewal_keeps_a_claim_and_cannot_bring_back_one_that_ended(world: World) {
    put(&world, "s", "", Some(-1)).await;
    let mut asking = asking();
    put(&world, "left alone", "", Some(-1)).await;
    let mut claimed = claim(&world, &asking).await;
    claimed.retain(|claim| claim.subject == "s");
    let renew = async |asking: &Asking| {
        let asking = asking.clone();
        let renewed = world.write(move |tx| {
            Box::pin(async move { agenda::renew(tx, &asking.holder, LENGTH, asking.boot, &["s".to_owned()]).await })
        });
        renewed.await.expect("renewed")
    };
    assert_eq!(renew(&asking).await, [("s".to_owned(), claimed[0].fence)]);
    let_claims_end(&world, &mut asking).await;
    assert!(renew(&asking).await.is_empty());
    let mut stranger = asking.clone();
    stranger.holder = mint(HolderId::mint);
    assert!(renew(&stranger).await.is_empty());
}

async fn hold_and_write(world: &World, fence: i64) -> Result<(), StoreError> {
    let written = world.write(move |tx| {
        Box::pin(async move {
            agenda::hold(tx, "s", fence).await?;
            meta::put(tx, "written under", &fence.to_string()).await
        })
    });
    written.await
}

async fn a_write_under_a_lost_claim_writes_nothing(world: World) {
    put(&world, "s", "", Some(-1)).await;
    let mut asking = asking();
    let old = claim(&world, &asking).await.remove(0);
    let_claims_end(&world, &mut asking).await;
    // As long as nobody else has it, it is still the holder's.
    hold_and_write(&world, old.fence).await.expect("still held");
    let new = claim(&world, &asking).await.remove(0);
    let stale = hold_and_write(&world, old.fence).await;
    assert!(matches!(&stale, Err(StoreError::FenceLost { subject }) if subject == "s"), "{stale:?}");
    let release = old.clone();
    let late = world.write(move |tx| Box::pin(async move { agenda::release(tx, &release, None, "").await })).await;
    assert!(matches!(late, Err(StoreError::FenceLost { .. })));
    let fact = meta::find(&mut world.read().await, "written under").await.expect("read");
    assert_eq!(fact, Some(old.fence.to_string()));
    hold_and_write(&world, new.fence).await.expect("the new holder writes");
}

async fn a_released_claim_cannot_be_used_again(world: World) {
    put(&world, "s", "", Some(-1)).await;
    let claim = claim(&world, &asking()).await.remove(0);
    let (release, due) = (claim.clone(), now() + chrono::TimeDelta::hours(1));
    let released =
        world.write(move |tx| Box::pin(async move { agenda::release(tx, &release, Some(due), "lane").await }));
    released.await.expect("released");
    assert!(matches!(hold_and_write(&world, claim.fence).await, Err(StoreError::FenceLost { .. })));
    let found = agenda::find_due(&mut world.read().await, "s").await.expect("read");
    assert_eq!(found, Some((Some(due), false)));
    assert_eq!(world.texts("SELECT lane FROM agenda").await, ["lane"]);
}

async fn a_due_time_is_pulled_forward_and_never_back(world: World) {
    put(&world, "s", "", None).await;
    let at = |hours| now() + chrono::TimeDelta::hours(hours);
    for (pull, expected) in [(at(5), 0), (at(3), 1), (at(4), 1)].map(|(at, n)| (at, n)) {
        let before = agenda::find_due(&mut world.read().await, "s").await.expect("read").and_then(|found| found.0);
        world.write(move |tx| Box::pin(async move { agenda::pull(tx, "s", pull).await })).await.expect("pulled");
        let after = agenda::find_due(&mut world.read().await, "s").await.expect("read").and_then(|found| found.0);
        let is_moved = before.is_none_or(|before| pull < before);
        assert_eq!(after, if is_moved { Some(pull) } else { before }, "{expected}");
    }
    let far = at(9);
    world.write(move |tx| Box::pin(async move { agenda::set_due(tx, "s", "l", Some(far)).await })).await.expect("set");
    assert_eq!(agenda::find_due(&mut world.read().await, "s").await.expect("read"), Some((Some(far), false)));
    assert_eq!(agenda::find_due(&mut world.read().await, "nobody").await.expect("read"), None);
}

async fn a_lane_is_pulled_forward_within_its_bounds(world: World) {
    for (subject, lane, due) in [("in", "l", 50), ("past", "l", 500), ("other", "m", 50), ("now", "l", -50)] {
        put(&world, subject, lane, Some(due)).await;
    }
    let (from, to) = (now() + chrono::TimeDelta::seconds(100), now());
    let pulled = world.write(move |tx| Box::pin(async move { agenda::pull_lane(tx, "l", from, to).await }));
    pulled.await.expect("pulled");
    let mut claimed = claim(&world, &asking()).await;
    claimed.sort_by(|a, b| a.subject.cmp(&b.subject));
    assert_eq!(subjects(&claimed), ["in", "now"]);
}

async fn the_earliest_due_time_leaves_out_what_is_held_or_has_no_room(world: World) {
    let asking = asking();
    let full = ["full".to_owned()];
    let earliest = async |full: &[String], boot| {
        agenda::find_earliest(&mut world.read().await, Part::Working, full, boot)
            .await
            .expect("read")
            .map(|due| due - now())
    };
    assert_eq!(earliest(&full, asking.boot).await, None);
    put(&world, "never", "", None).await;
    assert_eq!(earliest(&full, asking.boot).await, None);
    put(&world, "held", "", Some(-60)).await;
    claim(&world, &asking).await;
    put(&world, "no room", "full", Some(-30)).await;
    put(&world, "later", "", Some(600)).await;
    let wait = earliest(&full, asking.boot).await.expect("one is left").num_seconds();
    assert!((590..=600).contains(&wait), "{wait}");
    assert!(earliest(&[], asking.boot).await.is_some_and(|wait| wait.num_seconds() <= -30));
    let mut ended = asking.clone();
    let_claims_end(&world, &mut ended).await;
    assert!(earliest(&full, ended.boot).await.is_some_and(|wait| wait.num_seconds() <= -60));
}

async fn work_that_is_put_back_is_due_as_before(world: World) {
    for subject in ["a", "b", "c"] {
        put(&world, subject, "", Some(-1)).await;
    }
    let claimed = claim(&world, &asking()).await;
    let fence = claimed[0].fence;
    let back = vec!["a".to_owned(), "c".to_owned()];
    let older = back.clone();
    let put_back = world.write(move |tx| {
        Box::pin(async move {
            agenda::put_back(tx, fence - 1, &older).await?;
            agenda::put_back(tx, fence, &back).await
        })
    });
    put_back.await.expect("put back");
    let mut again = claim(&world, &asking()).await;
    again.sort_by(|a, b| a.subject.cmp(&b.subject));
    assert_eq!(subjects(&again), ["a", "c"]);
}

async fn a_subject_is_put_on_the_agenda_once_and_taken_off(world: World) {
    put(&world, "s", "one", Some(60)).await;
    put(&world, "s", "two", None).await;
    assert_eq!(world.texts("SELECT lane FROM agenda").await, ["one"]);
    world.write(|tx| Box::pin(agenda::delete(tx, "s"))).await.expect("deleted");
    assert!(matches!(hold_and_write(&world, 0).await, Err(StoreError::FenceLost { .. })));
    world.write(|tx| Box::pin(agenda::lock(tx, "s"))).await.expect("nothing to lock is no failure");
}

async fn all_claims_are_void_after_a_start(world: World) {
    for subject in ["a", "b"] {
        put(&world, subject, "", Some(-1)).await;
    }
    let claimed = claim(&world, &asking()).await;
    let voided = world.write(|tx| Box::pin(agenda::void_all_claims(tx))).await.expect("voided");
    assert_eq!(voided, 2);
    assert!(matches!(hold_and_write(&world, claimed[0].fence).await, Err(StoreError::FenceLost { .. })));
    assert_eq!(claim(&world, &asking()).await.len(), 2);
}

async fn many_holders_never_share_a_row(world: World) {
    for n in 0..200 {
        put(&world, &format!("s{n}"), "", Some(-1)).await;
    }
    let world = std::sync::Arc::new(world);
    let mut holders = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let world = std::sync::Arc::clone(&world);
        holders.spawn(async move {
            let (asking, mut mine) = (asking(), Vec::new());
            // Rows that another one has locked are skipped, so an empty round is no end.
            for _ in 0..40 {
                mine.extend(claim(&world, &asking).await.into_iter().map(|claim| claim.subject));
            }
            mine
        });
    }
    let mut all: Vec<String> = holders.join_all().await.into_iter().flatten().collect();
    all.sort();
    let claimed = all.len();
    all.dedup();
    assert_eq!((claimed, all.len()), (200, 200));
}
