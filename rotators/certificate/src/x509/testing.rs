//! What the tests of this library share: an authority to issue from, and OpenSSL as the one who judges.

mod hostile;
mod speed;

use std::{
    io::Write,
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use chrono::{DateTime, Utc};
use keywheel_contract::{SecretText, kit::SeededRandom};
use tempfile::TempDir;

use super::{
    Authority, AuthorityRequest, Certificate, IssueError, Issued, KeyKind, LeafRequest, OnClamp, PrivateKey, Profile,
    SubjectName,
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

/// A key of the kind, the same for all tests: RSA keys take seconds.
pub(super) fn key(kind: KeyKind) -> PrivateKey {
    static KEYS: [OnceLock<SecretText>; KeyKind::ALL.len()] = [const { OnceLock::new() }; KeyKind::ALL.len()];
    let at = KeyKind::ALL.iter().position(|&other| other == kind).expect("it is one of all");
    let pem = KEYS[at].get_or_init(|| PrivateKey::generate(kind).expect("a key").to_pem());
    PrivateKey::from_pem(pem.expose()).expect("a key")
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
    pub(super) fn request(name: &str) -> AuthorityRequest {
        request(name, KeyKind::P256, 1825)
    }

    /// A request for a server certificate of 90 days.
    pub(super) fn leaf() -> LeafRequest {
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
        self.authority.issue(request, &key(KeyKind::P256), &self.random, now())
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

/// Writes a file in the folder and gives its path.
pub(super) fn write(folder: &TempDir, name: &str, text: &str) -> String {
    write_bytes(folder, name, text.as_bytes())
}

pub(super) fn write_bytes(folder: &TempDir, name: &str, bytes: &[u8]) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    path.to_str().expect("a path").to_owned()
}

/// Asserts that OpenSSL verifies the leaf at the time of the tests.
pub(super) fn verified_by_openssl(issued: &Issued, arguments: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let chain: String = issued.chain.iter().map(Certificate::pem).collect();
    let root = write(&folder, "root", &issued.root.pem());
    let chain = write(&folder, "chain", &chain);
    let leaf = write(&folder, "leaf", &issued.certificate.pem());
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

/// A leaf for `shop.example.org` with the serial, from an authority of OpenSSL's making, and its key. It begins at
/// the system's time, which is not the tests'.
pub(super) fn foreign(serial: &str) -> (Issued, PrivateKey) {
    let folder = tempfile::tempdir().expect("a folder");
    let (root_key, key) = (key(KeyKind::P384), key(KeyKind::P256));
    let of_root = write(&folder, "root-key", root_key.to_pem().expose());
    let subject = "/DC=org/DC=example/CN=Foreign CA";
    let mut arguments = vec!["req", "-x509", "-new", "-key", &of_root, "-subj", subject, "-days", "365"];
    arguments.extend(["-addext", "keyUsage=critical,keyCertSign"]);
    let root = openssl(&arguments, b"");
    let csr = key.csr_pem(&names("shop.example.org"), None).expect("a request");
    let of_leaf = "subjectAltName=DNS:shop.example.org\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n";
    let (extensions, ca) = (write(&folder, "extensions", of_leaf), write(&folder, "root", &root));
    let mut arguments = vec!["x509", "-req", "-CA", &ca, "-CAkey", &of_root, "-set_serial", serial, "-days", "365"];
    arguments.extend(["-extfile", &extensions]);
    let leaf = openssl(&arguments, csr.as_bytes());
    let read = |text: &str| Certificate::from_pem(text).expect("a certificate");
    (Issued { certificate: read(&leaf), chain: Vec::new(), root: read(&root) }, key)
}
