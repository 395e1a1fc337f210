//! Rotations never wait for those who are told (proofs 47 and 48): every receiver accepts and says nothing.

mod proofs {
    use std::net::Ipv4Addr;
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };
    use std::time::{Duration, Instant};

    use anyhow::{Result, ensure};
    use keywheel::{
        engine::{Options, ops::channels, ops::routes, rules::RouteRules},
        model::SecretId,
        notify::Limits,
    };
    use keywheel_contract::kit::Strategy;
    use serde_json::{Value, json};
    use tokio::net::TcpListener;

    use crate::engine::{notices::actor, world::World};
    use crate::support::proof::{Proof, count};
    use crate::support::wait::eventually;

    /// One outside call of a rotation may take so long; asserted is five times that for all rotations together.
    const PROMISE: Duration = Duration::from_secs(10);
    /// Attempts that the engine makes at the same time.
    const ROOM: u64 = 128;
    const CHANNELS: usize = 10;

    /// Accepts every connection, keeps it and never answers.
    async fn hanging() -> Result<(u16, Arc<AtomicU64>)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (port, taken) = (listener.local_addr()?.port(), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&taken);
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                kept.push(stream);
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok((port, taken))
    }

    fn settings(place: usize, port: u16) -> (&'static str, Value) {
        match place {
            0 => (
                "email",
                json!({ "host": "127.0.0.1", "port": port, "tls": "none", "from": "k@example.org", "to": ["a@example.org"] }),
            ),
            _ => ("webhook", json!({ "url": format!("http://127.0.0.1:{port}/{place}") })),
        }
    }

    /// Ten channels that hang, and a route that tells them everything.
    async fn tell_all_to(world: &World, port: u16) {
        let names: Vec<String> = (0..CHANNELS).map(|place| format!("hangs-{place}")).collect();
        for (place, name) in names.iter().enumerate() {
            let (kind, settings) = settings(place, port);
            let request = json!({ "kind": kind, "settings": settings });
            let request = serde_json::from_value(request).expect("a channel");
            channels::put(&world.engine, &actor(), name, request).await.expect("a channel");
        }
        let rules = RouteRules { channels: names, ..RouteRules::default() };
        routes::put(&world.engine, &actor(), "all", rules).await.expect("a route");
    }

    /// Rotates all of them; answers how long it took until all were published.
    async fn rotate_all(world: &World, all: &[SecretId], number: i64) -> Duration {
        let started = Instant::now();
        for id in all {
            world.request(id).await;
        }
        for id in all {
            world.until_number(id, number).await;
        }
        started.elapsed()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn fifty_rotations_pass_receivers_that_never_answer() -> Result<()> {
        let proof = Proof::begin("47", "rotations beside receivers that hang");
        let limits = Limits { allow: vec!["127.0.0.0/8".parse()?], ..Limits::default() };
        let options = Options { probe_every: None, notify: limits, ..Options::default() };
        let mut world = World::new(options).await;
        world.start();
        let rotations = count(50, 500);
        let mut all = Vec::new();
        for place in 0..rotations {
            all.push(world.adopt(&format!("db{place}"), Strategy::Single).await);
        }
        let alone = rotate_all(&world, &all, 2).await;
        let (port, taken) = hanging().await?;
        tell_all_to(&world, port).await;
        world.request(&all[0]).await;
        world.until_number(&all[0], 3).await;
        let first = rotate_all(&world, &all[1..], 3).await;
        let is_full = async || (taken.load(Ordering::SeqCst) >= ROOM).then_some(());
        eventually(PROMISE, "every attempt that there is room for hangs", is_full).await?;
        let beside = rotate_all(&world, &all, 4).await;
        #[expect(clippy::print_stderr, reason = "a proof prints its figure")]
        {
            eprintln!("alone {alone:?}, while the room fills {first:?}, with all room taken {beside:?}");
        }
        ensure!(first < PROMISE * 5 && beside < PROMISE * 5, "{first:?} and {beside:?}");
        world.crash().await;
        proof.end(rotations, count(50, 500))
    }
}
