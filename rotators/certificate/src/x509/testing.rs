//! What the tests of this library share: an authority to issue from, and OpenSSL as the one who judges.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use chrono::{DateTime, Utc};
use keywheel_contract::kit::SeededRandom;

use super::{
    Authority, AuthorityRequest, IssueError, Issued, KeyKind, LeafRequest, OnClamp, PrivateKey, Profile, SubjectName,
};

/// 2026-07-01T00:00:00Z.
pub(super) const NOW: i64 = 1_782_864_000;

pub(super) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 500_000_000).expect("a time")
}

pub(super) fn day(days: u64) -> Duration {
    Duration::from_secs(86_400 * days)
}

pub(super) fn names(texts: &str) -> Vec<SubjectName> {
    texts.split(' ').map(|text| SubjectName::parse(text).expect("a name")).collect()
}

/// A root of ten years.
pub(super) struct World {
    pub(super) authority: Authority,
    pub(super) random: SeededRandom,
}

impl World {
    pub(super) fn new(key: KeyKind) -> Self {
        let random = SeededRandom::new(7);
        let authority = Authority::create_root(&request("Test CA", key, 3650), &random, now()).expect("a root");
        Self { authority, random }
    }

    /// A request for an authority below, for five years.
    pub(super) fn request(&self, name: &str) -> AuthorityRequest {
        request(name, KeyKind::P256, 1825)
    }

    /// A request for a server certificate of 90 days.
    pub(super) fn leaf(&self) -> LeafRequest {
        LeafRequest {
            common_name: Some("shop".into()),
            organisation: Some("Shop".into()),
            names: names("shop.example.org 10.0.0.1"),
            profile: Profile::Server,
            lifetime: day(90),
            on_clamp: OnClamp::Refuse,
            crl_url: None,
        }
    }

    pub(super) fn try_issue(&self, request: &LeafRequest) -> Result<Issued, IssueError> {
        let key = PrivateKey::generate(KeyKind::P256).expect("a key");
        self.authority.issue(request, &key, &self.random, now())
    }

    pub(super) fn issue(&self, request: &LeafRequest) -> Issued {
        self.try_issue(request).expect("issued")
    }
}

pub(super) fn request(name: &str, key: KeyKind, days: u64) -> AuthorityRequest {
    AuthorityRequest {
        common_name: name.into(),
        organisation: Some("Example".into()),
        key,
        lifetime: day(days),
        path_length: None,
        permitted: Vec::new(),
        excluded: Vec::new(),
    }
}

/// What OpenSSL prints for the arguments and the input, both outputs; it must succeed.
pub(super) fn openssl(arguments: &[&str], input: &[u8]) -> String {
    let (is_success, text) = try_openssl(arguments, input);
    assert!(is_success, "openssl {arguments:?}: {text}");
    text
}

pub(super) fn try_openssl(arguments: &[&str], input: &[u8]) -> (bool, String) {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    // A command that reads no input has ended before it is written.
    let _ = child.stdin.take().expect("an input").write_all(input);
    let output = child.wait_with_output().expect("an output");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), text)
}

/// Asserts that OpenSSL verifies the leaf at the time of the tests.
pub(super) fn verified_by_openssl(issued: &Issued, arguments: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("a path").to_owned()
    };
    let chain: String = issued.chain.iter().map(super::Certificate::pem).collect();
    let (root, chain, leaf) =
        (path("root", issued.root.pem()), path("chain", chain), path("leaf", issued.certificate.pem()));
    let time = NOW.to_string();
    let mut all = vec!["verify", "-attime", &time, "-CAfile", &root, "-no-CAstore", "-no-CApath"];
    if !issued.chain.is_empty() {
        all.extend(["-untrusted", &chain]);
    }
    all.extend(arguments);
    all.push(&leaf);
    let text = openssl(&all, b"");
    assert!(text.contains(": OK"), "{text}");
}
