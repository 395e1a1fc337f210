//! Pebble and its challenge test server, on free ports and in a folder of their own, ended with the test.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use keywheel_certificate::acme::{Account, Binding, Directory, Registration};
use keywheel_contract::SecretText;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::wait::{eventually, free_port, is_listening, local};

/// How a Pebble behaves.
#[derive(Default)]
pub(crate) struct Temper {
    /// Of a hundred nonces, how many are rejected.
    pub(crate) rejected_nonces: u32,
    /// How many certificates stand between the leaf and the root; 0 is Pebble's own.
    pub(crate) chain_length: u32,
    /// The external accounts that it knows, and then demands: id and key in base64url.
    pub(crate) bindings: Vec<(&'static str, &'static str)>,
    /// How many seconds its certificates last; 0 is Pebble's own.
    pub(crate) lifetime: u32,
    /// The port of the DNS server to ask in place of the challenge test server.
    pub(crate) dns: Option<u16>,
}

/// A running Pebble.
pub(crate) struct Pebble {
    folder: TempDir,
    port: u16,
    pub(crate) management: u16,
    pub(crate) http_port: u16,
    pub(crate) tls_port: u16,
    pub(crate) challenges: Challenges,
    child: Child,
}

/// The challenge test server: the DNS that Pebble asks.
pub(crate) struct Challenges {
    pub(crate) dns: u16,
    pub(crate) management: u16,
    child: Child,
}

impl Challenges {
    fn start(folder: &Path) -> Self {
        let (dns, management) = (free_port(), free_port());
        let mut command = program("pebble-challtestsrv", "pebble");
        command.args(["-dns01", &local(dns).to_string(), "-management", &local(management).to_string()]);
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
        let child = spawn(command, &folder.join("challtestsrv.log"));
        eventually("the challenge test server listens", || is_listening(management).then_some(()));
        Self { dns, management, child }
    }
}

impl Drop for Challenges {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

impl Pebble {
    pub(crate) fn start() -> Self {
        Self::with(&Temper::default())
    }

    pub(crate) fn with(temper: &Temper) -> Self {
        let folder = TempDir::new().expect("a folder");
        let challenges = Challenges::start(folder.path());
        let [port, management, http_port, tls_port] = std::array::from_fn(|_| free_port());
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["localhost".into(), "acme.example.org".into()]).expect("names");
        let certificate = params.self_signed(&key).expect("a certificate");
        let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
        file("cert.pem", &certificate.pem());
        file("key.pem", &key.serialize_pem());
        let macs: serde_json::Map<String, Value> =
            temper.bindings.iter().map(|(id, key)| ((*id).to_owned(), json!(key))).collect();
        let mut config = json!({"pebble": {
            "listenAddress": local(port), "managementListenAddress": local(management),
            "certificate": folder.path().join("cert.pem"), "privateKey": folder.path().join("key.pem"),
            "httpPort": http_port, "tlsPort": tls_port, "ocspResponderURL": "",
            "externalAccountBindingRequired": !macs.is_empty(), "externalAccountMACKeys": macs,
        }});
        if temper.lifetime > 0 {
            config["pebble"]["certificateValidityPeriod"] = json!(temper.lifetime);
        }
        file("config.json", &config.to_string());
        let mut command = program("pebble", "pebble");
        command.arg("-config").arg(folder.path().join("config.json"));
        command.args(["-dnsserver", &local(temper.dns.unwrap_or(challenges.dns)).to_string()]);
        command.env("PEBBLE_VA_NOSLEEP", "1");
        command.env("PEBBLE_WFE_NONCEREJECT", temper.rejected_nonces.to_string());
        command.env("PEBBLE_AUTHZREUSE", "0");
        if temper.chain_length > 0 {
            command.env("PEBBLE_CHAIN_LENGTH", temper.chain_length.to_string());
        }
        let child = spawn(command, &folder.path().join("pebble.log"));
        eventually("Pebble listens", || (is_listening(port) && is_listening(management)).then_some(()));
        Self { folder, port, management, http_port, tls_port, challenges, child }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn directory(&self) -> Directory {
        let ca_pem = fs::read_to_string(self.folder.path().join("cert.pem")).expect("the certificate");
        Directory { ca_pem: Some(ca_pem), ..Directory::named(&format!("https://localhost:{}/dir", self.port)) }
    }

    pub(crate) fn registration(&self) -> Registration {
        let contact = vec!["certs@example.org".to_owned()];
        Registration { directory: self.directory(), contact, terms_agreed: true, binding: None }
    }

    pub(crate) fn bound(&self, id: &str, key: &str) -> Registration {
        let binding = Binding { key_id: id.to_owned(), mac_key: SecretText::new(key.to_owned()) };
        Registration { binding: Some(binding), ..self.registration() }
    }

    pub(crate) async fn account(&self) -> Account {
        Account::register(&self.registration()).await.expect("an account").0
    }

    /// What Pebble wrote so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("pebble.log")).expect("Pebble's log")
    }

    /// How many certificates it issued, as it says.
    pub(crate) fn issued(&self) -> usize {
        self.log().matches("Issued certificate serial").count()
    }

    /// How many orders were placed.
    pub(crate) fn orders(&self) -> usize {
        self.log().matches("Added order").count()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

pub(crate) fn program(name: &str, package: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Servers stand in a folder that is not on everybody's path.
    let mut folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.find(|folder| folder.join(name).is_file()).unwrap_or_else(|| {
        panic!("`{name}` is missing: install Debian's package `{package}` (apt-get install {package})")
    });
    Command::new(found.join(name))
}

pub(crate) fn spawn(mut command: Command, log: &Path) -> Child {
    let log = File::create(log).expect("a log file");
    let errors = log.try_clone().expect("a second handle");
    command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().expect("the program starts")
}

pub(crate) fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// One request without TLS, for the management of the challenge test server.
pub(crate) fn post(port: u16, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(local(port)).expect("the management port");
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}", body.len());
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
