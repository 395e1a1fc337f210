//! Proof 49, up to the event row: killed between a change and its event, both are there or neither.

mod proofs {
    use anyhow::{Context, Result, ensure};
    use serde_json::{Value, json};
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection};

    use crate::support::daemon::PATIENCE;
    use crate::support::preload::{Faults, When};
    use crate::support::proof::{Proof, count};
    use crate::support::random::Sampler;
    use crate::support::scene::{QUIET, SETTLING, Scene};
    use crate::support::wait::eventually;

    /// Tables with a revision, and the column of their row's name.
    const TABLES: [(&str, &str); 4] =
        [("secret", "id"), ("version", "id"), ("target", "id"), ("schedule", "secret_id")];

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Change {
        NewSecret,
        NewVersion,
        DeleteAndUndelete,
        Edit,
        Schedule,
        PauseAndResume,
        NewTarget,
        Rotate,
    }

    const CHANGES: [Change; 8] = [
        Change::NewSecret,
        Change::NewVersion,
        Change::DeleteAndUndelete,
        Change::Edit,
        Change::Schedule,
        Change::PauseAndResume,
        Change::NewTarget,
        Change::Rotate,
    ];

    /// The requests of a change; `n` differs from one to the next.
    fn requests(change: Change, n: u64) -> Vec<(&'static str, String, Value)> {
        let value = json!({ "value": { "text": format!("value {n}") } });
        let days = format!("{}d", 30 + n % 300);
        match change {
            Change::NewSecret => vec![("PUT", format!("/secrets/new-{n}/value"), value)],
            Change::NewVersion => vec![("PUT", "/secrets/kept/value".to_owned(), value)],
            Change::DeleteAndUndelete => vec![
                ("DELETE", "/secrets/kept".to_owned(), json!({})),
                ("POST", "/secrets/kept/undelete".to_owned(), json!({})),
            ],
            Change::Edit => {
                vec![("PATCH", "/secrets/kept".to_owned(), json!({ "about": { "description": format!("edit {n}") } }))]
            }
            Change::Schedule => {
                vec![("PUT", "/secrets/app/schedule".to_owned(), json!({ "schedule": { "every": days } }))]
            }
            Change::PauseAndResume => vec![
                ("POST", "/secrets/app/schedule/pause".to_owned(), json!({ "reason": "a proof" })),
                ("POST", "/secrets/app/schedule/resume".to_owned(), json!({ "reason": "a proof" })),
            ],
            Change::NewTarget => {
                let settings = json!({ "host": "127.0.0.1", "port": 5000 + n % 1000 });
                let body = json!({ "rotator": "postgres", "settings": settings, "admin": "pg/admin" });
                vec![("PUT", format!("/targets/new-{n}"), body)]
            }
            Change::Rotate => vec![("POST", "/rotate".to_owned(), json!({ "names": ["app"] }))],
        }
    }

    /// Asks, and waits until what was asked for is over. A daemon that dies meanwhile is an error.
    async fn make(scene: &mut Scene, change: Change, n: u64) -> Result<()> {
        for (method, path, body) in requests(change, n) {
            let answer = scene.daemon.send(method, &format!("/api/v1{path}"), &body).await?;
            ensure!((200..300).contains(&answer.status), "{method} {path}: {}", answer.text());
        }
        if change != Change::Rotate {
            return Ok(());
        }
        let is_over = async || {
            let is_dead = !scene.daemon.is_running();
            (is_dead || scene.daemon.is_settled().await).then_some(is_dead)
        };
        let is_dead = eventually(SETTLING, "the rotation is over", is_over).await?;
        ensure!(!is_dead, "the daemon died");
        Ok(())
    }

    /// Brings the second half of a change that a kill cut in two.
    async fn end_halves(scene: &Scene) -> Result<()> {
        for change in [Change::DeleteAndUndelete, Change::PauseAndResume] {
            for (method, path, body) in requests(change, 0).split_off(1) {
                // Refused where nothing was cut.
                scene.daemon.send(method, &format!("/api/v1{path}"), &body).await?;
            }
        }
        Ok(())
    }

    async fn store(scene: &Scene) -> Result<SqliteConnection> {
        let options = SqliteConnectOptions::new().filename(scene.daemon.store()).read_only(true);
        options.connect().await.context("open the store")
    }

    /// Rows whose last change no event tells of, and events that tell of what is not so.
    async fn contradictions(scene: &Scene) -> Result<Vec<String>> {
        let mut store = store(scene).await?;
        let mut found = Vec::new();
        for (table, id) in TABLES {
            let told = "SELECT e.id, json_extract(w.value, '$.table') AS kept, json_extract(w.value, '$.row') AS row, \
                        json_extract(w.value, '$.revision') AS revision FROM event e, json_each(e.written) w";
            let sql = format!(
                "WITH told AS MATERIALIZED ({told}) \
                 SELECT 'nobody was told of {table} ' || {id} || ' ' || revision FROM {table} r WHERE NOT EXISTS ( \
                   SELECT 1 FROM told WHERE kept = '{table}' AND row = r.{id} AND told.revision = r.revision) \
                 UNION ALL \
                 SELECT 'event ' || told.id || ' tells of {table} ' || row || ' ' || told.revision FROM told \
                 WHERE kept = '{table}' AND NOT EXISTS ( \
                   SELECT 1 FROM {table} r WHERE r.{id} = told.row AND r.revision >= told.revision)"
            );
            found.extend(sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).fetch_all(&mut store).await?);
        }
        let ended = "SELECT 'rotation ' || r.id || ' is ' || r.status || ' by its line alone' FROM rotation r \
                     WHERE (r.status IN ('published', 'unwound')) <> EXISTS ( \
                       SELECT 1 FROM event e WHERE e.rotation_id = r.id \
                       AND e.kind IN ('rotation.published', 'rotation.unwound'))";
        found.extend(sqlx::query_scalar::<_, String>(ended).fetch_all(&mut store).await?);
        Ok(found)
    }

    async fn count_events(scene: &Scene) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM event").fetch_one(&mut store(scene).await?).await?)
    }

    async fn restart(scene: &mut Scene, plan: &Faults) -> Result<()> {
        plan.forget();
        scene.daemon.clear_env();
        scene.daemon.set_envs(plan.env()?);
        scene.daemon.restart().await
    }

    /// How many points of the store each change has.
    async fn points(scene: &mut Scene, faults: &Faults) -> Result<Vec<u64>> {
        restart(scene, faults).await?;
        let mut all = Vec::new();
        for (change, n) in CHANGES.into_iter().zip(1_000_000..) {
            let (before, events) = (faults.record()?.len(), count_events(scene).await?);
            faults.arm()?;
            make(scene, change, n).await.with_context(|| format!("{change:?}"))?;
            faults.disarm()?;
            ensure!(count_events(scene).await? > events, "{change:?} is told by no event");
            all.push((faults.record()?.len() - before) as u64);
        }
        ensure!(all.iter().all(|points| *points >= 2), "too few points: {all:?}");
        Ok(all)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_between_a_change_and_its_event_leaves_both_or_neither() -> Result<()> {
        let proof = Proof::begin("49", "kills between changes and their events");
        let mut sampler = Sampler::new(proof.seed());
        let mut scene = Scene::start(QUIET).await?;
        scene.adopt_single("app").await?;
        scene.daemon.put_secret("kept", json!({ "text": "first" })).await?;
        let folder = scene.daemon.folder().join("faults");
        std::fs::create_dir(&folder).context("make a folder")?;
        let faults = Faults::new(&folder).store(&scene.daemon.store());
        for (method, path, body) in requests(Change::Schedule, 0) {
            scene.daemon.ask(method, &path, Some(&body)).await?;
        }
        let points = points(&mut scene, &faults).await?;
        let (mut kills, mut tries, owed) = (0, 0, count(25, 500));
        while kills < owed {
            let which = usize::try_from(tries)? % CHANGES.len();
            let (change, nth) = (CHANGES[which], 1 + sampler.below(points[which]));
            let when = [When::Before, When::After, When::Torn][usize::try_from(sampler.below(3))?];
            let plan = faults.clone().kill(&format!("any:{nth}"), when);
            restart(&mut scene, &plan).await?;
            end_halves(&scene).await?;
            plan.arm()?;
            let made = make(&mut scene, change, tries).await;
            if let Err(error) = made {
                let is_dead = async || (!scene.daemon.is_running()).then_some(());
                let dead = eventually(PATIENCE, "the daemon is dead", is_dead).await;
                dead.with_context(|| format!("{change:?}: {error:#}"))?;
            }
            plan.disarm()?;
            kills += u64::from(!plan.fired().is_empty());
            scene.daemon.forget_ended();
            if scene.daemon.is_running() {
                scene.daemon.kill9().await?;
            }
            let found = contradictions(&scene).await?;
            ensure!(found.is_empty(), "{change:?} killed {when:?} point {nth}: {found:#?}");
            tries += 1;
            ensure!(tries < owed * 3, "{kills} of {tries} points were reached");
        }
        restart(&mut scene, &faults).await?;
        scene.settle_and_prove().await?;
        let found = contradictions(&scene).await?;
        ensure!(found.is_empty(), "after all: {found:#?}");
        proof.end(kills, owed)
    }
}
