//! The process harness is tried on a stand-in, so that it can be trusted when the daemon misbehaves.

use serde_json::json;

use super::*;

async fn stand_in(extra: &str) -> Result<Daemon> {
    static SCRIPT: &str = include_str!("stand_in.py");
    let mut daemon = Daemon::with_program(Vec::new(), extra)?;
    let script = daemon.folder().join("stand_in.py");
    fs::write(&script, SCRIPT)?;
    daemon.program = vec![python(), script.display().to_string()];
    daemon.init().await?;
    Ok(daemon)
}

#[tokio::test]
async fn a_daemon_that_is_ready_answers_and_ends_when_asked_to() -> Result<()> {
    let mut daemon = stand_in("").await?;
    daemon.set_env("STAND_IN", "one");
    daemon.serve().await?;
    assert_eq!(daemon.get("/nothing").await?.status, 404);
    let posted = daemon.send("POST", "/echo", &json!({"a": 1})).await?;
    assert_eq!((posted.status, posted.json()?), (201, json!({"a": 1})));
    assert!(daemon.usage()?.rss > 0);
    assert_eq!(daemon.terminate().await?.code(), Some(0));
    assert_eq!(daemon.stdout(), "ready one\n");
    assert!(!daemon.is_running() && daemon.pid().is_err());
    Ok(())
}

#[tokio::test]
async fn a_killed_daemon_starts_again_on_the_same_data() -> Result<()> {
    let mut daemon = stand_in("").await?;
    daemon.serve().await?;
    let first = daemon.pid()?;
    fs::write(daemon.data().join("kept"), "")?;
    daemon.restart().await?;
    assert_ne!(daemon.pid()?, first);
    assert!(daemon.data().join("kept").exists());
    daemon.kill9().await
}

#[tokio::test]
async fn a_suspended_daemon_stands_still_until_it_is_resumed() -> Result<()> {
    let mut daemon = stand_in("").await?;
    daemon.serve().await?;
    daemon.suspend().await?;
    let unanswered = tokio::time::timeout(Duration::from_millis(200), daemon.get("/healthz")).await;
    assert!(unanswered.is_err());
    daemon.resume()?;
    assert_eq!(daemon.get("/healthz").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_daemon_that_ends_at_its_start_is_an_error_with_its_words() -> Result<()> {
    let mut daemon = stand_in("broken = true\n").await?;
    let error = daemon.serve().await.expect_err("it ended");
    assert!(error.to_string().contains("the configuration is broken"), "{error:#}");
    Ok(())
}

#[tokio::test]
async fn a_command_gets_its_input_and_gives_output_and_code() -> Result<()> {
    let daemon = stand_in("").await?;
    let output = daemon.cli(&["echo"], Some(b"a value")).await?;
    assert_eq!((output.code(), output.stdout.as_str()), (5, "a value"));
    assert!(daemon.cli_ok(&["echo"], None).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_dropped_daemon_leaves_no_process() -> Result<()> {
    let mut daemon = stand_in("").await?;
    daemon.serve().await?;
    let pid = daemon.pid()?;
    drop(daemon);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    Ok(())
}
