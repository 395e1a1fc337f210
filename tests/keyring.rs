//! Proof 56: ten thousand values go through Python's `cryptography` and back, in both directions.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{ChildStdin, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use keywheel::keyring::{Keyring, MasterKeys, Place, WrappedRoot, next_generation};
use keywheel_contract::{Random, TenantId};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

const ROUND_TRIPS: usize = 10_000;

struct System(SystemRandom);

impl Random for System {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.fill(buffer).expect("the operating system has randomness");
    }
}

/// What the other side is given: the master keys and one wrapped root, or one sealed value.
fn opening(masters: &MasterKeys, root: &WrappedRoot) -> Value {
    json!({
        "masters": masters.to_text().as_str(), "tenant": root.tenant, "key_id": root.key_id,
        "master_id": root.master_id.as_str(), "root": std::str::from_utf8(&root.token).expect("ASCII"),
    })
}

/// A place and a value of its own for each number.
fn item(n: usize, random: &dyn Random) -> (String, &'static str, Vec<u8>) {
    let mut plain = vec![0; n % 257];
    random.fill(&mut plain);
    (format!("ver_{n}"), ["value", "proof", "größe"][n % 3], plain)
}

fn send(to: ChildStdin, lines: &[Value]) {
    let mut to = BufWriter::new(to);
    for line in lines {
        writeln!(to, "{line}").expect("the other side reads");
    }
    to.flush().expect("the other side reads");
}

#[test]
fn ten_thousand_values_are_exchanged_with_another_implementation() {
    let random = System(SystemRandom::new());
    let tenant = TenantId::mint(DateTime::UNIX_EPOCH, [1; 10]);
    let masters = MasterKeys::generate(&random).prepend_new(&random);
    let root = next_generation(&tenant, None, &masters, DateTime::UNIX_EPOCH, &random).expect("the first");
    let keyring = Keyring::new();
    keyring.add(root.unwrap(&masters).expect("its master"));

    let items: Vec<_> = (0..ROUND_TRIPS).map(|n| item(n, &random)).collect();
    let mut lines = vec![opening(&masters, &root)];
    lines.extend(items.iter().map(|(row, column, plain)| {
        let place = Place { tenant: &tenant, table: "version", row, column };
        let sealed = keyring.seal(&place, plain, DateTime::UNIX_EPOCH).expect("a root");
        let token = String::from_utf8(sealed.token).expect("ASCII");
        json!({"table": "version", "row": row, "column": column, "token": token})
    }));

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keyring_fernet.py");
    let mut python = Command::new("python3")
        .args([script, "exchange"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed, with the package `cryptography`");
    let stdin = python.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || send(stdin, &lines));
    let answers = BufReader::new(python.stdout.take().expect("piped")).lines();
    let mut exchanged = 0;
    for (answer, (row, column, plain)) in answers.zip(&items) {
        let answer: Value = serde_json::from_str(&answer.expect("readable")).expect("JSON");
        assert_eq!(answer["plain"], STANDARD.encode(plain).as_str(), "what Python opened of {row}");
        let place = Place { tenant: &tenant, table: "version", row, column };
        let token = answer["token"].as_str().expect("a text").as_bytes();
        let opened = keyring.open(&place, &root.key_id, token).expect("what Python sealed opens");
        assert!(opened.iter().eq(plain.iter().rev()), "{row}");
        exchanged += 1;
    }
    writer.join().expect("everything was sent");
    assert!(python.wait().expect("it ends").success());
    assert_eq!(exchanged, ROUND_TRIPS);
}
