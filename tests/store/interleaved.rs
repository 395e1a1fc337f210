//! Two transactions of PostgreSQL at the same time: who waits, and what the one that waited then finds.

use std::{sync::Arc, time::Duration};

use keywheel::{
    model::{EventId, HolderId},
    store::{
        StoreError,
        agenda::{self, Ask, Claim, Part},
        alert::{self, Alert},
        event, meta, secret,
    },
};
use sqlx::{Connection, PgConnection};
use tokio::sync::oneshot;

use super::world::{Rows, World, mint, now};
use crate::support::wait::eventually;

/// A transaction that has done its work and waits for leave to commit or to roll back.
struct Paused<T> {
    leave: oneshot::Sender<bool>,
    task: tokio::task::JoinHandle<Result<T, StoreError>>,
}

impl<T> Paused<T> {
    async fn commit(self) -> T {
        self.leave.send(true).expect("it waits");
        self.task.await.expect("no panic").expect("committed")
    }

    async fn roll_back(self) {
        self.leave.send(false).expect("it waits");
        assert!(self.task.await.expect("no panic").is_err());
    }
}

/// Does work in a transaction and pauses before the commit; returns once the work is done.
macro_rules! paused {
    ($world:expr, |$tx:ident| $work:expr) => {{
        let (world, (leave, left), (done, is_done)) = (Arc::clone($world), oneshot::channel(), oneshot::channel());
        let task = tokio::spawn(async move {
            let written = world.write(move |$tx| {
                Box::pin(async move {
                    let found = $work;
                    done.send(()).expect("somebody waits");
                    if left.await.expect("leave is given") {
                        return Ok(found);
                    }
                    Err(StoreError::Stale { what: "wish to commit" })
                })
            });
            written.await
        });
        is_done.await.expect("the work is done");
        Paused { leave, task }
    }};
}

/// Waits until some session waits for a lock.
async fn until_one_waits(world: &World) {
    let waiting = "SELECT CAST(COUNT(*) AS TEXT) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let look = async || (world.texts(waiting).await == ["1"]).then_some(());
    eventually(Duration::from_secs(10), "a session waits for a lock", look).await.expect("in time");
}

async fn claim(tx: &mut keywheel::store::Tx) -> Result<Vec<Claim>, StoreError> {
    let (holder, rooms) = (mint(HolderId::mint), std::collections::BTreeMap::new());
    let (length, boot) = (Duration::from_secs(15), Duration::ZERO);
    let ask = Ask {
        holder: &holder,
        length,
        now: now(),
        boot,
        rooms: &rooms,
        room_per_lane: 9,
        limit: 9,
        part: Part::Working,
    };
    agenda::claim_due(tx, &ask).await
}

