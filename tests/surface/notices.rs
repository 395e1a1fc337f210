//! Being told in time, by the commands: channels, routes, silences, what is tracked, and what is told of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::receiver::Receiver;
use crate::support::{
    daemon::{Daemon, PATIENCE, command::Output},
    wait::eventually,
};

/// Links in notices, and receivers on this host.
pub(super) const TELLS: &str = "public_url = \"https://keys.example.org\"\n[notify]\nallow = [\"127.0.0.0/8\"]\n";

async fn json(daemon: &Daemon, arguments: &[&str]) -> Result<Value> {
    let all: Vec<&str> = arguments.iter().copied().chain(["--output", "json"]).collect();
    daemon.cli(&all, None).await?.json()
}

/// A daemon with the channel `hook` to a receiver, and a route that tells it everything.
async fn told() -> Result<(Daemon, Receiver)> {
    let (daemon, receiver) = (Daemon::start(TELLS).await?, Receiver::start().await?);
    daemon.cli_ok(&["channel", "put", "hook", "--kind", "webhook", "--set", &receiver.url()], None).await?;
    daemon.cli_ok(&["route", "put", "all", "--to", "hook"], None).await?;
    Ok((daemon, receiver))
}

fn soon(seconds: i64) -> String {
    (Utc::now() + TimeDelta::seconds(seconds)).to_rfc3339()
}

fn says(output: &Output, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(output.stdout.contains(word), "`{word}` is missing: {output}");
    }
    Ok(())
}

#[tokio::test]
async fn a_channel_is_put_tested_listed_and_deleted() -> Result<()> {
    let (daemon, receiver) = (Daemon::start(TELLS).await?, Receiver::start().await?);
    let put = ["channel", "put", "hook", "--kind", "webhook", "--set", &receiver.url(), "--heartbeat", "1h"];
    says(&daemon.cli_ok(&put, None).await?, &["channel hook is set", "note: ", "signing_secret"])?;
    says(&daemon.cli_ok(&["channel", "list"], None).await?, &["NAME", "hook", "webhook"])?;
    says(&daemon.cli_ok(&["channel", "show", "hook"], None).await?, &["heartbeat     every 1h", "127.0.0.1"])?;
    says(&daemon.cli_ok(&["channel", "test", "hook"], None).await?, &["hook delivered", "200"])?;
    let came = receiver.wait_for("channel.test").await?;
    ensure!(came.body["id"] == came.id, "{came:?}");
    ensure!(json(&daemon, &["channel", "test", "hook"]).await?["is_delivered"] == true);
    receiver.answer(500);
    let failed = daemon.cli(&["channel", "test", "hook"], None).await?;
    ensure!(failed.code() == 1 && failed.stderr.contains("[http-500]") && failed.stderr.contains("hint: "), "{failed}");
    let failed = daemon.cli(&["channel", "test", "hook", "--output", "json"], None).await?;
    ensure!(failed.code() == 1 && failed.json()?["code"] == "http-500", "{failed}");
    let listed = json(&daemon, &["channel", "list"]).await?;
    ensure!(listed[0]["name"] == "hook" && listed[0]["failures"] == 0, "a test counts for nothing: {listed}");
    daemon.cli_ok(&["channel", "delete", "hook", "--reason", "over"], None).await?;
    ensure!(daemon.cli(&["channel", "show", "hook"], None).await?.code() == 3);
    Ok(())
}

