//! What is refused about expiry and notices: each with a code and a hint, and nothing is changed by it.

use anyhow::{Context, Result, ensure};

use super::notices::TELLS;
use crate::support::daemon::Daemon;

/// A line of words; the exit code; the code; a part of the hint.
const REFUSED: &[(&str, i32, &str, &str)] = &[
    ("channel put a --kind emial", 2, "channel-kind-unknown", "did you mean `email`?"),
    (
        "channel put a --kind webhook --set ulr=https://a.example.org",
        2,
        "channel-settings-invalid",
        "did you mean `url`?",
    ),
    ("channel put a --kind webhook --set url=nowhere", 2, "channel-setting-invalid", "https://"),
    ("channel put a --kind webhook --set url=http://192.0.2.1/x", 2, "channel-setting-invalid", "https"),
    ("channel put a --kind email --set host=h --set from=a@b.org --set to=[\"x\"]", 2, "channel-setting-invalid", ""),
    ("channel put a --kind webhook --set url=https://a.example.org --heartbeat soon", 2, "duration-form", "90d"),
    ("channel put a//b --kind webhook --set url=https://a.example.org", 2, "path-refused", ""),
    ("channel test nowhere", 3, "not-found", ""),
    ("channel delete nowhere", 3, "not-found", ""),
    ("route put r --to nowhere", 2, "unknown-channel", "keywheel channel list"),
    ("route put r --to hook --severity loud", 2, "severity-invalid", "warning"),
    ("route put r --to hook --escalate-after 1h", 2, "escalation-incomplete", "--escalate-to"),
    ("route put r --to hook --escalate-to nowhere --escalate-after 1h", 2, "unknown-channel", ""),
    ("route put r --to hook --quiet late", 2, "window-invalid", ""),
    ("route put r --to hook --quiet 22:00-07:00 --timezone Mars/Base", 2, "zone-unknown", "Europe/Berlin"),
    ("route put r --to hook --tag env=", 2, "usage", "key=value"),
    ("route delete nowhere", 3, "not-found", ""),
    ("silence add --for 1h", 2, "reason-missing", "--reason"),
    ("silence add --until 2001-01-01 --reason x", 2, "silence-over", "yet to come"),
    ("silence add --until soon --reason x", 2, "time-invalid", "2027-01-31"),
    ("silence end nowhere", 3, "not-found", ""),
    ("notice show ntc_x", 2, "id-invalid", "keywheel notices"),
    ("notice ack ntc_01arz3ndektsv4rrffq69g5fav", 3, "not-found", ""),
    ("notice resend ntc_01arz3ndektsv4rrffq69g5fav", 3, "not-found", ""),
    ("track add new --owner web", 2, "expiry-missing", "--expires"),
    ("track add new --expires 2001-01-01", 2, "expiry-past", "yet to come"),
    ("track add new --expires someday", 2, "time-invalid", "2027-01-31"),
    ("track add new --expires 2099-01-01 --rungs 7d,30d", 2, "ladder-not-decreasing", "longest to the shortest"),
    ("track add new --expires 2099-01-01 --ladder steep", 2, "ladder-mode", "scaled"),
    ("track add domain --expires 2099-01-01", 1, "already-tracked", "keywheel track set"),
    ("track set new --expires 2099-01-01", 3, "not-found", ""),
    ("track set kept --expires 2099-01-01", 1, "not-tracked", "keywheel secret edit"),
    ("expiring --within soon", 2, "duration-form", "90d"),
    ("secret override kept --for 2h --reason x", 2, "not-expiring", ""),
    ("secret override domain --for 2h", 2, "reason-missing", "--reason"),
    ("secret override domain --for 30d --reason x", 2, "override-too-long", ""),
    ("secret override nowhere --for 2h --reason x", 3, "not-found", ""),
    ("token create --read a*", 2, "pattern-invalid", "billing/*"),
    ("token create --read a/+/b", 2, "pattern-invalid", "billing/*"),
    ("token create --read a --ttl 401d", 2, "ttl-too-long", "400d"),
    ("token create --read a --ttl soon", 2, "duration-form", "90d"),
    ("token show nowhere", 2, "id-invalid", "keywheel token list"),
    ("token revoke tok_01arz3ndektsv4rrffq69g5fav", 3, "not-found", "keywheel token list"),
    ("secret edit kept --on-expiry explode", 2, "on-expiry-unknown", "deactivate"),
];

async fn newest_event(daemon: &Daemon) -> Result<String> {
    let page = daemon.ask("GET", "/events?newest=true&limit=1", None).await?;
    page["items"][0]["id"].as_str().map(str::to_owned).context("an event")
}

#[tokio::test]
async fn each_wrong_input_has_a_code_and_a_hint_and_changes_nothing() -> Result<()> {
    let daemon = Daemon::start(TELLS).await?;
    let hook = ["channel", "put", "hook", "--kind", "webhook", "--set", "url=https://hooks.example.org/x"];
    daemon.cli_ok(&hook, None).await?;
    daemon.cli_ok(&["track", "add", "domain", "--expires", "2099-01-01"], None).await?;
    daemon.cli_ok(&["secret", "put", "kept"], Some(b"value")).await?;
    let before = newest_event(&daemon).await?;
    let mut wrong = Vec::new();
    for (line, exit, code, hint) in REFUSED {
        let words: Vec<&str> = line.split_whitespace().collect();
        let told = daemon.cli(&words, None).await?;
        let help = told.stderr.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap_or_default();
        let is_told = told.code() == *exit && told.stderr.contains(&format!("[{code}]"));
        if !is_told || help.is_empty() || !help.contains(hint) {
            wrong.push(format!("`{line}`: {told}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(newest_event(&daemon).await? == before, "something was changed");
    Ok(())
}

#[tokio::test]
async fn a_configuration_of_notices_that_cannot_work_is_refused() -> Result<()> {
    for (extra, key) in [
        ("public_url = \"keys.example.org\"\n", "daemon.public_url"),
        ("public_url = \"https://keys.example.org/?token=x\"\n", "daemon.public_url"),
        ("[notify]\nallow = [\"10.0.0.1/8\"]\n", "notify.allow"),
        ("[notify]\nmay_allow = [\"everything\"]\n", "notify.may_allow"),
    ] {
        let daemon = Daemon::new(extra)?;
        let told = daemon.cli(&["config", "check"], None).await?;
        ensure!(told.code() == 2 && told.stderr.contains(key) && told.stderr.contains("hint: "), "{extra}: {told}");
    }
    let daemon = Daemon::new(TELLS)?;
    let told = daemon.cli_ok(&["config", "check"], None).await?;
    ensure!(told.stdout.contains("notify.allow") && told.stdout.contains("https://keys.example.org"), "{told}");
    Ok(())
}
