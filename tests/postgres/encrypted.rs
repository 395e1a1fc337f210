//! TLS with full verification, and the password in clear, which only that may carry.

use std::{fs, process::Command, sync::LazyLock};

use keywheel_contract::{Decision, FindingKind, Rotator, Target};
use serde_json::json;

use super::world::{World, codes, text, unique, value};
use crate::support::postgres::PostgresServer;

/// An authority, and what it issued for 127.0.0.1 and for no name.
struct Issued {
    ca: String,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Made by openssl, which shares no code with what is tested.
fn issue() -> Issued {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("ext"), "subjectAltName = IP:127.0.0.1\n").expect("written");
    for line in [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=ca",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout s.key -out s.csr -subj /CN=server",
        "x509 -req -in s.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out s.crt",
    ] {
        let made = Command::new("openssl").args(line.split(' ')).current_dir(folder.path()).output().expect("openssl");
        assert!(made.status.success(), "{line}: {}", String::from_utf8_lossy(&made.stderr));
    }
    let read = |name: &str| fs::read(folder.path().join(name)).expect("it was made");
    let ca = String::from_utf8(read("ca.crt")).expect("PEM is text");
    Issued { ca, certificate: read("s.crt"), key: read("s.key") }
}

static ISSUED: LazyLock<Issued> = LazyLock::new(issue);

/// A server that takes logins over TLS alone, and whose policy looks at passwords.
static SERVER: LazyLock<PostgresServer> = LazyLock::new(|| {
    PostgresServer::builder()
        .file("server.crt", &ISSUED.certificate)
        .file("server.key", &ISSUED.key)
        .line("ssl = on")
        .line("shared_preload_libraries = 'passwordcheck'")
        .hba("hostnossl all all all reject")
        .start()
});

fn target(world: &World) -> Target {
    let (port, ca) = (world.server.port(), &ISSUED.ca);
    world.target_with(json!({ "host": "127.0.0.1", "port": port, "tls": "verify-full", "ca": ca }))
}

#[tokio::test]
async fn a_rotation_over_verified_tls_works() {
    let world = World::at(&SERVER);
    let work = world.single(&unique("app"), "first-password-1");
    let seen = world.preflight(&target(&world), &work).await;
    assert_eq!(codes(&seen, FindingKind::Blocks), Vec::<&str>::new(), "{seen:#?}");
    assert_eq!(codes(&seen, FindingKind::Note), ["password-policy"]);
    assert!(world.accepts(&world.rotate(&target(&world), &work).await));
}

#[tokio::test]
async fn another_authority_another_name_and_no_tls_are_refused() {
    let world = World::at(&SERVER);
    let work = world.single(&unique("app"), "first-password-1");
    let candidate = world.prepare(&target(&world), &work).await;
    for (key, setting, code) in [
        ("ca", json!(issue().ca), "postgres-tls-failed"),
        ("ca", json!(null), "postgres-tls-failed"),
        ("host", json!("localhost"), "postgres-tls-failed"),
        ("tls", json!("off"), "postgres-admin-barred"),
    ] {
        let mut target = target(&world);
        target.settings[key] = setting;
        let failure = world.rotator.apply(&world.cx(), &target, &work, &candidate).await.expect_err("refused");
        assert_eq!(failure.code, code, "{key}: {failure:?}");
        assert!(matches!(failure.decision, Decision::Misconfigured { .. }));
    }
}

#[tokio::test]
async fn a_password_in_clear_goes_over_verified_tls_alone_and_the_policy_sees_it() {
    let world = World::at(&SERVER);
    let role = unique("app");
    let mut work = world.single(&role, "first-password-1");
    work.settings["password_form"] = json!("clear");
    let mut in_clear = target(&world);
    in_clear.settings["tls"] = json!("off");
    let failure = world.rotator.declare(&in_clear.settings, &work.settings).expect_err("refused");
    assert_eq!(failure.code, "postgres-clear-password-needs-tls");
    let seen = world.preflight(&target(&world), &work).await;
    let asked = codes(&seen, FindingKind::NeedsAcknowledgement);
    assert_eq!(asked, ["no-overlap", "clear-password-reaches-server"]);

    // Letters alone: the policy refuses, nothing changes, and the message does not repeat the value.
    work.settings["password"] = json!({ "alphabet": "abcdefghijklmnopqrstuvwxyz" });
    let weak = world.prepare(&target(&world), &work).await;
    let failure = world.rotator.apply(&world.cx(), &target(&world), &work, &weak).await.expect_err("refused");
    assert_eq!((failure.code, &failure.decision), ("postgres-password-refused", &Decision::Refused));
    assert!(!format!("{failure:?}").contains(text(&weak, "password")));
    assert!(world.accepts(&value(&role, "first-password-1")));

    work.settings["password"] = json!({ "require": ["0123456789"] });
    let strong = world.rotate(&target(&world), &work).await;
    assert!(world.accepts(&strong));
    assert!(world.server.log().contains(text(&strong, "password")), "the leak that preflight names is real");
}