#[tokio::test]
async fn routes_and_silences_are_put_listed_and_ended() -> Result<()> {
    let (daemon, _receiver) = told().await?;
    let put = "route put web --to hook --kind expiry.* --kind rotation.failed --severity warning --owner web-team --tag \
               env=prod --name-prefix web/ --digest-from 5 --quiet 22:00-07:00 --timezone Europe/Berlin \
               --escalate-after 1h --escalate-to hook";
    daemon.cli_ok(&put.split_whitespace().collect::<Vec<_>>(), None).await?;
    let words =
        ["web", "22:00-07:00 Europe/Berlin", "after 1h to hook", "kind expiry.* or rotation.failed", "env=prod"];
    says(&daemon.cli_ok(&["route", "list"], None).await?, &words)?;
    let listed = json(&daemon, &["route", "list"]).await?;
    ensure!(listed[1]["digest_from"] == 5 && listed[1]["match"]["names"] == json!(["web/"]), "{listed}");
    daemon.cli_ok(&["route", "delete", "web"], None).await?;
    ensure!(json(&daemon, &["route", "list"]).await?.as_array().map(Vec::len) == Some(1));
    let add = ["silence", "add", "--for", "2h", "--name-prefix", "billing/", "--reason", "moving house"];
    says(&daemon.cli_ok(&add, None).await?, &["silence ", "name begins billing/"])?;
    says(&daemon.cli_ok(&["silence", "list"], None).await?, &["moving house", "name begins billing/"])?;
    let listed = json(&daemon, &["silence", "list"]).await?;
    let id = listed[0]["id"].as_str().context("an id")?;
    daemon.cli_ok(&["silence", "end", id], None).await?;
    ensure!(json(&daemon, &["silence", "list"]).await? == json!([]));
    Ok(())
}

#[tokio::test]
async fn an_expiry_a_few_seconds_ahead_is_told_and_resolved_by_a_later_date() -> Result<()> {
    let (daemon, receiver) = told().await?;
    let name = "domain example.org";
    let at = soon(8);
    let added = daemon.cli_ok(&["track", "add", name, "--expires", &at, "--owner", "web-team"], None).await?;
    says(&added, &["domain example.org is tracked"])?;
    let warned = receiver.wait_for("expiry.warning").await?;
    ensure!(warned.body.to_string().contains("web-team") && warned.body["id"] == warned.id, "{warned:?}");
    ensure!(warned.body.to_string().contains("https://keys.example.org/"), "no link: {warned:?}");
    receiver.wait_for("expiry.expired").await?;
    let listed = daemon.cli(&["expiring", "--within", "60d", "--owner", "web-team"], None).await?;
    ensure!(listed.code() == 5, "{listed}");
    says(&listed, &["domain example.org", "over", "web-team", "expired"])?;
    ensure!(json(&daemon, &["expiring", "--owner", "nobody"]).await? == json!([]));
    let calendar = daemon.cli_ok(&["expiring", "--ics"], None).await?;
    says(&calendar, &["BEGIN:VCALENDAR", "SUMMARY:domain example.org expires", "END:VCALENDAR"])?;
    let served = daemon.get("/api/v1/expiring.ics").await?;
    ensure!(served.header("content-type").is_some_and(|kind| kind.starts_with("text/calendar")), "{served:?}");
    says(&daemon.cli(&["track", "list"], None).await?, &["domain example.org", "tracked"])?;
    daemon.cli_ok(&["track", "set", name, "--expires", "2099-03-01", "--rungs", "60d,30d"], None).await?;
    receiver.wait_for("expiry.resolved").await?;
    let shown = daemon.cli_ok(&["secret", "show", name], None).await?;
    says(&shown, &["expires       2099-03-02 00:00:00Z", "  warned      60d, 30d"])?;
    ensure!(daemon.cli(&["expiring"], None).await?.code() == 0);
    Ok(())
}

