//! What the API refuses, judged by bytes.

use anyhow::{Result, ensure};

use crate::support::{
    daemon::Daemon,
    http::{Request, ask_socket},
};

/// Spellings of what must not be a segment of a path.
fn spellings() -> Vec<String> {
    let dot = [".", "%2e", "%2E", "%252e", "%25%32%65"];
    let slash = ["/", "//", "%2f", "%2F", "%252f", "\\", "%5c", "%5C"];
    let mut all: Vec<String> = ["", "%00", "%0a", "%7f", "%ff", "%c0%ae", "%", "%2", "%zz"].map(str::to_owned).to_vec();
    for first in dot {
        for second in dot {
            let dots = format!("{first}{second}");
            all.extend(slash.iter().map(|slash| format!("{dots}{slash}x")));
            all.push(format!("x%2F{dots}"));
        }
    }
    all
}

#[tokio::test]
async fn two_hundred_spellings_of_a_path_are_refused_before_routing() -> Result<()> {
    let daemon = Daemon::start("").await?;
    let spellings = spellings();
    ensure!(spellings.len() > 200, "{}", spellings.len());
    for spelling in spellings {
        let path = format!("/api/v1/secrets/{spelling}/y");
        let answer = daemon.get(&path).await?;
        ensure!(answer.status == 400, "{path}: {} {}", answer.status, answer.text());
        ensure!(answer.header("cache-control") == Some("no-store"), "{path}");
    }
    ensure!(daemon.get("/healthz").await?.status == 200);
    Ok(())
}

#[tokio::test]
async fn a_body_that_is_refused_is_repeated_nowhere() -> Result<()> {
    let daemon = Daemon::start("[log]\nlevel = \"trace\"\n").await?;
    let json = &[("content-type", "application/json")];
    for body in [
        r#"{"roots":"canary-7"}"#,
        r#"{"canary-7":1}"#,
        r#"{"roots":{"a":["canary-7"]}}"#,
        r#"{"roots":true,"roots":"canary-7"}"#,
        "\"canary-7\"",
        "canary-7",
        "{\"roots\": canary-7",
    ] {
        let request =
            Request { method: "POST", path: "/api/v1/keys/rotate", headers: json, body: Some(body.as_bytes()) };
        let answer = ask_socket(&daemon.socket(), &request).await?;
        ensure!(answer.status == 400, "{body}: {}", answer.text());
        ensure!(answer.header("content-type") == Some("application/problem+json"));
        ensure!(!answer.text().contains("canary"), "{}", answer.text());
    }
    ensure!(!daemon.stderr().contains("canary") && !daemon.stdout().contains("canary"));
    Ok(())
}

#[tokio::test]
async fn costly_json_is_refused_and_takes_no_memory() -> Result<()> {
    let daemon = Daemon::start("").await?;
    let before = daemon.usage()?;
    let keys: Vec<String> = (0..120_000).map(|n| format!("\"k{n}\":1")).collect();
    let json = &[("content-type", "application/json")];
    for body in [
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("{{{}}}", keys.join(",")),
        format!("[{}1]", "1,".repeat(1_000_000)),
        "{\"a\":1,\"a\":2}".to_owned(),
    ] {
        for _ in 0..5 {
            let bytes = Some(body.as_bytes());
            let request = Request { method: "POST", path: "/api/v1/keys/rotate", headers: json, body: bytes };
            let answer = ask_socket(&daemon.socket(), &request).await?;
            ensure!(answer.status == 400, "{}", answer.text());
        }
    }
    let growth = daemon.usage()?.rss.saturating_sub(before.rss);
    ensure!(growth < 16 << 20, "it grew by {growth} bytes");
    Ok(())
}

#[tokio::test]
async fn a_key_gives_the_same_answer_again_and_no_other_request_one() -> Result<()> {
    let daemon = Daemon::start("").await?;
    let headers = &[("content-type", "application/json"), ("idempotency-key", "k-1")];
    let ask = async |body: &str| {
        let request = Request { method: "POST", path: "/api/v1/keys/rotate", headers, body: Some(body.as_bytes()) };
        ask_socket(&daemon.socket(), &request).await
    };
    let first = ask(r#"{"roots":false}"#).await?;
    let again = ask(r#"{"roots":false}"#).await?;
    ensure!(first.status == 200 && again.body == first.body, "{} {}", first.text(), again.text());
    let other = ask(r#"{"roots":true}"#).await?;
    ensure!(other.status == 409 && other.text().contains("idempotency-key-reused"), "{}", other.text());
    Ok(())
}
