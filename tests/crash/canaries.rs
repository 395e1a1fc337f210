//! Proof 60: after a whole flow no value stands in clear anywhere that is not meant for it.

mod proofs {
    use std::fs;

    use anyhow::{Context, Result, ensure};
    use serde_json::json;

    use crate::support::proof::Proof;
    use crate::support::proxy::Mode;
    use crate::support::scene::{ACKNOWLEDGED, QUIET, SETTLING, Scene};
    use crate::support::wait::{canaries, canary};

    fn hits(text: &[u8], value: &str) -> bool {
        text.windows(value.len().max(1)).any(|window| window == value.as_bytes())
    }

    /// Every file of the process that the kernel shows.
    fn shown_by_the_kernel(pid: u32) -> Result<Vec<u8>> {
        let mut shown = Vec::new();
        for name in ["cmdline", "environ"] {
            shown.extend(fs::read(format!("/proc/{pid}/{name}")).with_context(|| format!("read {name}"))?);
        }
        Ok(shown)
    }

    async fn flow(scene: &Scene, proxy: &crate::support::proxy::Proxy) -> Result<()> {
        // Without a first password: what a test writes by psql would stand in the server's log.
        scene.server.sql("CREATE ROLE app LOGIN");
        let acknowledged = [ACKNOWLEDGED, &["unknown-password", "no-way-back"]].concat();
        let body = json!({
            "target": "pg", "settings": { "strategy": "single", "role": "app" }, "unknown": true,
            "acknowledge": acknowledged, "about": { "overlap": "0s" },
        });
        scene.daemon.adopt("app", &body).await?;
        scene.daemon.settle(SETTLING).await?;
        scene.daemon.put_secret("note", json!({ "password": canary() })).await?;
        scene.daemon.rotate(&["app"]).await?;
        scene.daemon.settle(SETTLING).await?;
        proxy.set_once(Mode::DropResponse { after: b"ALTER ROLE".to_vec(), let_through: 0 }).await?;
        scene.daemon.rotate(&["app"]).await?;
        scene.daemon.settle(SETTLING).await?;
        for command in [&["status"][..], &["events"], &["secret", "show", "app"], &["doctor"]] {
            let output = scene.daemon.cli(command, None).await?;
            let printed = format!("{output}");
            ensure!(!canaries().iter().any(|value| hits(printed.as_bytes(), value)), "{command:?} tells a value");
        }
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_value_stands_in_clear_where_it_is_not_meant_to_be() -> Result<()> {
        let proof = Proof::begin("60", "places without a value in clear");
        let (mut scene, proxy) = Scene::behind_proxy(&format!("{QUIET}[log]\nlevel = \"trace\"\n")).await?;
        flow(&scene, &proxy).await?;
        let mut values = canaries();
        for number in 1..=3 {
            let value = scene.daemon.value_of("app", &number.to_string()).await?;
            values.push(value["password"].as_str().context("a password")?.to_owned());
        }
        let pid = scene.daemon.pid()?;
        let limits = fs::read_to_string(format!("/proc/{pid}/limits"))?;
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).context("a limit")?;
        ensure!(core.split_whitespace().filter(|word| *word == "0").count() == 2, "a core may be written: {core}");
        let shown = shown_by_the_kernel(pid)?;
        let folder = scene.daemon.folder().display().to_string();
        let server = |name: &str| scene.server.socket_folder().join(name).display().to_string();
        let (log, cluster) = (server("log"), server("data"));
        let metrics = scene.daemon.get("/metrics").await?.text();
        for value in &values {
            for (place, text) in [("/proc", shown.as_slice()), ("/metrics", metrics.as_bytes())] {
                ensure!(!hits(text, value), "{place} shows a value");
            }
        }
        let scanned = scene.judge_with(&["--scan", &folder, "--scan", &log, "--scan", &cluster]).await?;
        scanned.prove_sound()?;
        scene.daemon.terminate().await?;
        let places = 2 + scanned.count("scanned_files");
        proof.end(places, 100)
    }
}