#[tokio::test]
async fn a_notice_is_listed_shown_acknowledged_and_sent_again() -> Result<()> {
    let (daemon, receiver) = told().await?;
    receiver.answer(400);
    daemon.cli_ok(&["track", "add", "licence", "--expires", &soon(4)], None).await?;
    receiver.wait_for("expiry.expired").await?;
    let failed = async || json(&daemon, &["notices", "--failed"]).await.ok().filter(|found| !found[0].is_null());
    let found = eventually(PATIENCE, "a dead letter", failed).await?;
    let id = found[0]["id"].as_str().context("an id")?.to_owned();
    let listed = daemon.cli(&["notices", "--failed", "-n", "5"], None).await?;
    ensure!(listed.code() == 5, "{listed}");
    says(&listed, &[&id, "hook: dead", "SUMMARY"])?;
    let shown = daemon.cli(&["notice", "show", &id], None).await?;
    ensure!(shown.code() == 5, "{shown}");
    says(&shown, &["http-400", "CHANNEL", "asked", "track set licence"])?;
    let status = daemon.cli(&["status"], None).await?;
    ensure!(status.code() == 5 && !status.stdout.contains("dead letters  0"), "{status}");
    receiver.answer(200);
    for dead in found.as_array().context("a list")? {
        let id = dead["id"].as_str().context("an id")?;
        daemon.cli_ok(&["notice", "resend", id], None).await?;
        receiver_got_again(&receiver, id).await?;
    }
    let none = async || (json(&daemon, &["notices", "--failed"]).await.ok()? == json!([])).then_some(());
    eventually(PATIENCE, "no dead letter", none).await?;
    says(&daemon.cli_ok(&["notice", "ack", &id, "--reason", "renewed"], None).await?, &["renewed"])?;
    let again = daemon.cli(&["notice", "ack", &id], None).await?;
    ensure!(again.code() == 1 && again.stderr.contains("[already-acknowledged]"), "{again}");
    ensure!(daemon.cli(&["notices"], None).await?.code() == 0);
    Ok(())
}

/// The same id came at least two times.
async fn receiver_got_again(receiver: &Receiver, id: &str) -> Result<()> {
    let again = async || (receiver.came().iter().filter(|came| came.id == id).count() > 1).then_some(());
    eventually(PATIENCE, "the same message again", again).await
}

#[tokio::test]
async fn a_deactivated_value_is_read_again_by_an_override() -> Result<()> {
    let daemon = Daemon::start("").await?;
    let put = ["secret", "put", "api/key", "--expires", &soon(2)];
    daemon.cli_ok(&put, Some(b"value")).await?;
    let refused = async || daemon.cli(&["secret", "get", "api/key"], None).await.ok().filter(|read| read.code() != 0);
    let refused = eventually(PATIENCE, "a read that is refused", refused).await?;
    ensure!(refused.stderr.contains("hint: ") && refused.stderr.contains("override"), "{refused}");
    let lift = ["secret", "override", "api/key", "--for", "2h", "--reason", "the vendor is late"];
    says(&daemon.cli_ok(&lift, None).await?, &["api/key can be read until"])?;
    daemon.cli_ok(&["secret", "get", "api/key"], None).await?;
    let shown = daemon.cli(&["secret", "show", "api/key"], None).await?;
    says(&shown, &["  lifted      until", "the vendor is late"])?;
    ensure!(json(&daemon, &["expiring"]).await?[0]["standing"] == "overridden");
    Ok(())
}

