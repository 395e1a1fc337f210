//! Logs in as a credential at every endpoint, each over a fresh connection, at once.

use futures_util::future::join_all;
use keywheel_contract::Failure;

use super::{
    classify::{Entry, entry_of},
    job::{Credential, Job, Until},
    settings::Endpoint,
    wire::{Attempt, Login, log_in},
};

/// What one endpoint answered.
pub(crate) struct Knock<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) entry: Entry,
    pub(crate) attempt: Attempt,
}

/// Logs in at every endpoint of the target; fails only where an address cannot be made of the settings.
pub(crate) async fn knock<'a>(
    job: &'a Job,
    credential: Credential<'_>,
    application: &str,
    until: Until,
) -> Result<Vec<Knock<'a>>, Failure> {
    let mut knocks = Vec::new();
    for endpoint in &job.target.endpoints {
        let address = job.target.address(endpoint)?;
        knocks.push(async move {
            let who = Login {
                role: credential.role,
                password: credential.password,
                database: job.login_database(),
                application,
            };
            let attempt = log_in(&address, who, job.target.connect_timeout.min(until.left())).await;
            Knock { endpoint, entry: entry_of(&attempt), attempt }
        });
    }
    Ok(join_all(knocks).await)
}

impl Knock<'_> {
    /// Leaves the session, if there is one.
    pub(crate) async fn leave(self) {
        if let Ok(session) = self.attempt.result {
            session.close().await;
        }
    }
}
