//! SQLite's writer: jobs share commits and not failures, its files are private, its log is bounded.

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use keywheel::store::{StoreError, meta};

use super::world::{Rows, World, on_both_engines};

on_both_engines!(
    a_failing_job_leaves_nothing_and_its_neighbours_stand,
    a_job_that_panics_panics_in_its_asker_and_the_store_goes_on,
    a_write_goes_on_when_its_asker_is_gone,
);

async fn put(world: &World, name: &'static str, value: &str) -> Result<(), StoreError> {
    let value = value.to_owned();
    world.write(move |tx| Box::pin(async move { meta::put(tx, name, &value).await })).await
}

async fn count(world: &World) -> String {
    world.texts("SELECT CAST(COUNT(*) AS TEXT) FROM meta").await.remove(0)
}

async fn a_failing_job_leaves_nothing_and_its_neighbours_stand(world: World) {
    let world = Arc::new(world);
    let mut jobs = tokio::task::JoinSet::new();
    for n in 0..300 {
        let world = Arc::clone(&world);
        jobs.spawn(async move {
            let written = world.write(move |tx| {
                Box::pin(async move {
                    meta::put(tx, &format!("job {n}"), "done").await?;
                    if n % 3 == 0 { Err(StoreError::Stale { what: "mind" }) } else { Ok(()) }
                })
            });
            (n % 3 == 0, written.await.is_err())
        });
    }
    assert!(jobs.join_all().await.into_iter().all(|(fails, failed)| fails == failed));
    assert_eq!(count(&world).await, "200");
}

async fn a_job_that_panics_panics_in_its_asker_and_the_store_goes_on(world: World) {
    let world = Arc::new(world);
    let asker = {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let written: Result<(), StoreError> = world
                .write(|tx| {
                    Box::pin(async move {
                        meta::put(tx, "before", "the panic").await?;
                        panic!("a defect in a job")
                    })
                })
                .await;
            written
        })
    };
    assert!(asker.await.expect_err("it panics").is_panic());
    put(&world, "after", "the panic").await.expect("the store goes on");
    assert_eq!(world.texts("SELECT name FROM meta").await, ["after"]);
    assert!(!world.store.is_broken());
}

async fn a_write_goes_on_when_its_asker_is_gone(world: World) {
    let world = Arc::new(world);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (leave, left) = tokio::sync::oneshot::channel::<()>();
    let asker = {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let written: Result<(), StoreError> = world
                .write(|tx| {
                    Box::pin(async move {
                        begun.send(()).expect("somebody waits");
                        let _ = left.await;
                        meta::put(tx, "written", "all the same").await
                    })
                })
                .await;
            written
        })
    };
    has_begun.await.expect("begun");
    asker.abort();
    assert!(asker.await.expect_err("aborted").is_cancelled());
    leave.send(()).expect("it waits");
    let look = async || (count(&world).await == "1").then_some(());
    let limit = std::time::Duration::from_secs(10);
    crate::support::wait::eventually(limit, "the write is there", look).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_its_log_and_the_log_s_index_are_private() {
    let world = World::sqlite().await;
    put(&world, "a", "b").await.expect("written");
    let Rows::File(file) = &world.place else { panic!("it is SQLite") };
    for end in ["", "-wal", "-shm"] {
        let path = format!("{}{end}", file.display());
        let mode = std::fs::metadata(&path).expect("it exists").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{path}");
    }
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o644)).expect("widened");
    world.reopen().await.expect("opened");
    assert_eq!(std::fs::metadata(file).expect("it exists").permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_does_not_grow_without_bound() {
    let world = Arc::new(World::sqlite().await);
    let Rows::File(file) = &world.place else { panic!("it is SQLite") };
    let value = "x".repeat(4_000);
    for _ in 0..4_000 {
        put(&world, "same", &value).await.expect("written");
    }
    let log = std::fs::metadata(format!("{}-wal", file.display())).expect("it exists").len();
    assert!(log < 16 << 20, "{log} bytes");
}
