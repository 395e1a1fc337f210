//! Proof 21: an operator changes the same roles by hand, while two daemons on one store rotate them.

mod proofs {
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use anyhow::{Context, Result, ensure};
    use sqlx::{AssertSqlSafe, Connection, PgConnection};

    use crate::support::postgres::{ADMIN_PASSWORD, PostgresServer};
    use crate::support::proof::{Proof, count};
    use crate::support::proxy::{Mode, Proxy};
    use crate::support::scene::{FIRST, SETTLING, Scene, start_server};
    use crate::support::shared::{SharedStore, quick};
    use crate::support::wait::{eventually, never};

    const ROLES: u64 = 10;

    /// For how long the operator's transaction holds a role.
    const HELD: Duration = Duration::from_millis(20);

    const OWN: &str = "the-operators-own-3b9d";

    async fn session(server: &PostgresServer) -> Result<PgConnection> {
        let url = format!("postgres://postgres:{ADMIN_PASSWORD}@127.0.0.1:{}/postgres", server.port());
        PgConnection::connect(&url).await.context("the operator logs in")
    }

    fn names() -> Vec<String> {
        (0..ROLES).map(|i| format!("app{i}")).collect()
    }

    /// Changes connection limits until told to stop; answers the last limit of each role.
    async fn change_limits(server: Arc<PostgresServer>, stop: Arc<AtomicBool>) -> Result<Vec<u64>> {
        let mut operator = session(&server).await?;
        let mut limits = vec![0; names().len()];
        for limit in 100.. {
            for (role, last) in names().iter().zip(&mut limits) {
                let change = format!("BEGIN; ALTER ROLE {role} CONNECTION LIMIT {limit}");
                let changed = sqlx::raw_sql(AssertSqlSafe(change)).execute(&mut operator).await.is_ok();
                never(HELD, "nothing", async || None::<()>).await?;
                let kept = sqlx::raw_sql("COMMIT").execute(&mut operator).await.is_ok();
                if changed && kept {
                    *last = limit;
                }
            }
            if stop.load(Ordering::SeqCst) {
                break;
            }
        }
        Ok(limits)
    }

    async fn rotate_all(scene: &Scene, other: &crate::support::daemon::Daemon, rounds: u64) -> Result<u64> {
        let names = names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for round in 0..rounds {
            let asked = if round % 2 == 0 { &scene.daemon } else { other };
            asked.rotate(&names).await?;
            asked.settle(SETTLING).await?;
            for name in &names {
                ensure!(scene.served_works(name).await?, "`{name}` does not log in after round {round}");
                ensure!(asked.secret(name).await?["version"] == round + 2, "`{name}` was not rotated in round {round}");
            }
        }
        Ok(rounds * ROLES)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_operator_who_changes_other_attributes_of_a_role_loses_none_and_delays_no_password() -> Result<()> {
        let proof = Proof::begin("21", "rotations beside an operator's changes");
        let server = start_server().await?;
        let store = SharedStore::make(&server, "kept", server.port(), &quick());
        let scene = Scene::on_postgres(Arc::clone(&server), store.clone(), server.port()).await?;
        for name in names() {
            scene.adopt_single(&name).await?;
        }
        let other = scene.replica().await?;
        let stop = Arc::new(AtomicBool::new(false));
        let operator = tokio::spawn(change_limits(Arc::clone(&server), Arc::clone(&stop)));
        let done = rotate_all(&scene, &other, count(100, 1_000) / ROLES).await;
        stop.store(true, Ordering::SeqCst);
        let limits = operator.await??;
        for (name, limit) in names().iter().zip(limits) {
            let found = scene.server.sql(&format!("SELECT rolconnlimit FROM pg_roles WHERE rolname = '{name}'"));
            ensure!(found == limit.to_string(), "`{name}` has the limit {found}, the operator's last was {limit}");
        }
        let again = store.sql("SELECT count(*) FROM event WHERE kind = 'rotation.apply_failed'");
        proof.figure(&format!("{again} changes met the operator's and were tried again"))?;
        ensure!(again != "0", "the two never met");
        scene.settle_and_prove().await?;
        proof.end(done?, count(100, 1_000))
    }

    /// The changes of the role's password that keywheel sent.
    fn changes(server: &PostgresServer) -> usize {
        server
            .log()
            .lines()
            .filter(|line| line.contains("ALTER ROLE \"app\"") && line.contains("SCRAM-SHA-256$"))
            .count()
    }

    async fn until_told(scene: &Scene, kind: &str) -> Result<()> {
        let told = async || scene.daemon.alerts().await.ok()?.iter().any(|alert| alert == kind).then_some(());
        eventually(SETTLING, "the alert is open", told).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_operator_who_changes_the_password_is_told_and_not_overwritten_in_a_loop() -> Result<()> {
        let proof = Proof::begin("21", "passwords changed by an operator");
        let server = start_server().await?;
        let proxy = Proxy::start((Ipv4Addr::LOCALHOST, server.port()).into()).await?;
        let config = quick().replace("probe_every = \"off\"", "probe_every = \"1s\"");
        let store = SharedStore::make(&server, "kept", server.port(), &config);
        let scene = Scene::on_postgres(Arc::clone(&server), store, proxy.address().port()).await?;
        scene.adopt_single("app").await?;
        let _other = scene.replica().await?;

        // At rest: the probe finds it, and nobody overwrites it until a person asks.
        server.sql(&format!("ALTER ROLE app PASSWORD '{OWN}'"));
        until_told(&scene, "drifted").await?;
        let before = changes(&server);
        let is_overwritten = async || (!server.accepts("app", OWN)).then_some(());
        never(Duration::from_secs(4), "the operator's password is overwritten", is_overwritten).await?;
        ensure!(changes(&server) == before, "keywheel changed it by itself");
        scene.daemon.rotate(&["app"]).await?;
        scene.daemon.settle(SETTLING).await?;
        ensure!(scene.served_logs_in("app").await?, "what a person asked for was not done");
        ensure!(scene.daemon.alerts().await?.is_empty(), "the alert stays open");

        // While a rotation runs, after its change and before it is verified.
        proxy.set(Mode::Delay { per_chunk: Duration::from_millis(40) }).await?;
        let before = changes(&server);
        scene.daemon.rotate(&["app"]).await?;
        eventually(SETTLING, "the change was made", async || (changes(&server) > before).then_some(())).await?;
        server.sql(&format!("ALTER ROLE app PASSWORD '{OWN}'"));
        until_told(&scene, "rotation-failed").await?;
        let after = changes(&server);
        ensure!(after - before <= 2, "{} changes of one rotation", after - before);
        let is_changed = async || (changes(&server) > after).then_some(());
        never(Duration::from_secs(5), "a change that nobody asked for", is_changed).await?;
        ensure!(scene.served_logs_in("app").await? != server.accepts("app", OWN), "{FIRST}: two passwords at once");
        proof.end(2, 2)
    }
}