#[tokio::test]
async fn files_declare_channels_routes_and_what_is_tracked() -> Result<()> {
    let daemon = Daemon::start(TELLS).await?;
    let file = daemon.folder().join("told.toml");
    let text = "[[channel]]\nname = \"log\"\nkind = \"webhook\"\nsettings = { url = \"http://127.0.0.1:9/x\" }\n\
                [[route]]\nname = \"all\"\nchannels = [\"log\"]\nmatch = { severity = \"warning\" }\n\
                [[tracked]]\nname = \"domain\"\nexpires_at = \"2099-01-01\"\nowner = \"web\"\n";
    std::fs::write(&file, text)?;
    let file = file.display().to_string();
    let plan = daemon.cli_ok(&["apply", "--dry-run", &file], None).await?;
    says(&plan, &["channel", "route", "tracked", "create", "planned"])?;
    ensure!(json(&daemon, &["channel", "list"]).await? == json!([]));
    daemon.cli_ok(&["apply", &file], None).await?;
    let actions = async || {
        let steps = json(&daemon, &["apply", "--dry-run", &file]).await?;
        let actions: Vec<String> =
            steps["steps"].as_array().into_iter().flatten().map(|step| step["action"].to_string()).collect();
        Ok::<_, anyhow::Error>(actions.join(" "))
    };
    ensure!(actions().await? == "\"keep\" \"keep\" \"keep\"", "{}", actions().await?);
    std::fs::write(&file, text.replace("2099-01-01", "2099-06-01").replace("warning", "error"))?;
    ensure!(actions().await? == "\"keep\" \"change\" \"change\"", "{}", actions().await?);
    daemon.cli_ok(&["apply", &file], None).await?;
    ensure!(json(&daemon, &["expiring"]).await?[0]["expires_at"] == "2099-06-02T00:00:00Z");
    std::fs::write(&file, text.replace("channels = [\"log\"]", "channels = [\"lgo\"]"))?;
    let refused = daemon.cli(&["apply", "--dry-run", &file], None).await?;
    ensure!(refused.code() == 2 && refused.stderr.contains("[unknown-channel]"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn the_doctor_opens_each_channel_and_sends_nothing() -> Result<()> {
    let (daemon, receiver) = told().await?;
    let mail = ["--kind", "webhook", "--set", "url_secret=not/there"];
    daemon.cli_ok(&[&["channel", "put", "broken"], &mail[..]].concat(), None).await?;
    let found = daemon.cli(&["doctor"], None).await?;
    ensure!(found.code() == 1, "{found}");
    says(
        &found,
        &["well       channel hook", "broken     channel broken", "not/there", "keywheel secret put not/there"],
    )?;
    ensure!(receiver.came().is_empty());
    Ok(())
}

#[tokio::test]
async fn the_clock_is_confirmed_and_metrics_tell_of_sends() -> Result<()> {
    let (daemon, _receiver) = told().await?;
    let confirm = ["clock", "confirm", "--reason", "it was asleep"];
    says(&daemon.cli_ok(&confirm, None).await?, &["the clock is believed", "nothing was held"])?;
    says(&daemon.cli_ok(&["events"], None).await?, &["daemon.clock_confirmed", "it was asleep"])?;
    let metrics = daemon.get("/metrics").await?.text();
    for line in ["keywheel_oldest_send 0", "keywheel_dead_letters 0", "keywheel_sends_total 0"] {
        ensure!(metrics.contains(line), "`{line}` is missing: {metrics}");
    }
    Ok(())
}

#[tokio::test]
async fn a_key_makes_one_silence_of_two_requests() -> Result<()> {
    use crate::support::http::{Request, ask_socket};
    let daemon = Daemon::start("").await?;
    let body = json!({ "until": soon(3_600), "reason": "asleep" }).to_string();
    let headers = &[("content-type", "application/json"), ("idempotency-key", "once")];
    let request = Request { method: "POST", path: "/api/v1/silences", headers, body: Some(body.as_bytes()) };
    let first = ask_socket(&daemon.socket(), &request).await?;
    let again = ask_socket(&daemon.socket(), &request).await?;
    ensure!(first.status == 201 && again.status == 201 && first.body == again.body, "{}", again.text());
    ensure!(json(&daemon, &["silence", "list"]).await?.as_array().map(Vec::len) == Some(1));
    let described = daemon.get("/api/v1/openapi.json").await?.json()?;
    let paths = "channels channels/{channel} channels/{channel}/test routes routes/{route} silences silences/{silence} \
                 notices notices/{notice} notices/{notice}/ack notices/{notice}/resend expiring expiring.ics \
                 tracked/{name} secrets/{secret}/override clock/confirm";
    for path in paths.split_whitespace() {
        ensure!(described["paths"][format!("/api/v1/{path}")].is_object(), "`{path}` is not described");
    }
    Ok(())
}

/// How long nothing may come.
const QUIET: Duration = Duration::from_secs(4);

#[tokio::test]
async fn what_is_silenced_reaches_nobody_and_is_listed_as_muted() -> Result<()> {
    let (daemon, receiver) = told().await?;
    let add = ["silence", "add", "--for", "1h", "--name-prefix", "lic", "--reason", "known"];
    daemon.cli_ok(&add, None).await?;
    daemon.cli_ok(&["track", "add", "licence", "--expires", &soon(2)], None).await?;
    let muted = async || {
        let found = json(&daemon, &["notices"]).await.ok()?;
        found.as_array()?.iter().any(|notice| notice["kind"] == "expiry.expired").then_some(found)
    };
    let found = eventually(PATIENCE, "a muted notice", muted).await?;
    ensure!(found[0]["muted"] != "" && found[0]["sends"] == json!([]), "{found}");
    crate::support::wait::never(QUIET, "a message", async || receiver.came().first().cloned()).await
}
