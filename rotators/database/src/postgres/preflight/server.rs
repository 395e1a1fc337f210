//! What the server itself says: version, settings, the role and the admin's rights.

use chrono::{DateTime, SecondsFormat, Utc};
use keywheel_contract::{CheckOutcome, Failure, Work};

use super::Report;
use crate::postgres::{
    account::{Account, Obstacle},
    admin::Admin,
    job::Job,
    settings::{PasswordForm, ValidUntil},
    stored,
};

/// SCRAM came with 10.
const OLDEST_VERSION: u32 = 100_000;

/// Looks at the server and at every role of the secret.
pub(super) async fn look(admin: &mut Admin, job: &Job, work: &Work, report: &mut Report) -> Result<(), Failure> {
    server(admin, job, report).await?;
    for role in job.secret.roles() {
        account(admin, job, work, role, report).await?;
    }
    Ok(())
}

async fn server(admin: &mut Admin, job: &Job, report: &mut Report) -> Result<(), Failure> {
    let facts = admin.facts.clone();
    let (major, minor) = (facts.version / 10_000, facts.version % 10_000);
    report.check("the server's version", CheckOutcome::Passed, format!("{major}.{minor}"));
    if facts.version < OLDEST_VERSION {
        report.block("server-too-old", format!("the server is PostgreSQL {major}"), "10 is the oldest that works");
    }
    if facts.is_in_recovery {
        report.block("server-is-standby", "the server is a standby and takes no changes", "name the primary as `host`");
    }
    if facts.encryption != stored::SCRAM && job.secret.form == PasswordForm::Verifier {
        report.block(
            "md5-server",
            format!("the server's `password_encryption` is `{}`", facts.encryption),
            "set it to `scram-sha-256` at the server, or `password_form` to `md5` and acknowledge `md5-password`",
        );
    }
    if facts.synchronous_commit == "off" {
        report.note(
            "asynchronous-commit",
            "the server commits asynchronously: a crash there can lose the latest changes",
            "keywheel switches it on in its own sessions; nothing to do",
        );
    }
    let libraries = admin.ask("SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries'").await?;
    let policies: Vec<&str> = libraries
        .first()
        .and_then(|row| row.text(0))
        .map(|list| list.split(',').map(str::trim).filter(|name| POLICIES.contains(name)).collect())
        .unwrap_or_default();
    if !policies.is_empty() && job.secret.form != PasswordForm::Clear {
        report.note(
            "password-policy",
            format!("the server checks passwords with `{}`, which cannot see a verifier", policies.join("`, `")),
            "if it refuses verifiers, or must see passwords, set `password_form` to `clear`",
        );
    }
    Ok(())
}

/// Libraries that check passwords.
const POLICIES: [&str; 3] = ["passwordcheck", "passwordcheck_extra", "credcheck"];

async fn account(admin: &mut Admin, job: &Job, work: &Work, role: &str, report: &mut Report) -> Result<(), Failure> {
    let shown = role.escape_debug().to_string();
    let sets_end = job.secret.valid_until != ValidUntil::Keep;
    let Some(account) = Account::find(admin, role, sets_end).await? else {
        report.check(format!("the role `{shown}`"), CheckOutcome::Failed, "there is none");
        report.block("role-missing", format!("there is no role `{shown}`"), "create it, or name one that exists");
        return Ok(());
    };
    let outcome = if account.can_log_in { CheckOutcome::Passed } else { CheckOutcome::Failed };
    report.check(format!("the role `{shown}` may log in"), outcome, "as the catalogue says");
    if !account.can_log_in {
        let sentence = format!("the role `{shown}` has NOLOGIN");
        report.block("role-cannot-log-in", sentence, "give it LOGIN, or name a login role");
    }
    let outcome = if account.obstacle.is_none() { CheckOutcome::Passed } else { CheckOutcome::Failed };
    let admin_shown = admin.role.escape_debug().to_string();
    report.check(format!("`{admin_shown}` may change `{shown}`"), outcome, "by the rules of the server's version");
    if let Some(obstacle) = account.obstacle {
        let sentence = format!("the admin `{admin_shown}` may not change `{shown}`");
        report.block("permission-denied", sentence, mend(obstacle, &admin_shown, &shown));
    }
    if job.secret.valid_until == ValidUntil::Keep {
        end(&account, work, &shown, report);
    }
    Ok(())
}

fn mend(obstacle: Obstacle, admin: &str, role: &str) -> String {
    match obstacle {
        Obstacle::Superuser => {
            "this role is changed by superusers alone: use one as admin, or take SUPERUSER and, before 16, \
             REPLICATION from the role"
                .to_owned()
        }
        Obstacle::CreateRole => format!("run as a superuser: ALTER ROLE \"{admin}\" CREATEROLE"),
        Obstacle::AdminOption => format!("run as a superuser: GRANT \"{role}\" TO \"{admin}\" WITH ADMIN OPTION"),
    }
}

/// An end that stays must be later than the next rotation.
fn end(account: &Account, work: &Work, role: &str, report: &mut Report) {
    let hint = "move the end at the server, or set `valid_until` to `infinity` or `next-due+7d`";
    let Some(end) = account.valid_until else { return };
    let shown = DateTime::<Utc>::from_timestamp_micros(end)
        .map_or_else(|| "an unknown time".to_owned(), |end| end.to_rfc3339_opts(SecondsFormat::Secs, true));
    if account.is_expired {
        report.block("valid-until-passed", format!("`{role}` is valid until {shown}, which has passed"), hint);
    } else if work.next_due_at.is_some_and(|due| end <= due) {
        let sentence = format!("`{role}` is valid until {shown}, which is before the next rotation is due");
        report.block("valid-until-before-next-due", sentence, hint);
    } else if work.next_due_at.is_none() {
        report.note("valid-until-kept", format!("`{role}` is valid until {shown} and no rotation is scheduled"), hint);
    }
}
