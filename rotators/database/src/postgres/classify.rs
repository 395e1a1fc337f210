//! What an error means, by SQLSTATE, by the server's routine and by how far the login went.
//!
//! Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>; routines: `postinit.c`, `miscinit.c`,
//! `auth.c` and `heapam.c` of PostgreSQL's source.

use keywheel_contract::{Decision, Failure};

use super::wire::{Attempt, ServerError, WireError};

/// What one login says about a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The server asked for the password and accepted it.
    Accepted,
    /// The server let the login in without asking: nothing is known of the credential.
    NotAsked,
    /// The server refused: a wrong password, a past `VALID UNTIL` or a missing role answer alike.
    WrongOrExpired,
    /// The account is not let in, whatever the password.
    Barred {
        /// Whether the password had been accepted before.
        is_proven: bool,
        /// What the server said.
        because: String,
    },
    /// No answer that says either.
    Silent {
        /// What happened instead.
        because: String,
    },
}

/// Judges one login.
pub(crate) fn entry_of(attempt: &Attempt) -> Entry {
    let entry = match &attempt.result {
        Ok(_) => Entry::Accepted,
        Err(WireError::Server(error)) => judge(error, attempt.was_authenticated),
        Err(other) => Entry::Silent { because: other.to_string() },
    };
    match entry {
        Entry::Accepted if !attempt.was_asked => Entry::NotAsked,
        Entry::Barred { because, is_proven } => Entry::Barred { because, is_proven: is_proven && attempt.was_asked },
        other => other,
    }
}

/// Judges an error that ended a login; `was_authenticated` tells whether the server had accepted it before.
pub(crate) fn judge(error: &ServerError, was_authenticated: bool) -> Entry {
    let because = format!("{} ({})", error.message, error.code);
    match (error.code.as_str(), error.routine.as_str()) {
        ("28P01", _) => Entry::WrongOrExpired,
        // pg_hba.conf before the password, NOLOGIN after it.
        ("28000", _) => Entry::Barred { is_proven: was_authenticated, because },
        // A limit of the role, of the database or of the slots for ordinary roles is looked at after the password.
        ("53300", "InitializeSessionUserId" | "CheckMyDatabase" | "InitPostgres") if was_authenticated => {
            Entry::Accepted
        }
        ("53300", _) => Entry::Silent { because },
        (code, _) if code.starts_with("57P") || !was_authenticated => Entry::Silent { because },
        // No CONNECT privilege, or a database that takes no connections.
        ("42501" | "55000", _) => Entry::Barred { is_proven: true, because },
        // 3D000, a missing database, and whatever else is found after the password was accepted.
        _ => Entry::Accepted,
    }
}

/// Judges an error that a statement met after the session was named.
pub(crate) fn statement_failure(error: &ServerError) -> Failure {
    let said = format!("the server refused: {} ({})", error.message, error.code);
    if error.severity != "ERROR" {
        // The session ended; whether before or after the commit, it does not say.
        return Failure::unknown("postgres-session-ended", said, "nothing to do: the evidence is looked for");
    }
    match (error.code.as_str(), error.routine.as_str()) {
        ("55P03", _) => {
            Failure::transient("postgres-role-locked", said, "another session holds the role's row: see pg_locks")
        }
        ("57014", _) => Failure::transient("postgres-too-slow", said, "the statement was cancelled at its time limit"),
        ("XX000", "simple_heap_update" | "simple_heap_delete") => {
            Failure::transient("postgres-concurrent-change", said, "another session changed the role just now")
        }
        ("40001" | "40P01", _) => Failure::transient("postgres-concurrent-change", said, "it is tried again"),
        ("25006", _) => Failure::transient(
            "postgres-read-only",
            said,
            "the server is a standby or read-only: point the target's `host` at the primary",
        ),
        ("42501", _) => Failure::misconfigured(
            "target.admin",
            "postgres-permission-denied",
            said,
            "the admin needs CREATEROLE, from 16 on also ADMIN OPTION on the role; superusers, and before 16 roles \
             with REPLICATION, are changed by superusers alone",
        ),
        ("42704", _) => Failure::misconfigured(
            "secret.role",
            "postgres-role-missing",
            said,
            "create the role, or name one that exists",
        ),
        (code, _) if code.starts_with("53") => {
            Failure::transient("postgres-out-of-resources", said, "free the resource that the server names")
        }
        _ => Failure::refused("postgres-statement-refused", said, "see the server's log for the statement"),
    }
}

/// Judges an error that the change of a password met: a policy may have refused it.
pub(crate) fn change_failure(error: &ServerError) -> Failure {
    let failure = statement_failure(error);
    if failure.decision != Decision::Refused || !["22", "28", "P0"].contains(&error.code.get(..2).unwrap_or_default()) {
        return failure;
    }
    let hint = "adapt the secret's `password` rules to the server's policy; a policy that must see the password needs \
                `password_form = \"clear\"`";
    Failure::refused("postgres-password-refused", failure.sentence, hint)
}