/// A subject whose claim has ended, and the fence of that claim.
async fn ended_claim() -> (Arc<World>, i64) {
    let world = Arc::new(World::postgres().await);
    let tenant = world.tenant.clone();
    let claimed = world.write(move |tx| {
        Box::pin(async move {
            agenda::insert(tx, "s", &tenant, "", Some(now())).await?;
            claim(tx).await
        })
    });
    let fence = claimed.await.expect("claimed")[0].fence;
    world.sql("UPDATE agenda SET claim_until = 0").await;
    (world, fence)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_holder_on_postgres_fails_at_its_first_statement() {
    let (world, fence) = ended_claim().await;
    let newer = paused!(&world, |tx| claim(tx).await?);
    let stale = {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let written = world.write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, "s", fence).await?;
                    meta::put(tx, "written by", "the stale holder").await
                })
            });
            written.await
        })
    };
    until_one_waits(&world).await;
    assert_eq!(newer.commit().await.len(), 1);
    let refused = stale.await.expect("no panic");
    assert!(matches!(refused, Err(StoreError::FenceLost { .. })), "{refused:?}");
    assert_eq!(meta::find(&mut world.read().await, "written by").await.expect("read"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_that_is_only_looked_at_lets_a_stale_holder_commit_on_postgres() {
    // Not the product's way: this shows why `hold` is an update.
    let (world, fence) = ended_claim().await;
    let Rows::Url(url) = &world.place else { panic!("it is PostgreSQL") };
    let newer = paused!(&world, |tx| claim(tx).await?);
    let mut stale = PgConnection::connect(url).await.expect("connected");
    let mut tx = stale.begin().await.expect("begun");
    let inserted = sqlx::query(
        "INSERT INTO meta (name, value)
         SELECT 'written by', 'a stale holder' WHERE EXISTS (SELECT 1 FROM agenda WHERE subject = 's' AND fence = $1)",
    );
    let inserted = inserted.bind(fence).execute(&mut *tx).await.expect("it runs").rows_affected();
    newer.commit().await;
    tx.commit().await.expect("committed");
    assert_eq!(inserted, 1);
    assert!(meta::find(&mut world.read().await, "written by").await.expect("read").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_a_holder_writes_to_on_postgres_is_skipped_and_not_waited_for() {
    let (world, fence) = ended_claim().await;
    let holding = paused!(&world, |tx| agenda::hold(tx, "s", fence).await?);
    let claimed = world.write(|tx| Box::pin(claim(tx))).await.expect("it does not wait");
    assert!(claimed.is_empty());
    holding.commit().await;
    assert_eq!(world.write(|tx| Box::pin(claim(tx))).await.expect("claimed").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_two_writers_of_a_secret_on_postgres_finds_it_changed() {
    let world = Arc::new(World::postgres().await);
    let secret = world.secret("s", None);
    let (keyring, put) = (world.keyring.clone(), secret.clone());
    let inserted = world.write(move |tx| Box::pin(async move { secret::insert(tx, &keyring, &put).await.map(|_| ()) }));
    inserted.await.expect("inserted");
    let (keyring, mut mine) = (world.keyring.clone(), secret.clone());
    let first = paused!(&world, |tx| secret::update(tx, &keyring, &mut mine).await?);
    let second = {
        let (world, keyring, mut mine) = (Arc::clone(&world), world.keyring.clone(), secret.clone());
        tokio::spawn(async move {
            let update = world
                .write(move |tx| Box::pin(async move { secret::update(tx, &keyring, &mut mine).await.map(|_| ()) }));
            update.await
        })
    };
    until_one_waits(&world).await;
    first.commit().await;
    assert!(matches!(second.await.expect("no panic"), Err(StoreError::Stale { what: "secret" })));
}

/// Two append to a subject that nobody locks; answers the second one's number.
async fn append_behind_another(is_committed: bool) -> i64 {
    let world = Arc::new(World::postgres().await);
    let (keyring, one) = (world.keyring.clone(), world.event("s", "a.b", vec![]));
    let first = paused!(&world, |tx| event::append(tx, &keyring, one).await?);
    let second = {
        let (world, keyring, two) = (Arc::clone(&world), world.keyring.clone(), world.event("s", "a.b", vec![]));
        tokio::spawn(async move {
            let append = world.write(move |tx| Box::pin(async move { event::append(tx, &keyring, two).await }));
            append.await
        })
    };
    until_one_waits(&world).await;
    if is_committed {
        assert_eq!(first.commit().await, 1);
    } else {
        first.roll_back().await;
    }
    second.await.expect("no panic").expect("appended")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_two_appenders_on_postgres_takes_the_next_number() {
    assert_eq!(append_behind_another(true).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_was_rolled_back_on_postgres_is_given_again() {
    assert_eq!(append_behind_another(false).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_open_the_same_alert_on_postgres_open_one() {
    let world = Arc::new(World::postgres().await);
    let alert = Alert {
        subject: "s".to_owned(),
        kind: "stuck".to_owned(),
        sentence: "it is stuck".to_owned(),
        hint: String::new(),
        opened_at: now(),
        closed_at: None,
    };
    let (tenant, mine) = (world.tenant.clone(), alert.clone());
    let first = paused!(&world, |tx| alert::open(tx, &tenant, &mint(EventId::mint), &mine).await?);
    let second = {
        let (world, tenant) = (Arc::clone(&world), world.tenant.clone());
        tokio::spawn(async move {
            let open = world
                .write(move |tx| Box::pin(async move { alert::open(tx, &tenant, &mint(EventId::mint), &alert).await }));
            open.await
        })
    };
    until_one_waits(&world).await;
    assert!(first.commit().await);
    assert!(!second.await.expect("no panic").expect("no failure"));
}
