//! Proof 3: killed at random while many roles rotate, with either store.

mod proofs {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use anyhow::{Result, ensure};
    use futures_util::future::try_join_all;
    use serde_json::json;

    use crate::support::proof::{Proof, count};
    use crate::support::random::Sampler;
    use crate::support::scene::{FIRST, QUIET, SETTLING, Scene, start_server};
    use crate::support::shared::{SharedStore, quick};
    use crate::support::wait::{eventually, never};

    /// Promised is a second after a claim has ended; on SQLite claims of an earlier life are void at once.
    const PROMISED: Duration = Duration::from_secs(1);

    /// Longer than a busy store takes to renew one.
    const CLAIM: Duration = Duration::from_secs(3);

    /// Rotations asked for before each kill: more than a target takes at once.
    const BUSY: usize = 12;

    /// Asked at the same time.
    const ABREAST: usize = 4;

    /// What was served after the restarts.
    #[derive(Default)]
    struct Served {
        /// Looks: roles times kills.
        looks: u64,
        wrong: u64,
        longest: Duration,
    }

    async fn adopt_many(scene: &Scene, roles: &[String]) -> Result<()> {
        let statements = roles.iter().map(|role| format!("CREATE ROLE {role} LOGIN PASSWORD '{FIRST}';"));
        scene.server.sql(&statements.collect::<String>());
        let adopt = |role: &String| {
            let role = role.clone();
            async move { scene.adopt("pg", &role, json!({ "strategy": "single", "role": role }), &role).await }
        };
        for some in roles.chunks(ABREAST) {
            try_join_all(some.iter().map(adopt)).await?;
        }
        Ok(())
    }

    /// The secrets whose rotation was under way when the daemon died.
    async fn interrupted(scene: &Scene) -> Result<Vec<String>> {
        let open = scene.daemon.ask("GET", "/rotations?open=true", None).await?;
        let lines = open["items"].as_array().cloned().unwrap_or_default();
        Ok(lines.iter().filter_map(|line| line["secret"].as_str()).map(str::to_owned).collect())
    }

    /// For how long after the restart a value was served that does not log in; nothing if it did at the first look.
    async fn wrong_for(scene: &Scene, name: &str, ready: Instant) -> Result<Option<Duration>> {
        if scene.served_works(name).await? {
            return Ok(None);
        }
        let right = async || scene.served_works(name).await.is_ok_and(|works| works).then_some(());
        eventually(SETTLING * 3, "what is served logs in", right).await?;
        Ok(Some(ready.elapsed()))
    }

    async fn look(scene: &Scene, served: &mut Served) -> Result<()> {
        let ready = Instant::now();
        for some in interrupted(scene).await?.chunks(ABREAST) {
            for wrong in
                try_join_all(some.iter().map(|name| wrong_for(scene, name, ready))).await?.into_iter().flatten()
            {
                served.wrong += 1;
                served.longest = served.longest.max(wrong);
            }
        }
        Ok(())
    }

    async fn kill_under_load(mut scene: Scene, proof: Proof, promised: Duration) -> Result<()> {
        let mut sampler = Sampler::new(proof.seed());
        let roles: Vec<String> = (0..count(100, 1000)).map(|i| format!("app{i}")).collect();
        adopt_many(&scene, &roles).await?;
        let names: Vec<&str> = roles.iter().map(String::as_str).collect();
        let (mut kills, owed, mut served) = (0, count(20, 10_000), Served::default());
        while kills < owed {
            scene.daemon.rotate(&sampler.some(&names, BUSY)).await?;
            let pause = Duration::from_millis(20 + sampler.below(500));
            never(pause, "an end that nobody asked for", async || (!scene.daemon.is_running()).then_some(())).await?;
            scene.daemon.restart().await?;
            look(&scene, &mut served).await?;
            served.looks += names.len() as u64;
            kills += 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "a share in per cent")]
        let right = 100.0 - 100.0 * served.wrong as f64 / served.looks as f64;
        let longest = served.longest.as_millis();
        proof.figure(&format!(
            "served but wrong for {longest} ms at most, for none in {right:.2} % of {}",
            served.looks
        ))?;
        let warned =
            scene.daemon.stderr().lines().filter(|line| line.contains(" WARN ")).collect::<Vec<_>>().join("\n");
        ensure!(served.longest <= promised * 5, "a wrong value was served for {:?}\n{warned}", served.longest);
        scene.daemon.settle(SETTLING * 4).await?;
        scene.settle_and_prove().await?;
        proof.end(kills, owed)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_under_load_leaves_no_wrong_value_served_for_long() -> Result<()> {
        let proof = Proof::begin("3", "kills under load");
        kill_under_load(Scene::start(QUIET).await?, proof, PROMISED).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_under_load_on_postgres_leaves_no_wrong_value_served_for_long() -> Result<()> {
        let proof = Proof::begin("3", "kills under load, stored in PostgreSQL");
        let (server, kept) = (start_server().await?, start_server().await?);
        let config = quick().replace("claim = \"1s\"", &format!("claim = \"{}s\"", CLAIM.as_secs()));
        let store = SharedStore::make(&kept, "kept", kept.port(), &config);
        let port = server.port();
        kill_under_load(Scene::on_postgres(Arc::clone(&server), store, port).await?, proof, PROMISED + CLAIM).await
    }
}