/// Judges why the admin could not log in at an endpoint, other than by a wrong password.
pub(crate) fn admin_failure(error: &WireError, endpoint: &str) -> Failure {
    let said = format!("no admin session at `{endpoint}`: {error}");
    let code = match error {
        WireError::Server(error) => error.code.as_str(),
        WireError::Silent { .. } => {
            let hint = "check that the server runs and that `host` and `port` of the target are right";
            return Failure::transient("postgres-unreachable", said, hint);
        }
        WireError::Tls { .. } => {
            let hint = "give the authority's certificate as `ca`, or the name that stands in the server's certificate \
                        as `host`; `tls = \"off\"` needs an acknowledgement";
            return Failure::misconfigured("target.tls", "postgres-tls-failed", said, hint);
        }
        WireError::Protocol { .. } => {
            let hint = "check that a PostgreSQL server answers at `host` and `port`";
            return Failure::misconfigured("target.host", "postgres-protocol", said, hint);
        }
    };
    match code {
        "28000" => {
            let hint = "allow the admin's login in pg_hba.conf, with scram-sha-256, and give the role LOGIN";
            Failure::misconfigured("target.admin", "postgres-admin-barred", said, hint)
        }
        "3D000" | "42501" | "55000" => {
            let hint = "set `database` to one that exists and that the admin may connect to";
            Failure::misconfigured("target.database", "postgres-database-refused", said, hint)
        }
        _ => Failure::transient("postgres-unreachable", said, "it is tried again"),
    }
}

/// Every admin credential was refused.
pub(crate) fn admin_refused(role: &str) -> Failure {
    Failure::misconfigured(
        "target.admin",
        "postgres-admin-refused",
        format!("the server refused the password of the admin `{}`", role.escape_debug()),
        "store the admin's present password in the secret that the target names as `admin`",
    )
}

/// The target names no admin.
pub(crate) fn admin_missing() -> Failure {
    Failure::misconfigured(
        "target.admin",
        "postgres-admin-missing",
        "the target has no admin credential",
        "name a secret with `username` and `password` as the target's `admin`",
    )
}

/// An answer of another shape than PostgreSQL's.
pub(crate) fn odd_answer(what: &str) -> Failure {
    Failure::misconfigured(
        "target.host",
        "postgres-protocol",
        format!("the answer about {what} is not PostgreSQL's"),
        "connect to the server itself, not to a pooler",
    )
}

/// The time was over before the change was sent.
pub(crate) fn too_late() -> Failure {
    let sentence = "the time for the change was over before it was sent";
    Failure::transient("postgres-too-late", sentence, "is the target overloaded? It is tried again")
}

/// A question without effect was not answered.
pub(crate) fn lost_question(error: &WireError) -> Failure {
    Failure::transient("postgres-unreachable", format!("the admin's session was lost: {error}"), "it is tried again")
}

/// A change was sent, and no answer came.
pub(crate) fn lost_change(error: &WireError) -> Failure {
    Failure::unknown(
        "postgres-answer-lost",
        format!("the change was sent, and its answer was lost: {error}"),
        "nothing to do: what may still run is ended, then the evidence is looked for",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, routine: &str, severity: &str) -> ServerError {
        let [severity, code, routine] = [severity, code, routine].map(str::to_owned);
        ServerError { severity, code, routine, message: "m".to_owned() }
    }

    #[test]
    fn logins_are_judged_by_code_routine_and_progress() {
        let barred = |is_proven| Entry::Barred { is_proven, because: String::new() };
        let silent = || Entry::Silent { because: String::new() };
        for (code, routine, was_authenticated, expected) in [
            ("28P01", "auth_failed", false, Entry::WrongOrExpired),
            ("28000", "ClientAuthentication", false, barred(false)),
            ("28000", "auth_failed", false, barred(false)),
            ("28000", "InitializeSessionUserId", true, barred(true)),
            ("53300", "InitializeSessionUserId", true, Entry::Accepted),
            ("53300", "CheckMyDatabase", true, Entry::Accepted),
            ("53300", "InitPostgres", true, Entry::Accepted),
            ("53300", "InitPostgres", false, silent()),
            ("53300", "ProcessStartupPacket", false, silent()),
            ("53300", "", true, silent()),
            ("3D000", "InitPostgres", true, Entry::Accepted),
            ("3D000", "InitPostgres", false, silent()),
            ("42501", "CheckMyDatabase", true, barred(true)),
            ("55000", "CheckMyDatabase", true, barred(true)),
            ("57P03", "ProcessStartupPacket", false, silent()),
            ("57P01", "ProcessInterrupts", true, silent()),
            ("08P01", "", false, silent()),
            ("58P01", "internal_load_library", true, Entry::Accepted),
        ] {
            let judged = match judge(&error(code, routine, "FATAL"), was_authenticated) {
                Entry::Barred { is_proven, .. } => barred(is_proven),
                Entry::Silent { .. } => silent(),
                other => other,
            };
            assert_eq!(judged, expected, "{code} {routine} {was_authenticated}");
        }
    }

    #[test]
    fn statements_are_judged_by_code_and_routine() {
        let key = |key: &str| Decision::Misconfigured { key: key.to_owned() };
        let transient = || Decision::Transient { not_before: None };
        for (code, routine, severity, expected) in [
            ("55P03", "ProcessInterrupts", "ERROR", transient()),
            ("57014", "ProcessInterrupts", "ERROR", transient()),
            ("XX000", "simple_heap_update", "ERROR", transient()),
            ("XX000", "elog_finish", "ERROR", Decision::Refused),
            ("40P01", "DeadLockReport", "ERROR", transient()),
            ("25006", "PreventCommandIfReadOnly", "ERROR", transient()),
            ("42501", "AlterRole", "ERROR", key("target.admin")),
            ("42704", "get_role_tuple", "ERROR", key("secret.role")),
            ("22023", "check_password", "ERROR", Decision::Refused),
            ("53100", "", "ERROR", transient()),
            ("57P01", "ProcessInterrupts", "FATAL", Decision::Unknown),
            ("XX000", "", "PANIC", Decision::Unknown),
        ] {
            assert_eq!(statement_failure(&error(code, routine, severity)).decision, expected, "{code} {severity}");
        }
    }
}
