//! Knot DNS, which takes signed updates of one zone, on a free port and in a folder of its own.

use std::fs;
use std::net::UdpSocket;
use std::process::Child;
use std::time::Duration;

use keywheel_certificate::acme::solver::UpdateSettings;
use keywheel_contract::SecretText;
use tempfile::TempDir;

use super::rig::{end, program, spawn};
use super::wait::{eventually, free_port, is_listening, local};

pub(crate) const SECRET: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// A running Knot with the zone `example.org`.
pub(crate) struct Knot {
    folder: TempDir,
    pub(crate) port: u16,
    child: Child,
}

impl Knot {
    pub(crate) fn start(algorithm: &str) -> Self {
        let (folder, port) = (TempDir::new().expect("a folder"), free_port());
        let path = folder.path().display();
        let zone = "$ORIGIN example.org.\n$TTL 60\n\
            @ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n@ A 127.0.0.1\n* A 127.0.0.1\n";
        let config = format!(
            "server:\n  listen: 127.0.0.1@{port}\n  rundir: {path}\ndatabase:\n  storage: {path}\n\
             log:\n  - target: stderr\n    any: info\n\
             key:\n  - id: acme-key\n    algorithm: {algorithm}\n    secret: {SECRET}\n\
             acl:\n  - id: updates\n    key: acme-key\n    action: update\n    update-type: TXT\n\
             zone:\n  - domain: example.org\n    storage: {path}\n    file: example.org.zone\n    acl: updates\n"
        );
        fs::write(folder.path().join("example.org.zone"), zone).expect("a zone");
        fs::write(folder.path().join("knot.conf"), config).expect("a configuration");
        let mut command = program("knotd", "knot");
        command.arg("-c").arg(folder.path().join("knot.conf"));
        let child = spawn(command, &folder.path().join("knot.log"));
        eventually("Knot listens", || is_listening(port).then_some(()));
        let knot = Self { folder, port, child };
        eventually("Knot has its zone", || knot.log().contains("loaded").then_some(()));
        knot
    }

    pub(crate) fn settings(&self, algorithm: &str, secret: &str) -> UpdateSettings {
        UpdateSettings {
            server: local(self.port),
            zone: None,
            key_name: "acme-key".to_owned(),
            algorithm: algorithm.to_owned(),
            secret: SecretText::new(secret.to_owned()),
        }
    }

    /// How many texts a name has, as the server says; the name as it goes over the wire.
    pub(crate) fn texts_at(&self, wire: &str) -> u16 {
        let socket = UdpSocket::bind(local(0)).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
        let query = ["\x4b\x57\0\0\0\x01\0\0\0\0\0\0", wire, "\0\x10\0\x01"].concat();
        socket.send_to(query.as_bytes(), local(self.port)).expect("a query");
        let mut answer = [0; 512];
        socket.recv(&mut answer).expect("an answer");
        u16::from_be_bytes([answer[6], answer[7]])
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("knot.log")).expect("Knot's log")
    }
}

impl Drop for Knot {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}
