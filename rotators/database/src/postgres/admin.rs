//! Sessions of the admin: named, bounded, and with settings of the role or the database put aside.

use keywheel_contract::{Failure, Redactor, Target};
use tokio::time::timeout;

use super::{
    classify,
    job::{Credential, Job, Until},
    quote::literal,
    scram,
    wire::{Login, Row, ServerError, Session, WireError, log_in},
};

/// What the server told about itself when the session was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Such as 150004 for 15.4.
    pub(crate) version: u32,
    /// `scram-sha-256` or `md5`.
    pub(crate) encryption: String,
    /// The rounds that verifiers are made with.
    pub(crate) rounds: u32,
    /// Whether the server is a standby, which takes no changes.
    pub(crate) is_in_recovery: bool,
    /// `synchronous_commit` as it was before this session changed it.
    pub(crate) synchronous_commit: String,
}

/// An admin's session at the target's first endpoint.
pub(crate) struct Admin {
    session: Session,
    until: Until,
    redactor: Redactor,
    pub(crate) role: String,
    pub(crate) facts: Facts,
}

impl Admin {
    /// Logs in with the first of the target's admin credentials that is not refused, names the session, bounds its
    /// statements by the time that is left, and waits until the server has said that this is done.
    pub(crate) async fn open(job: &Job, target: &Target, name: &str, until: Until) -> Result<Self, Failure> {
        Self::open_in(&job.target.database, job, target, name, until).await
    }

    /// The same in another database than the target's.
    pub(crate) async fn open_in(
        database: &str,
        job: &Job,
        target: &Target,
        name: &str,
        until: Until,
    ) -> Result<Self, Failure> {
        let address = job.target.address(&job.target.endpoints[0])?;
        let mut refusal = None;
        for admin in &target.admins {
            let credential = Credential::read("target.admin", admin)?;
            let Credential { role, password } = credential;
            let who = Login { role, password, database, application: "keywheel" };
            match log_in(&address, who, job.target.connect_timeout.min(until.left())).await.result {
                Ok(session) => {
                    return Self::named(
                        session,
                        credential.role,
                        name,
                        until,
                        Redactor::of(&target.admins, &["username"]),
                    )
                    .await;
                }
                Err(WireError::Server(ServerError { code, .. })) if code == "28P01" => {
                    refusal.get_or_insert_with(|| classify::admin_refused(credential.role));
                }
                Err(other) => return Err(classify::admin_failure(&other, &job.target.endpoints[0].name())),
            }
        }
        Err(refusal.unwrap_or_else(classify::admin_missing))
    }

    async fn named(
        session: Session,
        role: &str,
        name: &str,
        until: Until,
        redactor: Redactor,
    ) -> Result<Self, Failure> {
        let facts = Facts {
            version: 0,
            encryption: String::new(),
            rounds: scram::DEFAULT_ROUNDS,
            is_in_recovery: false,
            synchronous_commit: String::new(),
        };
        let mut admin = Self { session, until, redactor, role: role.to_owned(), facts };
        let rows = admin.ask(&naming(name, until)).await?;
        let row = rows.last().ok_or_else(|| classify::odd_answer("the settings of a session"))?;
        admin.facts = facts_of(row).ok_or_else(|| classify::odd_answer("the settings of a session"))?;
        Ok(admin)
    }

    /// Adds values that must not appear in a message of this session.
    pub(crate) fn redact_with(&mut self, redactor: Redactor) {
        self.redactor = redactor;
    }

    /// Asks something that changes nothing: a lost answer may be asked for again.
    pub(crate) async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, Failure> {
        match self.send(sql).await {
            Err(WireError::Server(error)) => Err(classify::statement_failure(&self.redacted(error))),
            Err(other) => Err(classify::lost_question(&other)),
            Ok(rows) => Ok(rows),
        }
    }

    /// Sends a change: a lost answer is unknown. Past the deadline nothing is sent: a process that was suspended
    /// meanwhile is most likely no longer the holder.
    pub(crate) async fn change(&mut self, sql: &str) -> Result<(), Failure> {
        if self.until.left().is_zero() {
            return Err(classify::too_late());
        }
        match self.send(sql).await {
            Err(WireError::Server(error)) => Err(classify::change_failure(&self.redacted(error))),
            Err(other) => Err(classify::lost_change(&other)),
            Ok(_) => Ok(()),
        }
    }

    /// Ends the session politely.
    pub(crate) async fn close(self) {
        let Self { session, until, .. } = self;
        let _ = timeout(until.left(), session.close()).await;
    }

    async fn send(&mut self, sql: &str) -> Result<Vec<Row>, WireError> {
        let late = |_| WireError::Silent { doing: "waiting for an answer", cause: "the deadline".to_owned() };
        timeout(self.until.left(), self.session.query(sql)).await.map_err(late)?
    }

    fn redacted(&self, error: ServerError) -> ServerError {
        ServerError { message: self.redactor.redact(&error.message), ..error }
    }
}

/// The statements that name and bound a session, sent together as one round trip. A lock is waited for half of the
/// time that is left and a statement may take three quarters, so that the server gives up before keywheel does.
fn naming(name: &str, until: Until) -> String {
    let left = until.left().as_millis().clamp(4, 86_400_000);
    format!(
        "SET application_name = {name}; SET search_path = pg_catalog; SET standard_conforming_strings = on; \
         SET default_transaction_read_only = off; SET statement_timeout = {statement}; SET lock_timeout = {lock}; \
         SELECT current_setting('server_version_num'), current_setting('password_encryption'), \
         current_setting('scram_iterations', true), pg_is_in_recovery(), current_setting('synchronous_commit'), \
         set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') = 'remote_apply' \
         THEN 'remote_apply' ELSE 'on' END, false)",
        name = literal(name).as_str(),
        statement = left * 3 / 4,
        lock = left / 2,
    )
}

fn facts_of(row: &Row) -> Option<Facts> {
    Some(Facts {
        version: row.number(0)?,
        encryption: row.text(1)?.to_owned(),
        rounds: row.number(2).filter(|rounds| *rounds > 0).unwrap_or(scram::DEFAULT_ROUNDS),
        is_in_recovery: row.is_true(3),
        synchronous_commit: row.text(4)?.to_owned(),
    })
}
