//! Proof 17: keywheel and the target cannot hear each other, one direction at a time.

mod proofs {
    use std::time::{Duration, Instant};

    use anyhow::{Context, Result, ensure};
    use sqlx::{Connection, PgConnection};

    use crate::support::postgres::ADMIN_PASSWORD;
    use crate::support::proof::{Proof, count};
    use crate::support::proxy::{Direction, Mode, Proxy};
    use crate::support::scene::{QUIET, Scene};
    use crate::support::wait::{eventually, never};

    const SOON: Duration = Duration::from_secs(30);

    /// Promised are ten seconds; asserted are five times that.
    const RESOLVED: Duration = Duration::from_secs(50);

    /// A change that waits at the server, by the lock of another session.
    async fn hold_the_row(scene: &Scene) -> Result<PgConnection> {
        let url = format!("postgres://postgres:{ADMIN_PASSWORD}@127.0.0.1:{}/postgres", scene.server.port());
        let mut holder = PgConnection::connect(&url).await.context("a session that holds the row")?;
        sqlx::raw_sql("BEGIN; ALTER ROLE app CONNECTION LIMIT 50").execute(&mut holder).await?;
        scene.daemon.rotate(&["app"]).await?;
        let waits = "SELECT count(*) FROM pg_stat_activity \
                     WHERE application_name LIKE 'keywheel/rot%' AND wait_event_type = 'Lock'";
        let is_waiting = async || (scene.server.sql(waits) == "1").then_some(());
        eventually(SOON, "the change waits for the row", is_waiting).await?;
        Ok(holder)
    }

    async fn status_of(scene: &Scene) -> Option<String> {
        let line = scene.daemon.rotations("app").await.ok()?;
        line.first()?["status"].as_str().map(str::to_owned)
    }

    /// Parts the two while a change is under way that the server then does. Answers the seconds parted.
    async fn part(scene: &Scene, proxy: &Proxy, direction: Direction, lasting: Duration) -> Result<()> {
        let mut holder = hold_the_row(scene).await?;
        proxy.set(Mode::Partition { direction }).await?;
        sqlx::raw_sql("ROLLBACK").execute(&mut holder).await?;
        if direction == Direction::ToClient {
            let unknown = async || (status_of(scene).await? == "unknown").then_some(());
            eventually(SOON, "the rotation is shown as unknown", unknown).await?;
            let (before, begun) = (proxy.counts().connections, Instant::now());
            never(lasting, "a decision without evidence", async || status_of(scene).await.filter(|s| s != "unknown"))
                .await?;
            let (tries, most) = (proxy.counts().connections - before, begun.elapsed().as_secs() / 5 + 1);
            ensure!(tries <= most, "{tries} connections, {most} were allowed");
        } else {
            never(lasting, "a publish", async || status_of(scene).await.filter(|s| s == "published")).await?;
        }
        proxy.set(Mode::Pass).await?;
        scene.daemon.settle(RESOLVED).await?;
        scene.settle_and_prove().await.map(drop)
    }

    async fn parted(direction: Direction, lasting: Duration) -> Result<()> {
        // Verification goes on looking for longer than the two are parted.
        let patient = QUIET.replace("verify_for = \"10s\"", "verify_for = \"15m\"");
        let (scene, proxy) = Scene::behind_proxy(&patient).await?;
        scene.adopt_single("app").await?;
        part(&scene, &proxy, direction, lasting).await.with_context(|| scene.daemon.stderr())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_partition_is_shown_waited_out_and_resolved() -> Result<()> {
        let proof = Proof::begin("17", "directions parted from the target");
        let lasting = Duration::from_secs(count(30, 600));
        tokio::try_join!(parted(Direction::ToClient, lasting), parted(Direction::ToServer, lasting))?;
        proof.end(2, 2)
    }
}
