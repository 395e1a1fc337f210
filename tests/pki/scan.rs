//! Certificates that live elsewhere: found, tracked, renewed, missed; and what endpoints present instead of them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::files::{Files, KEY_MARKER, events, openssl, scan, told};
use super::world::{NAME, World};
use crate::support::daemon::Daemon;
use crate::support::scene::{QUIET, start_server};
use crate::support::shared::SharedStore;
use crate::support::wait::eventually;

const LIMIT: Duration = Duration::from_secs(20);

async fn begin() -> Result<(Files, Daemon)> {
    let files = Files::new()?;
    let daemon = Daemon::start(&files.config()).await?;
    Ok((files, daemon))
}

/// Everything that a root may hold.
fn fill(files: &Files) -> Result<()> {
    fs::create_dir_all(files.at("nginx/tls"))?;
    files.put("nginx/tls/a.pem", "a.example.org", 90)?;
    let b = files.make("b.example.org", 80)?;
    openssl(&[
        "x509",
        "-in",
        &b.display().to_string(),
        "-outform",
        "DER",
        "-out",
        &files.at("b.der").display().to_string(),
    ])?;
    let (key, locked) = (files.beside("b.example.org.key"), files.at("locked.p12"));
    let (b, key, locked) = (b.display().to_string(), key.display().to_string(), locked.display().to_string());
    openssl(&["pkcs12", "-export", "-in", &b, "-inkey", &key, "-passout", "pass:let me in", "-out", &locked])?;
    let c = fs::read_to_string(files.make("c.example.org", 70)?)?;
    let key = fs::read_to_string(files.beside("c.example.org.key"))?;
    let ca = fs::read_to_string(files.beside("ca.pem"))?;
    let d = fs::read_to_string(files.make("d.example.org", 60)?)?;
    fs::write(files.at("bundle.pem"), format!("{key}{c}{d}{ca}"))?;
    fs::write(files.at("only.key"), &key)?;
    fs::write(files.at("ca.pem"), &ca)?;
    fs::write(files.at("huge.pem"), c.repeat(10 << 20 >> 9))?;
    symlink(files.make("out.example.org", 50)?, files.at("out.pem"))?;
    symlink(files.beside(""), files.at("way-out"))?;
    rustix::fs::mknodat(rustix::fs::CWD, files.at("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)?;
    for (number, name) in
        [&b"line\nbreak#2"[..], b"\xff\xfe.pem", b"100%.pem", "\u{202e}.pem".as_bytes()].iter().enumerate()
    {
        fs::copy(files.make(&format!("odd{number}.example.org"), 40)?, files.root().join(OsStr::from_bytes(name)))?;
    }
    fs::write(files.at("damaged.pem"), "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")?;
    Ok(())
}

#[tokio::test]
async fn every_form_below_a_root_is_found_and_nothing_else() -> Result<()> {
    let (files, daemon) = begin().await?;
    fill(&files)?;
    let report = scan(&daemon, &["etc", "--once"]).await?;
    let expected = [
        "etc/100=25.pem new",
        "etc/=E2=80=AE.pem new",
        "etc/=FF=FE.pem new",
        "etc/b.der new",
        "etc/bundle.pem new",
        "etc/bundle.pem#2 new",
        "etc/damaged.pem unsure",
        "etc/line=0Abreak=232 new",
        "etc/locked.p12 unsure",
        "etc/nginx/tls/a.pem new",
    ];
    ensure!(told(&report).iter().zip(expected).all(|(one, other)| one == other), "{:#?}", told(&report));
    ensure!(told(&report).len() == expected.len() && report["remarks"] == json!([]), "{report}");
    let shown = daemon.secret("scan/etc/nginx/tls/a.pem").await?;
    let certificate = &shown["settings"]["certificate"];
    ensure!(certificate["names"] == json!(["a.example.org"]) && certificate["issuer"] == "CN=Elsewhere CA", "{shown}");
    ensure!(shown["kind"] == "tracked" && shown["expires_at"].is_string(), "{shown}");
    let listed = daemon.cli_ok(&["expiring", "--within", "45d"], None).await?;
    ensure!(listed.stdout.matches("scan/etc/").count() == 4, "{listed}");
    let key = fs::read_to_string(files.at("only.key"))?;
    let line = key.lines().nth(1).context("a line of the key")?;
    for text in [report.to_string(), shown.to_string(), daemon.stderr(), daemon.stdout()] {
        ensure!(!text.contains(KEY_MARKER) && !text.contains(line), "a key is told: {text}");
    }
    let again = scan(&daemon, &["etc", "--once"]).await?;
    ensure!(!told(&again).iter().any(|line| line.ends_with(" new")), "{:#?}", told(&again));
    Ok(())
}

#[tokio::test]
async fn a_renewed_file_moves_the_date_and_ends_its_warning() -> Result<()> {
    let (files, daemon) = begin().await?;
    let name = "scan/etc/a.pem";
    files.put("a.pem", "a.example.org", 3)?;
    ensure!(told(&scan(&daemon, &[]).await?) == ["etc/a.pem new"]);
    let warned = async || events(&daemon, name).await.ok()?.contains(&"expiry.warned".to_owned()).then_some(());
    eventually(LIMIT, "the ladder warns", warned).await?;
    let before = daemon.secret(name).await?;
    files.put("a.pem", "a.example.org", 300)?;
    ensure!(told(&scan(&daemon, &[]).await?) == ["etc/a.pem renewed"]);
    let after = daemon.secret(name).await?;
    ensure!(after["expires_at"].as_str() > before["expires_at"].as_str(), "{before} {after}");
    ensure!(after["settings"]["certificate"]["serial"] != before["settings"]["certificate"]["serial"]);
    let kinds = events(&daemon, name).await?;
    let tail: Vec<&str> = kinds.iter().map(String::as_str).filter(|kind| *kind != "expiry.warned").collect();
    ensure!(tail == ["certificate.found", "expiry.resolved", "certificate.renewed"], "{kinds:?}");
    ensure!(told(&scan(&daemon, &[]).await?) == ["etc/a.pem same"] && events(&daemon, name).await? == kinds);
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_is_over_already_is_told_at_once() -> Result<()> {
    let (files, daemon) = begin().await?;
    files.put("a.pem", "a.example.org", 0)?;
    let told = daemon.cli(&["cert", "scan", "--once"], None).await?;
    ensure!(told.code() == 5 && told.stdout.contains("new, ended"), "{told}");
    let warned =
        async || events(&daemon, "scan/etc/a.pem").await.ok()?.contains(&"expiry.warned".to_owned()).then_some(());
    eventually(LIMIT, "its end is told", warned).await
}

#[tokio::test]
async fn what_vanishes_is_an_alert_until_it_is_back_or_deleted() -> Result<()> {
    let (files, daemon) = begin().await?;
    let name = "scan/etc/a.pem";
    files.put("a.pem", "a.example.org", 90)?;
    files.put("b.pem", "b.example.org", 90)?;
    scan(&daemon, &["--once"]).await?;
    let kept = files.beside("kept");
    fs::rename(files.at("a.pem"), &kept)?;
    fs::write(files.at("b.pem"), "nothing any more\n")?;
    for _ in 0..2 {
        let gone = daemon.cli(&["cert", "scan", "--once"], None).await?;
        ensure!(gone.code() == 5 && gone.stdout.matches("vanished").count() == 2, "{gone}");
    }
    ensure!(daemon.alerts().await? == ["certificate-vanished"; 2], "{:?}", daemon.alerts().await?);
    let vanished = events(&daemon, name).await?.iter().filter(|kind| *kind == "certificate.vanished").count();
    ensure!(vanished == 1, "told {vanished} times");
    fs::rename(&kept, files.at("a.pem"))?;
    ensure!(told(&scan(&daemon, &["--once"]).await?)[0] == "etc/a.pem same");
    ensure!(daemon.alerts().await?.len() == 1, "the one that is back is still missed");
    daemon.cli_ok(&["secret", "delete", "scan/etc/b.pem"], None).await?;
    ensure!(daemon.alerts().await?.is_empty(), "what nobody needs is still missed");
    files.put("b.pem", "b.example.org", 90)?;
    ensure!(told(&scan(&daemon, &["--once"]).await?)[1] == "etc/b.pem forgotten");
    Ok(())
}

#[tokio::test]
async fn a_root_that_cannot_be_read_raises_no_alarm() -> Result<()> {
    let (files, daemon) = begin().await?;
    files.put("a.pem", "a.example.org", 90)?;
    scan(&daemon, &["--once"]).await?;
    fs::rename(files.root(), files.beside("away"))?;
    let report = scan(&daemon, &["--once"]).await?;
    ensure!(told(&report).is_empty() && report["remarks"][0].as_str().is_some_and(|text| text.contains("`etc`")));
    ensure!(daemon.alerts().await?.is_empty(), "nobody looked, and it is missed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_presents_an_older_certificate_than_the_file_is_told() -> Result<()> {
    let files = Files::new()?;
    let world = World::begin(1, &files.config()).await?;
    let daemon = &world.daemon;
    let serve = |name: &str| -> Result<()> {
        fs::create_dir_all(world.nginx.current())?;
        fs::copy(files.beside(&format!("{name}.pem")), world.nginx.current().join("fullchain.pem"))?;
        fs::copy(files.beside(&format!("{name}.key")), world.nginx.current().join("key.pem"))?;
        world.nginx.reload()
    };
    files.make("a.example.org", 30)?;
    serve("a.example.org")?;
    let place = format!("127.0.0.1:{}", world.nginx.ports[0]);
    let hosts = files.beside("hosts.txt");
    fs::write(&hosts, format!("# outside\n{place}\n"))?;
    let words = ["--endpoints", &hosts.display().to_string(), "--once"];
    let first = scan(daemon, &words).await?;
    ensure!(told(&first) == [format!("{place} new")], "{first}");
    ensure!(first["certificates"][0]["problems"] == json!(["chain-missing"]), "{first}");
    files.put("a.pem", "a.example.org", 90)?;
    let second = daemon.cli(&[&["cert", "scan"], &words[..]].concat(), None).await?;
    ensure!(second.code() == 5 && second.stdout.contains("differs"), "{second}");
    ensure!(daemon.alerts().await? == ["certificate-differs"]);
    serve("a.example.org")?;
    let reloaded = async || {
        let report = scan(daemon, &words).await.ok()?;
        told(&report).contains(&format!("{place} renewed")).then_some(())
    };
    eventually(LIMIT, "the newer one is presented", reloaded).await?;
    ensure!(daemon.alerts().await?.is_empty(), "{:?}", daemon.alerts().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_here_is_ours_and_not_tracked_twice() -> Result<()> {
    let files = Files::new()?;
    let world = World::begin(1, &files.config()).await?;
    let daemon = &world.daemon;
    world.issue(&[]).await?;
    fs::write(files.at("copy.pem"), world.current().await?)?;
    let endpoint = format!("127.0.0.1:{}", world.nginx.ports[0]);
    let body = json!({ "roots": ["etc"], "endpoints": [endpoint], "once": true });
    let report = daemon.ask("POST", "/certificate-scans", Some(&body)).await?;
    ensure!(told(&report) == [format!("{endpoint} ours"), "etc/copy.pem ours".to_owned()], "{report}");
    let tracked = daemon.cli_ok(&["track", "list", "--output", "json"], None).await?.json()?;
    ensure!(tracked == json!([]), "{tracked}");
    Ok(())
}

/// The value of a metric with a name, as a program reads it.
fn metric(text: &str, family: &str, name: &str) -> Result<i64> {
    let start = format!("{family}{{name=\"{name}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start)).with_context(|| format!("{start}: {text}"))?;
    line.parse().context("a whole number")
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_when_things_end_as_absolute_times() -> Result<()> {
    let files = Files::new()?;
    let world = World::begin(0, &files.config()).await?;
    let daemon = &world.daemon;
    daemon
        .cli_ok(&["cert", "issue", NAME, "--ca", "internal", "--dns", "shop.example.org", "--lifetime", "90d"], None)
        .await?;
    files.put("quote\"d.pem", "a.example.org", 60)?;
    scan(daemon, &["--once"]).await?;
    let text = daemon.get("/metrics").await?.text();
    let days = |at: i64| (at - chrono::Utc::now().timestamp()) / 86_400;
    let ends = metric(&text, "keywheel_certificate_not_after_timestamp_seconds", NAME)?;
    let renewed = metric(&text, "keywheel_certificate_renewal_timestamp_seconds", NAME)?;
    let tracked = metric(&text, "keywheel_tracked_expiry_timestamp_seconds", "scan/etc/quote\\\"d.pem")?;
    ensure!((89..=90).contains(&days(ends)) && (59..=60).contains(&days(tracked)), "{text}");
    ensure!((58..=61).contains(&days(renewed)), "{text}");
    ensure!(text.ends_with("# EOF\n"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_postgres_knows_the_same() -> Result<()> {
    let (files, server) = (Files::new()?, start_server().await?);
    let store = SharedStore::make(&server, "kept", server.port(), &format!("{QUIET}{}", files.config()));
    let daemon = store.first().await?;
    daemon.cli_ok(&["ca", "create", "internal", "--permit", "example.org"], None).await?;
    daemon.cli_ok(&["cert", "issue", NAME, "--ca", "internal", "--dns", "shop.example.org"], None).await?;
    files.put("a.pem", "a.example.org", 60)?;
    let current = daemon.value_of(NAME, "current").await?;
    fs::write(files.at("ours.pem"), current["certificate"].as_str().context("a certificate")?)?;
    let body = json!({ "endpoints": [format!("127.0.0.1:{}", crate::support::wait::free_port()?)] });
    let report = daemon.ask("POST", "/certificate-scans", Some(&body)).await?;
    ensure!(told(&report)[1..] == ["etc/a.pem new", "etc/ours.pem ours"], "{report}");
    let text = daemon.get("/metrics").await?.text();
    for (family, name) in [
        ("keywheel_certificate_not_after_timestamp_seconds", NAME),
        ("keywheel_certificate_renewal_timestamp_seconds", NAME),
        ("keywheel_tracked_expiry_timestamp_seconds", "scan/etc/a.pem"),
    ] {
        metric(&text, family, name)?;
    }
    fs::remove_file(files.at("a.pem"))?;
    ensure!(told(&scan(&daemon, &["--once"]).await?)[0] == "etc/a.pem vanished");
    ensure!(daemon.alerts().await? == ["certificate-vanished"]);
    Ok(())
}

#[tokio::test]
async fn scans_are_kept_listed_and_forgotten() -> Result<()> {
    let (files, daemon) = begin().await?;
    files.put("a.pem", "a.example.org", 90)?;
    ensure!(scan(&daemon, &["--once"]).await?["kept"] == Value::Null);
    ensure!(scan(&daemon, &[]).await?["kept"] == "all");
    ensure!(scan(&daemon, &["etc"]).await?["kept"] == "etc");
    ensure!(scan(&daemon, &["etc", "--name", "mine"]).await?["kept"] == "mine");
    let listed = daemon.cli_ok(&["cert", "scans", "--output", "json"], None).await?.json()?;
    let names: Vec<&str> = listed.as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
    ensure!(names == ["all", "etc", "mine"] && listed[0]["found"] == 1, "{listed}");
    daemon.cli_ok(&["cert", "scans", "--forget", "etc"], None).await?;
    let listed = daemon.cli_ok(&["cert", "scans"], None).await?;
    ensure!(listed.stdout.lines().count() == 3 && listed.stdout.contains("mine"), "{listed}");
    let backup = files.beside("backup").display().to_string();
    daemon.cli_ok(&["backup", "create", &backup], None).await?;
    daemon.cli_ok(&["backup", "verify", &backup], None).await.map(drop)
}

#[tokio::test]
async fn a_name_that_is_another_secrets_is_left_alone() -> Result<()> {
    let (files, daemon) = begin().await?;
    daemon.cli_ok(&["secret", "put", "scan/etc/a.pem"], Some(b"value")).await?;
    daemon.cli_ok(&["track", "add", "scan/etc/b.pem", "--expires", "2099-01-01"], None).await?;
    files.put("a.pem", "a.example.org", 90)?;
    files.put("b.pem", "b.example.org", 90)?;
    let report = scan(&daemon, &["--once"]).await?;
    for line in report["certificates"].as_array().context("lines")? {
        ensure!(line["problems"] == json!(["name-taken"]) && line["tracked"] == Value::Null, "{report}");
    }
    let shown = daemon.secret("scan/etc/b.pem").await?;
    ensure!(shown["expires_at"].as_str().is_some_and(|at| at.starts_with("2099")), "{shown}");
    Ok(())
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_no_alarm() -> Result<()> {
    let (files, daemon) = begin().await?;
    let (closed, hosts) = (crate::support::wait::free_port()?, files.beside("hosts.txt"));
    fs::write(&hosts, format!("127.0.0.1:{closed};name=shop.example.org\n"))?;
    let told = daemon.cli_ok(&["cert", "scan", "--endpoints", &hosts.display().to_string(), "--once"], None).await?;
    ensure!(told.stdout.contains(&format!("127.0.0.1:{closed};name=shop.example.org")), "{told}");
    ensure!(told.stdout.contains("unsure") && daemon.alerts().await?.is_empty(), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_scan_of_what_is_not_allowed_is_refused() -> Result<()> {
    let (files, daemon) = begin().await?;
    let hosts = files.beside("hosts.txt");
    fs::write(&hosts, "shop.example.org\n")?;
    let hosts = hosts.display().to_string();
    for (words, exit, code, hint) in [
        (&["cert", "scan", "opt"][..], 2, "unknown-scan-root", "[[scan_root]]"),
        (&["cert", "scan", "/etc"], 2, "unknown-scan-root", "[[scan_root]]"),
        (&["cert", "scan", "--endpoints", &hosts], 2, "endpoint-invalid", "HOST:PORT"),
        (&["cert", "scan", "--name", "a//b"], 2, "name-invalid", ""),
        (&["cert", "scans", "--forget", "nothing"], 3, "not-found", "keywheel cert scans"),
    ] {
        let told = daemon.cli(words, None).await?;
        ensure!(
            told.code() == exit && told.stderr.contains(&format!("[{code}]")) && told.stderr.contains(hint),
            "{told}"
        );
    }
    let bare = Daemon::start("").await?;
    let told = bare.cli(&["cert", "scan"], None).await?;
    ensure!(told.code() == 2 && told.stderr.contains("[nothing-to-scan]"), "{told}");
    Ok(())
}
