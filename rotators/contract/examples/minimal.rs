//! A rotator that a stranger could write: it changes passwords in a file of `name:password` lines, kept in memory
//! here, and then lets the conformance kit say what it gets wrong.
//!
//! Run it with `cargo run -p keywheel-contract --example minimal --features kit`.

use std::{collections::BTreeMap, io::Write, sync::Mutex, sync::PoisonError};

use async_trait::async_trait;
use keywheel_contract::{
    Applied, Cx, Declaration, Failure, Finding, FindingKind, Material, Observation, Origin, Overlap, PasswordRules,
    Preflight, Prepared, Probing, Refusal, Revertible, Rotator, Seen, Settled, Standing, Target, Verdict, Work,
    kit::{self, Can, Capabilities, Rig, RigError, Stage},
    mint_password,
};
use serde_json::{Value, json};

/// The file: names and their passwords. A real one would be read and replaced at the target's `path`.
#[derive(Default)]
struct Lines(Mutex<BTreeMap<String, String>>);

impl Lines {
    fn set(&self, name: &str, password: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), password.to_owned());
    }

    fn accept(&self, credential: &Material) -> bool {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = credential.text("username").and_then(|name| lines.get(name));
        known.is_some() && known.map(String::as_str) == credential.text("password")
    }
}

fn user(settings: &Value) -> Result<&str, Failure> {
    settings.get("user").and_then(Value::as_str).ok_or_else(|| {
        Failure::misconfigured("secret.user", "lines-no-user", "`user` is missing", "name a line of the file")
    })
}

fn password(material: &Material) -> Result<&str, Failure> {
    material.text("password").ok_or_else(|| {
        Failure::misconfigured("secret.value", "lines-no-password", "the value has no password", "give it one")
    })
}

#[async_trait]
impl Rotator for Lines {
    fn kind(&self) -> &'static str {
        "password-lines"
    }

    fn declare(&self, _target: &Value, secret: &Value) -> Result<Declaration, Failure> {
        user(secret)?;
        Ok(Declaration {
            origin: Origin::MintedHere,
            overlap: Overlap::None,
            probing: Probing::Any,
            minting_ends_old: true,
            revertible: Revertible::Yes,
            locks_after: None,
        })
    }

    fn address(&self, target: &Value) -> Result<Value, Failure> {
        Ok(target.get("path").cloned().unwrap_or_default())
    }

    fn identity(&self, secret: &Value, _material: &Material) -> Result<String, Failure> {
        user(secret).map(str::to_owned)
    }

    async fn preflight(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Preflight, Failure> {
        // The negative control: a value that nobody set must be refused.
        let Prepared::Minted { material, identity } = self.prepare(cx, target, work).await? else {
            return Ok(Preflight::default());
        };
        let mut found = Preflight { changes: vec![format!("replace the line of `{identity}`")], ..Default::default() };
        if self.accept(&material) {
            found.findings.push(Finding {
                code: "any-password-accepted".to_owned(),
                kind: FindingKind::Blocks,
                sentence: "a random password was let in".to_owned(),
                hint: "make the service ask for the password".to_owned(),
            });
        }
        Ok(found)
    }

    async fn prepare(&self, cx: &Cx<'_>, _target: &Target, work: &Work) -> Result<Prepared, Failure> {
        let name = user(&work.settings)?;
        let minted = mint_password(cx.random, &PasswordRules::default()).map_err(|error| {
            Failure::misconfigured("secret.rules", "lines-rules", error.to_string(), "relax the rules")
        })?;
        let material = Material::of_texts([("username", name), ("password", minted.expose())]);
        Ok(Prepared::Minted { material, identity: name.to_owned() })
    }

    async fn apply(&self, _cx: &Cx<'_>, _t: &Target, work: &Work, candidate: &Material) -> Result<Applied, Failure> {
        self.set(user(&work.settings)?, password(candidate)?);
        Ok(Applied { issued: None })
    }

    async fn verify(&self, _cx: &Cx<'_>, _t: &Target, _work: &Work, candidate: &Material) -> Result<Verdict, Failure> {
        if self.accept(candidate) {
            return Ok(Verdict::Works { endpoints: vec!["the file".to_owned()] });
        }
        let because = "the line holds another password".to_owned();
        Ok(Verdict::NotYet { look_again_in: std::time::Duration::from_secs(1), because })
    }

    async fn probe(
        &self,
        _cx: &Cx<'_>,
        _target: &Target,
        _work: &Work,
        credential: &Material,
    ) -> Result<Vec<Observation>, Failure> {
        let refused = Seen::Refused { refusal: Refusal::WrongCredential };
        let seen = if self.accept(credential) { Seen::Works } else { refused };
        Ok(vec![Observation { endpoint: "the file".to_owned(), standing: Standing::Deciding, seen }])
    }

    async fn settle(&self, _cx: &Cx<'_>, _target: &Target, _work: &Work) -> Result<Settled, Failure> {
        // A change happens at once or not at all: no earlier attempt can be under way.
        Ok(Settled::Yes)
    }

    async fn revert(&self, _cx: &Cx<'_>, _t: &Target, work: &Work, _candidate: &Material) -> Result<(), Failure> {
        let Some(current) = &work.current else {
            return Err(Failure::refused("lines-no-way-back", "the former password is not known", "keep the new one"));
        };
        self.set(user(&work.settings)?, password(current)?);
        Ok(())
    }

    async fn retire(
        &self,
        _cx: &Cx<'_>,
        _t: &Target,
        _w: &Work,
        _old: &Material,
        _l: &Material,
    ) -> Result<(), Failure> {
        // Nothing is left to do: `apply` replaced the line.
        Ok(())
    }
}

/// What the kit needs: fresh accounts, and an opinion of its own.
#[derive(Default)]
struct LinesRig(Lines);

#[async_trait]
impl Rig for LinesRig {
    fn rotator(&self) -> &dyn Rotator {
        &self.0
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            lose_reply: Can::No("a change of a map has no answer that could be lost"),
            hold: Can::No("a change of a map never waits"),
            freeze: Can::No("a map always answers"),
            refuse: Can::No("a map takes any password"),
            accept_anything: Can::No("this map has no such switch"),
        }
    }

    async fn fresh(&self) -> Result<Stage, RigError> {
        self.0.set("alice", "correct horse battery");
        let current = Material::of_texts([("username", "alice"), ("password", "correct horse battery")]);
        Ok(Stage::new(json!({ "path": "/etc/service/users" }), json!({ "user": "alice" }), current))
    }

    async fn logs_in(&self, _stage: &Stage, credential: &Material) -> Result<bool, RigError> {
        let lines = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(lines.get("alice").map(String::as_str) == credential.text("password"))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let report = kit::run(&LinesRig::default()).await;
    writeln!(std::io::stdout(), "{report}")?;
    if report.is_clean() { Ok(()) } else { Err(std::io::Error::other("the rotator breaks the contract")) }
}
