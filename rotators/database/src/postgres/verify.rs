//! A real use of the candidate at every endpoint, and the proof that what decides is not a standby.

use std::time::Duration;

use futures_util::future::join_all;
use keywheel_contract::{Failure, Standing, Target, Verdict};
use tokio::time::timeout;

use super::{
    account::{WhyRefused, why_refused},
    admin::Admin,
    classify::{self, Entry},
    job::{Credential, Job, Until},
    knock::{Knock, knock},
    wire::{Row, Session, WireError},
};

/// How one endpoint was found.
enum Found {
    Works,
    NotYet(String),
    Broken(Failure),
}

/// How long to wait before the next look.
const NEXT_LOOK: Duration = Duration::from_secs(1);

/// Logs in everywhere and runs a statement. A follower that does not accept the candidate is *not yet*, and so is a
/// deciding endpoint that refuses it or is a standby: a fail-over may be on its way.
pub(crate) async fn verify(
    job: &Job,
    target: &Target,
    credential: Credential<'_>,
    until: Until,
) -> Result<Verdict, Failure> {
    let knocks = knock(job, credential, "keywheel/verify", until).await?;
    let names: Vec<String> = knocks.iter().map(|knock| knock.endpoint.name()).collect();
    let standings: Vec<Standing> = knocks.iter().map(|knock| knock.endpoint.standing).collect();
    let found = join_all(knocks.into_iter().map(|knock| look(job, target, credential, knock, until))).await;
    let mut missing = Vec::new();
    for ((found, name), standing) in found.into_iter().zip(&names).zip(standings) {
        match (found, standing) {
            (Found::Works, _) => {}
            (Found::NotYet(because), _) => missing.push(format!("{name}: {because}")),
            (Found::Broken(failure), Standing::Deciding) => return Err(failure),
            (Found::Broken(failure), Standing::Following) => missing.push(format!("{name}: {}", failure.sentence)),
        }
    }
    if missing.is_empty() {
        return Ok(Verdict::Works { endpoints: names });
    }
    Ok(Verdict::NotYet { look_again_in: NEXT_LOOK, because: missing.join("; ") })
}

async fn look(job: &Job, target: &Target, credential: Credential<'_>, knock: Knock<'_>, until: Until) -> Found {
    let decides = knock.endpoint.standing == Standing::Deciding;
    match (knock.entry, knock.attempt.result) {
        (Entry::Accepted, Ok(session)) => use_session(session, credential.role, decides, until).await,
        // Accepted, and no session: a connection limit. That the server is no standby is asked by the admin.
        (Entry::Accepted, Err(_)) if decides => match recovery_seen_by_admin(job, target, until).await {
            Ok(false) => Found::Works,
            Ok(true) => Found::NotYet("the server is a standby".to_owned()),
            Err(failure) => Found::NotYet(failure.sentence),
        },
        (Entry::Accepted, Err(_)) => Found::Works,
        (Entry::NotAsked, _) => Found::Broken(not_asked(&knock.endpoint.name())),
        (Entry::Barred { because, .. }, _) => Found::Broken(barred(credential.role, &because)),
        (Entry::Silent { .. }, Err(error @ (WireError::Tls { .. } | WireError::Protocol { .. }))) => {
            Found::Broken(classify::admin_failure(&error, &knock.endpoint.name()))
        }
        (Entry::Silent { because }, _) => Found::NotYet(because),
        (Entry::WrongOrExpired, _) => match why_refused(job, target, credential.role, until).await {
            WhyRefused::Wrong => Found::NotYet("the password is refused".to_owned()),
            WhyRefused::Expired => Found::Broken(expired(credential.role)),
            WhyRefused::NoAccount => Found::Broken(barred(credential.role, "there is no such login role")),
            WhyRefused::NotSeen(because) => Found::NotYet(format!("refused; the account was not seen: {because}")),
        },
    }
}

async fn use_session(mut session: Session, role: &str, decides: bool, until: Until) -> Found {
    let asked = timeout(until.left(), session.query("SELECT session_user, pg_catalog.pg_is_in_recovery()")).await;
    let found = match asked {
        Err(_) => Found::NotYet("no answer to a statement within the deadline".to_owned()),
        Ok(Err(error)) => Found::NotYet(format!("a statement failed: {error}")),
        Ok(Ok(rows)) => judge(rows.first(), role, decides),
    };
    session.close().await;
    found
}

fn judge(row: Option<&Row>, role: &str, decides: bool) -> Found {
    match row {
        None => Found::NotYet("a statement had no answer".to_owned()),
        Some(row) if row.text(0) != Some(role) => Found::Broken(Failure::misconfigured(
            "target.host",
            "postgres-other-account",
            format!("the session belongs to `{}`", row.text(0).unwrap_or_default().escape_debug()),
            "connect to the server itself, not to a pooler that maps accounts",
        )),
        Some(row) if decides && row.is_true(1) => Found::NotYet("the server is a standby".to_owned()),
        Some(_) => Found::Works,
    }
}

async fn recovery_seen_by_admin(job: &Job, target: &Target, until: Until) -> Result<bool, Failure> {
    let admin = Admin::open(job, target, "keywheel/look", until).await?;
    let is_in_recovery = admin.facts.is_in_recovery;
    admin.close().await;
    Ok(is_in_recovery)
}

fn not_asked(endpoint: &str) -> Failure {
    Failure::misconfigured(
        "target.host",
        "postgres-any-password-accepted",
        format!("`{endpoint}` lets the role in without asking for a password"),
        "set the role's line in pg_hba.conf to scram-sha-256: `trust`, `peer` and `cert` ask for none",
    )
}

fn barred(role: &str, because: &str) -> Failure {
    Failure::misconfigured(
        "secret.role",
        "postgres-login-barred",
        format!("the role `{}` is not let in, whatever its password: {because}", role.escape_debug()),
        "give the role LOGIN, CONNECT on the database, and a line in pg_hba.conf",
    )
}

fn expired(role: &str) -> Failure {
    Failure::misconfigured(
        "secret.valid_until",
        "postgres-role-expired",
        format!("`VALID UNTIL` of the role `{}` has passed", role.escape_debug()),
        "set `valid_until` to `infinity` or `next-due+7d`, or move the end at the server",
    )
}
