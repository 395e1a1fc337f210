//! What the settings alone give up.

use keywheel_contract::{Target, Work};

use super::Report;
use crate::postgres::{
    job::Job,
    settings::{PasswordForm, Strategy, TlsMode},
};

/// Names the promises that the settings give up.
pub(super) fn promises(job: &Job, target: &Target, work: &Work, report: &mut Report) {
    if let Strategy::Single { role } = &job.secret.strategy {
        let role = role.escape_debug();
        report.ask(
            "no-overlap",
            format!("the role `{role}` has one password: the old one ends at the instant the new one begins"),
            "use strategy `alternate` with two roles, or see that the application fetches a new password when a \
             login is refused, and acknowledge",
        );
        if work.current.is_none() {
            report.ask(
                "no-way-back",
                format!("the present password of `{role}` is not known: the first rotation cannot be reverted"),
                "adopt the secret with its present password, or acknowledge",
            );
        }
    }
    for endpoint in &job.target.endpoints {
        if endpoint.tls == TlsMode::Off && !endpoint.is_local() {
            report.ask(
                "no-tls",
                format!("the connection to `{}` is not encrypted and the server is not verified", endpoint.name()),
                "set the target's `tls` to `verify-full` and `ca` to its authority, or acknowledge",
            );
        }
    }
    match job.secret.form {
        PasswordForm::Verifier => {}
        PasswordForm::Md5 => report.ask(
            "md5-password",
            "the password is stored as md5, which is broken: who reads it at the server can log in with it",
            "set `password_encryption = scram-sha-256` at the server and take out `password_form`, or acknowledge",
        ),
        PasswordForm::Clear => report.ask(
            "clear-password-reaches-server",
            "each new password is sent to the server in clear: its log, pg_stat_activity and pg_stat_statements may \
             hold it",
            "take out `password_form` if the server's policy allows a verifier, or acknowledge",
        ),
    }
    if job.secret.is_self_managed && target.admins.len() < 2 {
        report.ask(
            "self-managed-no-second-admin",
            "the account changes its own password and nobody else can: were its password lost, only the server's \
             owner could help",
            "give the target another admin, or acknowledge",
        );
    }
}
