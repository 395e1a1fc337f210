//! Proof 29: a daemon that stands still for longer than its claim, beside another one on the same store.

mod proofs {
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use std::time::Duration;

    use anyhow::{Context, Result, ensure};
    use futures_util::future::try_join_all;
    use serde_json::json;

    use crate::support::daemon::Daemon;
    use crate::support::postgres::PostgresServer;
    use crate::support::proof::{Proof, count};
    use crate::support::proxy::{Mode, Proxy};
    use crate::support::random::Sampler;
    use crate::support::scene::{SETTLING, Scene, start_server};
    use crate::support::shared::{SharedStore, quick};
    use crate::support::wait::{eventually, never};

    /// Claim and deadline are 6 s together: so late is a second look, and then a stale change is mended.
    const MENDED: Duration = Duration::from_secs(30);

    /// Long enough that every step is met.
    const PIECE: Duration = Duration::from_millis(10);

    /// For how long after its waking a stale holder is watched: it goes on at once.
    const LATE: Duration = Duration::from_millis(700);

    /// Pairs of daemons beside each other.
    const PAIRS: u64 = 2;

    /// What the suspensions led to.
    #[derive(Debug, Default)]
    struct Seen {
        cycles: u64,
        /// Rotations that changed hands.
        taken_over: u64,
        /// Changes that a stale holder sent after another had finished.
        stale: u64,
        /// Stale changes that did harm.
        mended: u64,
    }

    /// Two daemons on a store of their own, with one account.
    struct Pair {
        scene: Scene,
        other: Daemon,
        role: String,
        seen: Seen,
    }

    async fn pairs(proxy: &Proxy, server: &Arc<PostgresServer>) -> Result<Vec<Pair>> {
        let roles: Vec<String> = (0..PAIRS).map(|i| format!("app{i}")).collect();
        let mut pairs = Vec::new();
        for role in &roles {
            let database = format!("kept_{role}");
            let store = SharedStore::make(server, &database, server.port(), &quick());
            let mut scene = Scene::on_postgres(Arc::clone(server), store, proxy.address().port()).await?;
            scene.known = roles.iter().filter(|other| *other != role).cloned().collect();
            scene.adopt_single(role).await?;
            let other = scene.replica().await?;
            pairs.push(Pair { scene, other, role: role.clone(), seen: Seen::default() });
        }
        Ok(pairs)
    }

    /// Has one of them begin a rotation while the other sleeps; then they change places.
    async fn suspend(first: &Daemon, second: &Daemon, role: &str, pause: Duration) -> Result<()> {
        second.suspend().await?;
        first.rotate(&[role]).await?;
        never(pause, "nothing", async || None::<()>).await?;
        first.suspend().await?;
        second.resume()
    }

    /// Asks for the way back, where there is one: what the sleeper does then is not what is wanted any more.
    async fn ask_back(daemon: &Daemon, role: &str) -> Result<()> {
        let rotations = daemon.rotations(role).await?;
        let id = rotations.first().and_then(|line| line["id"].as_str()).context("there is a rotation")?;
        // One that has ended meanwhile is not turned back.
        let _ = daemon.ask("POST", &format!("/rotations/{id}/rollback"), Some(&json!({ "reason": "a proof" }))).await;
        Ok(())
    }

    fn changes(server: &PostgresServer, role: &str) -> u64 {
        let change = format!("ALTER ROLE \"{role}\"");
        server.log().lines().filter(|line| line.contains(&change)).count() as u64
    }

    async fn cycle(pair: &mut Pair, pause: Duration) -> Result<()> {
        let Pair { scene, other, role, seen } = pair;
        let (first, second) = if seen.cycles % 4 < 2 { (&scene.daemon, &*other) } else { (&*other, &scene.daemon) };
        suspend(first, second, role, pause).await?;
        if seen.cycles % 2 == 1 {
            ask_back(second, role).await?;
        }
        let settled = second.settle(SETTLING).await;
        let before = changes(&scene.server, role);
        first.resume()?;
        settled?;
        seen.taken_over += u64::from(second.journal(role).await?.iter().any(|kind| kind == "taken_over"));
        let is_refused = async || matches!(scene.served_logs_in(role).await, Ok(false)).then_some(());
        if never(LATE, "a stale change", is_refused).await.is_err() {
            let right = async || scene.served_logs_in(role).await.is_ok_and(|works| works).then_some(());
            eventually(MENDED, "a stale change is found and mended", right).await?;
            seen.mended += 1;
        }
        seen.stale += u64::from(changes(&scene.server, role) > before);
        first.settle(SETTLING).await?;
        seen.cycles += 1;
        Ok(())
    }

    async fn cycles(mut pair: Pair, seed: u64, owed: u64) -> Result<Pair> {
        let mut sampler = Sampler::new(seed);
        while pair.seen.cycles < owed {
            let pause = Duration::from_millis(10 + sampler.below(350));
            let cycled = cycle(&mut pair, pause).await;
            let Pair { scene, other, seen, .. } = &pair;
            cycled.with_context(|| format!("{pause:?}, {seen:?}\n{}\n{}", scene.daemon.stderr(), other.stderr()))?;
        }
        Ok(pair)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_daemon_that_stood_still_past_its_claim_changes_nothing_that_is_not_mended() -> Result<()> {
        let proof = Proof::begin("29", "suspensions past a claim of a second");
        let server = start_server().await?;
        let proxy = Proxy::start((Ipv4Addr::LOCALHOST, server.port()).into()).await?;
        let pairs = pairs(&proxy, &server).await?;
        proxy.set(Mode::Delay { per_chunk: PIECE }).await?;
        let (owed, seeds) = (count(20, 1000), proof.seed()..);
        let cycling = pairs.into_iter().zip(seeds).map(|(pair, seed)| cycles(pair, seed, owed / PAIRS));
        let pairs = try_join_all(cycling).await?;
        proxy.set(Mode::Pass).await?;
        let mut all = Seen::default();
        for Pair { scene, seen, .. } in &pairs {
            scene.settle_and_prove().await?;
            all.cycles += seen.cycles;
            all.taken_over += seen.taken_over;
            all.stale += seen.stale;
            all.mended += seen.mended;
        }
        let Seen { taken_over, stale, mended, .. } = all;
        proof
            .figure(&format!("{taken_over} changed hands, {stale} stale changes, {mended} of them did harm, mended"))?;
        ensure!(all.taken_over >= owed / 3, "too few changed hands: {all:?}");
        proof.end(all.cycles, owed)
    }
}
