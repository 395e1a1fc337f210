//! Proof 14b: another session holds the role's row while keywheel is killed; the dead client's statement runs late.

mod proofs {
    use std::time::Duration;

    use anyhow::{Context, Result};
    use sqlx::{Connection, PgConnection};

    use crate::support::postgres::ADMIN_PASSWORD;
    use crate::support::proof::{Proof, count};
    use crate::support::scene::{QUIET, Scene};
    use crate::support::wait::{eventually, never};

    /// The server waits for the lock longer than any of the releases takes.
    fn patient() -> String {
        QUIET.replace("step_deadline = \"5s\"", "step_deadline = \"1m20s\"")
    }

    async fn run(session: &mut PgConnection, sql: &str) -> Result<()> {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(session).await.map(drop).context("run a statement")
    }

    async fn kill_while_it_waits(scene: &mut Scene, released_after: Duration, commits: bool) -> Result<()> {
        let url = format!("postgres://postgres:{ADMIN_PASSWORD}@127.0.0.1:{}/postgres", scene.server.port());
        let mut holder = PgConnection::connect(&url).await.context("a session that holds the row")?;
        run(&mut holder, "BEGIN; ALTER ROLE app CONNECTION LIMIT 50").await?;
        scene.daemon.rotate(&["app"]).await?;
        let waits = "SELECT count(*) FROM pg_stat_activity \
                     WHERE application_name LIKE 'keywheel/rot%' AND wait_event_type = 'Lock'";
        let is_waiting = async || (scene.server.sql(waits) == "1").then_some(());
        eventually(Duration::from_secs(20), "the change waits for the row", is_waiting).await?;
        scene.daemon.restart().await?;
        never(released_after, "a change without the row", async || None::<()>).await?;
        run(&mut holder, if commits { "COMMIT" } else { "ROLLBACK" }).await?;
        scene.settle_and_prove().await.map(drop)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_statement_of_a_killed_client_that_runs_late_costs_no_live_value() -> Result<()> {
        let proof = Proof::begin("14b", "releases of a held row");
        let mut scene = Scene::start(&patient()).await?;
        scene.adopt_single("app").await?;
        let seconds: &[u64] = if count(0, 1) == 0 { &[1, 5] } else { &[1, 5, 30] };
        let mut released = 0;
        for after in seconds {
            for commits in [false, true] {
                kill_while_it_waits(&mut scene, Duration::from_secs(*after), commits)
                    .await
                    .with_context(|| format!("released after {after} s, {commits}"))?;
                released += 1;
            }
        }
        proof.end(released, 2 * seconds.len() as u64)
    }
}
