//! The negative control: a random password must be refused, or a login proves nothing.

use keywheel_contract::{CheckOutcome, Failure, Random};

use super::{
    classify::Entry,
    job::{Credential, Job, Until},
    knock::knock,
    preflight::Report,
    stored,
};

/// Logs in as a role with a random password at every endpoint and reports what came of it.
pub(crate) async fn control(
    random: &dyn Random,
    job: &Job,
    role: &str,
    until: Until,
    report: &mut Report,
) -> Result<(), Failure> {
    let password = stored::unknown_password(random, job)?;
    let credential = Credential { role, password: password.expose() };
    for knock in knock(job, credential, "keywheel/control", until).await? {
        let endpoint = knock.endpoint.name();
        let name = format!("a random password is refused at {endpoint}");
        match &knock.entry {
            Entry::WrongOrExpired => report.check(name, CheckOutcome::Passed, "refused"),
            Entry::Accepted | Entry::NotAsked => {
                report.check(name, CheckOutcome::Failed, "it was accepted");
                report.block(
                    "any-password-accepted",
                    format!("`{endpoint}` lets `{}` in with any password", role.escape_debug()),
                    "set the role's line in pg_hba.conf to scram-sha-256, or connect past the pooler: a login proves \
                     nothing there",
                );
            }
            Entry::Barred { because, .. } => {
                report.check(name, CheckOutcome::Failed, because.clone());
                report.block(
                    "login-barred",
                    format!("`{endpoint}` does not let `{}` in, whatever the password", role.escape_debug()),
                    "give the role a line in pg_hba.conf with scram-sha-256, for this host and database",
                );
            }
            Entry::Silent { because } => {
                report.check(name, CheckOutcome::Skipped, because.clone());
                report.block(
                    "endpoint-unreachable",
                    format!("`{endpoint}` gave no answer that can be judged"),
                    "check `host`, `port` and `tls`, and that the server runs; see the check for what happened",
                );
            }
        }
        knock.leave().await;
    }
    Ok(())
}
