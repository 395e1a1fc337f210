//! The reference as a process: JSON lines in, JSON lines out.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use keywheel::schedule::zone_data_version;
use serde_json::{Value, json};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/");

/// Whether the long counts are asked for.
pub(super) fn is_deep() -> bool {
    std::env::var("KEYWHEEL_DEEP").is_ok_and(|value| value == "1")
}

/// A running reference that answers requests in order. It is ended when dropped.
pub(crate) struct Reference {
    child: Child,
    answers: Receiver<Value>,
}

impl Reference {
    /// Starts the reference with requests that need not be waited for. It fails if its zone data is of another release
    /// than the binary's, for then the two would differ rightly.
    pub(super) fn start(requests: &[Value]) -> Self {
        Self::of("schedule.py", requests)
    }

    /// The same for another script of that folder.
    pub(crate) fn of(script: &str, requests: &[Value]) -> Self {
        let python = std::env::var("KEYWHEEL_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut child = Command::new(&python)
            .arg(format!("{SCRIPTS}{script}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("KEYWHEEL_TEST_PYTHON names a Python with tests/requirements.txt");
        let (mut input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let lines: Vec<String> =
            std::iter::once(&json!({ "kind": "version" })).chain(requests).map(|one| format!("{one}\n")).collect();
        thread::spawn(move || {
            // A reference that ended is noticed by the reader.
            lines.iter().all(|line| input.write_all(line.as_bytes()).is_ok())
        });
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let answer = serde_json::from_str(&line).expect("the reference writes JSON lines");
                if sender.send(answer).is_err() {
                    break;
                }
            }
        });
        let mut reference = Self { child, answers };
        assert_eq!(reference.next()["version"], zone_data_version(), "tests/requirements.txt names another tzdata");
        reference
    }

    /// The next answer.
    pub(crate) fn next(&mut self) -> Value {
        let limit = Duration::from_secs(if is_deep() { 3_600 } else { 120 });
        self.answers.recv_timeout(limit).expect("the reference answers; is tests/requirements.txt installed?")
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // It has ended by itself if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints the line of a proof past the capture of the test harness.
pub(super) fn report(number: u32, text: &str, since: Instant) {
    writeln!(std::io::stdout(), "proof {number}: {text}, {:.1} s", since.elapsed().as_secs_f64()).expect("stdout");
}

/// A number as people read it.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The instant of a number of seconds since 1970.
pub(crate) fn instant(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).expect("in range")
}

/// Reads a list of seconds since 1970.
pub(super) fn instants(value: &Value) -> Vec<DateTime<Utc>> {
    value.as_array().expect("a list").iter().map(|one| instant(one.as_i64().expect("a number"))).collect()
}
