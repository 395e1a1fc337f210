//! Every look of a preflight, in order.

use keywheel_contract::{CheckOutcome, Cx, Failure, Preflight, Target, Work};

use super::{
    super::{
        admin::Admin,
        alternate::Pair,
        control,
        job::{Job, Until},
        statements,
    },
    promises,
    report::Report,
    server,
};

/// Adds what keeps two roles from taking turns.
async fn compare(
    admin: &mut Admin,
    job: &Job,
    target: &Target,
    work: &Work,
    until: Until,
    report: &mut Report,
) -> Result<(), Failure> {
    let Some(pair) = Pair::of(job, work) else { return Ok(()) };
    let problems = pair.problems(admin, job, target, until).await?;
    let outcome = if problems.is_empty() { CheckOutcome::Passed } else { CheckOutcome::Failed };
    report.check("both roles own nothing and have equal rights", outcome, format!("{} findings", problems.len()));
    for problem in problems {
        report.add(problem);
    }
    Ok(())
}

/// Looks at everything that can be looked at. A server that does not answer is a finding, so that what the settings
/// alone tell is seen as well.
pub(crate) async fn preflight(
    cx: &Cx<'_>,
    job: &Job,
    target: &Target,
    work: &Work,
    until: Until,
) -> Result<Preflight, Failure> {
    let mut report = Report::default();
    promises::promises(job, target, work, &mut report);
    let role = job.secret.next_role(work.current.as_ref().and_then(|current| current.text("username")));
    match Admin::open(job, target, "keywheel/preflight", until).await {
        Ok(mut admin) => {
            report.check("an admin session", CheckOutcome::Passed, format!("as `{}`", admin.role.escape_debug()));
            let looked = server::look(&mut admin, job, work, &mut report).await;
            let compared = compare(&mut admin, job, target, work, until, &mut report).await;
            admin.close().await;
            looked.and(compared)?;
        }
        Err(failure) => report.failed("an admin session", failure),
    }
    control::control(cx.random, job, role, until, &mut report).await?;
    match job.secret.valid_until_text(work.next_due_at) {
        Ok(end) => report.change(statements::alter_password_masked(role, end.as_deref())),
        Err(failure) => report.failed("an end that follows the schedule", failure),
    }
    Ok(report.finish())
}
