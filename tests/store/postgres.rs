//! What PostgreSQL can do to a writer: lose the answer to a commit, be restarted, end a session.

mod proofs {
    use std::{net::SocketAddr, sync::Arc};

    use anyhow::{Result, ensure};
    use keywheel::{
        clock::Clock as _,
        store::{Store, StoreError, event, tenant},
    };

    use crate::{
        store::world::{World, server, url},
        support::{
            proof::{Proof, count},
            proxy::{Counted, Direction, Mode, Proxy},
        },
    };

    /// A store behind a proxy, in the database of a world.
    async fn through(proxy: &Proxy, world: &World) -> Result<Store> {
        let database = world.texts("SELECT current_database()").await.remove(0);
        let url = url(&database, proxy.address().port());
        Ok(Store::open_postgres(&url, 4, Arc::clone(&world.keyring)).await?)
    }

    async fn append(store: &Store, world: &World) -> Result<i64, StoreError> {
        let (keyring, event) = (world.keyring.clone(), world.event("s", "a.b", vec![]));
        store.write(move |tx| Box::pin(async move { event::append(tx, &keyring, event).await })).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_commit_on_postgres_whose_answer_is_lost_is_found_out_and_not_repeated() -> Result<()> {
        let rounds = count(50, 500);
        let proof = Proof::begin("35", "commits whose answer was lost");
        let world = World::postgres().await;
        let upstream = SocketAddr::from(([127, 0, 0, 1], server().port()));
        let proxy = Proxy::start(upstream).await?;
        let store = through(&proxy, &world).await?;
        let (mut committed, mut lost) = (0, 0);
        for round in 0..rounds {
            if round % 2 == 0 {
                // The server commits and its answer is swallowed.
                proxy.set_once(Mode::DropResponse { after: b"COMMIT".to_vec(), let_through: 0 }).await?;
                committed += 1;
                let seq = append(&store, &world).await?;
                ensure!(seq == committed, "the event has number {seq}, not {committed}");
            } else {
                // The server never hears of the commit.
                let counted = Counted::SinceRequest(b"COMMIT".to_vec());
                proxy.set_once(Mode::Cut { direction: Direction::ToServer, bytes: 0, counted }).await?;
                lost += 1;
                let refused = append(&store, &world).await;
                let is_told = matches!(&refused, Err(StoreError::Database { operation: "commit", .. }));
                ensure!(is_told, "a commit that never arrived: {refused:?}");
            }
            let counts = proxy.counts();
            ensure!(
                (counts.dropped, counts.cuts) == (committed.try_into()?, lost),
                "the fault did not fire: {counts:?}"
            );
        }
        let events = world.texts("SELECT CAST(COUNT(*) AS TEXT) FROM event").await;
        ensure!(events == [committed.to_string()], "{committed} were committed, there are {events:?} events");
        proof.end(rounds, rounds)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_restart_of_postgres_between_two_writes_fails_neither() -> Result<()> {
        let own = crate::support::postgres::PostgresServer::start();
        own.sql("CREATE DATABASE mine");
        let world = World::postgres().await;
        let store = Store::open_postgres(&url("mine", own.port()), 4, Arc::clone(&world.keyring)).await?;
        let (id, now) = (world.tenant.clone(), keywheel::clock::SystemClock.now());
        let made: Result<(), StoreError> =
            store.write(move |tx| Box::pin(async move { tenant::insert(tx, &id, "root", now).await })).await;
        made?;
        // Several idle connections, then every session of the store is ended by the server.
        let many = (0..4).map(|_| append(&store, &world));
        for appended in futures_util::future::join_all(many).await {
            appended?;
        }
        for expected in 5..15 {
            own.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keywheel/store'");
            ensure!(append(&store, &world).await? == expected, "the numbers have a gap");
        }
        Ok(())
    }
}
