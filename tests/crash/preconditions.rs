//! Proof 24: what cannot go well is found before the target is touched.
#![allow(clippy::needless_pass_by_value, reason = "cases read as a table")]

mod proofs {
    use anyhow::{Result, ensure};
    use serde_json::{Value, json};

    use crate::support::daemon::api::segment;
    use crate::support::postgres::ADMIN_PASSWORD;
    use crate::support::proof::Proof;
    use crate::support::scene::{ACKNOWLEDGED, FIRST, QUIET, Scene};

    /// Method, path and body of a request, and the code that it must be refused with.
    type Case = (&'static str, String, Value, &'static str);

    fn adopt(name: &str, target: &str, settings: Value, password: &str, acknowledge: &[&str]) -> (String, Value) {
        let role = settings["role"].as_str().or(settings["roles"][0].as_str()).unwrap_or("x").to_owned();
        let value = json!({ "username": role, "password": password });
        let body = json!({ "target": target, "settings": settings, "value": value, "acknowledge": acknowledge });
        (format!("/secrets/{}/adopt", segment(name)), body)
    }

    fn adoptions() -> Vec<Case> {
        let single = |role: &str| json!({ "strategy": "single", "role": role });
        let turns = |second: &str| json!({ "strategy": "alternate", "roles": ["app_a", second], "owner": "own" });
        let with = |key: &str, value: Value| {
            let mut settings = single("app");
            settings[key] = value;
            settings
        };
        let refused = [
            (adopt("a", "pg", single("app"), "wrong", ACKNOWLEDGED), "value-refused"),
            (adopt("a", "pg", single("nobody"), FIRST, ACKNOWLEDGED), "value-refused"),
            (adopt("a", "nowhere", single("app"), FIRST, ACKNOWLEDGED), "not-found"),
            (adopt("a", "pg", single("app"), FIRST, &[]), "acknowledgement-needed"),
            (adopt("a", "pg", single("app"), FIRST, &["no-delivery"]), "acknowledgement-needed"),
            (adopt("a", "weak", single("app"), FIRST, ACKNOWLEDGED), "preflight-blocked"),
            (adopt("a", "gone", single("app"), FIRST, ACKNOWLEDGED), "target-unreachable"),
            (adopt("a", "pg", json!({ "strategy": "single" }), FIRST, ACKNOWLEDGED), ""),
            (adopt("a", "pg", json!({ "strategy": "thrice", "role": "app" }), FIRST, ACKNOWLEDGED), ""),
            (adopt("a", "pg", with("password", json!({ "length": 2 })), FIRST, ACKNOWLEDGED), ""),
            (adopt("a", "pg", with("password_form", json!("clear")), FIRST, ACKNOWLEDGED), ""),
            (adopt("a", "pg", with("valid_until", json!("tomorrow")), FIRST, ACKNOWLEDGED), ""),
            (adopt("a", "pg", with("valid_until", json!("next-due+1d")), FIRST, ACKNOWLEDGED), ""),
            (adopt("a", "pg", with("surprise", json!(1)), FIRST, ACKNOWLEDGED), ""),
            (adopt("a", "pg", turns("app_c"), FIRST, ACKNOWLEDGED), "preflight-blocked"),
            (adopt("a", "pg", turns("app_a"), FIRST, ACKNOWLEDGED), ""),
            (adopt("a//b", "pg", single("app"), FIRST, ACKNOWLEDGED), "path-refused"),
            (adopt("kept", "other", single("kept"), FIRST, ACKNOWLEDGED), "other-target"),
            (adopt("kept", "pg", single("kept"), "wrong", ACKNOWLEDGED), "value-refused"),
        ];
        refused.into_iter().map(|((path, body), code)| ("POST", path, body, code)).collect()
    }

    fn others() -> Vec<Case> {
        let rotate = |name: &str| json!({ "names": [name] });
        vec![
            ("POST", "/rotate".to_owned(), rotate("pg/admin"), "secret-unmanaged"),
            ("POST", "/rotate".to_owned(), rotate("nothing"), "not-found"),
            ("POST", "/rotate".to_owned(), json!({ "names": [] }), "nothing-named"),
            ("PUT", "/secrets/kept/value".to_owned(), json!({ "value": { "password": "x" } }), "secret-managed"),
            ("PUT", "/targets/pg".to_owned(), json!({ "rotator": "none" }), "unknown-rotator"),
            ("PUT", "/targets/pg".to_owned(), json!({ "rotator": "postgres", "settings": { "host": "" } }), ""),
            ("DELETE", "/targets/pg".to_owned(), json!({}), "target-in-use"),
            ("PUT", "/secrets/kept/schedule".to_owned(), json!({ "schedule": { "cron": "61 * * * *" } }), ""),
        ]
    }

    /// Statements of the log that change a role.
    fn changes(scene: &Scene) -> usize {
        let log = scene.server.log();
        let is_change = |line: &&str| {
            ["ALTER ROLE", "CREATE ROLE", "DROP ROLE", "GRANT "]
                .iter()
                .any(|w| line.contains(&format!("statement: {w}")))
        };
        log.lines().filter(is_change).count()
    }

    async fn scene() -> Result<Scene> {
        let scene = Scene::start(QUIET).await?;
        scene.server.sql(&format!(
            "CREATE ROLE weak LOGIN PASSWORD '{FIRST}'; CREATE ROLE app LOGIN PASSWORD '{FIRST}'; CREATE ROLE own; \
             CREATE ROLE app_a LOGIN PASSWORD '{FIRST}' IN ROLE own; CREATE ROLE app_c LOGIN PASSWORD '{FIRST}'"
        ));
        scene.adopt_single("kept").await?;
        scene.daemon.put_secret("weak/admin", json!({ "username": "weak", "password": FIRST })).await?;
        let here = json!({ "host": "127.0.0.1", "port": scene.server.port() });
        scene.daemon.put_target("weak", here.clone(), "weak/admin").await?;
        scene.daemon.put_target("other", here, "pg/admin").await?;
        scene.daemon.put_secret("gone/admin", json!({ "username": "postgres", "password": ADMIN_PASSWORD })).await?;
        let port = crate::support::wait::free_port()?;
        scene.daemon.put_target("gone", json!({ "host": "127.0.0.1", "port": port }), "gone/admin").await?;
        Ok(scene)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_go_well_is_refused_before_the_target_is_touched() -> Result<()> {
        let proof = Proof::begin("24", "requests refused with nothing written at the target");
        let scene = scene().await?;
        let (before, mut refused) = (changes(&scene), 0);
        let cases: Vec<Case> = adoptions().into_iter().chain(others()).collect();
        for (method, path, body, code) in &cases {
            let answer = scene.daemon.send(method, &format!("/api/v1{path}"), body).await?;
            ensure!((400..600).contains(&answer.status), "{method} {path} {body}: {}", answer.text());
            let problem = answer.json()?;
            for field in ["code", "detail", "hint"] {
                ensure!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "no `{field}`: {problem}");
            }
            ensure!(code.is_empty() || problem["code"] == *code, "{path} {body}: not {code}: {problem}");
            ensure!(changes(&scene) == before, "{method} {path} {body} wrote at the target");
            refused += 1;
        }
        ensure!(scene.served_logs_in("kept").await?);
        proof.end(refused, 27)
    }
}
