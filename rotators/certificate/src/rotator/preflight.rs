//! What a rotation would do, and what stands in its way: nothing is written, ordered or run.

use keywheel_contract::{Check, CheckOutcome, Cx, Failure, Finding, FindingKind, Material, Preflight, Target, Work};

use super::{
    endpoints::Looks,
    failures::of_host,
    held::Shown,
    job::{Job, Until, admin},
    source,
};
use crate::{
    host::Linked,
    x509::{KeyKind, PrivateKey},
};

/// Looks at authority, host and endpoints.
pub(super) async fn preflight(
    cx: &Cx<'_>,
    job: &Job,
    target: &Target,
    work: &Work,
    until: Until,
) -> Result<Preflight, Failure> {
    let mut found = Preflight::default();
    authority(cx, job, target, &mut found);
    host(job, &mut found).await;
    if let Some(current) = &work.current {
        endpoints(job, current, until, &mut found).await?;
    }
    changes(job, &mut found);
    Ok(found)
}

/// Has a certificate issued and forgets it: whatever the authority would refuse is refused now.
fn authority(cx: &Cx<'_>, job: &Job, target: &Target, found: &mut Preflight) {
    if job.target.acme.is_some() {
        let has_accounts = admin(target).and_then(|admin| match admin.expose().get("accounts") {
            Some(_) => Ok("the admin has accounts"),
            None => Err(no_accounts()),
        });
        return conclude(found, "public authority", has_accounts);
    }
    let issued = source::authority(target).and_then(|authority| {
        let key = PrivateKey::generate(KeyKind::P256)
            .map_err(|error| Failure::transient(error.code(), error.to_string(), error.hint()))?;
        source::issue(job, &authority, &key, cx.random, cx.now)
    });
    conclude(found, "private authority", issued.map(|_| "it would issue this certificate"));
}

fn no_accounts() -> Failure {
    let hint = "set the target's admin to the secret of ACME accounts";
    Failure::misconfigured("target.admin", "certificate-no-authority", "the admin's value has no `accounts`", hint)
}

async fn host(job: &Job, found: &mut Preflight) {
    let Some(installer) = &job.installer else {
        let hint = "set `install` where this host's services shall use the certificate";
        note(found, "not-installed", "the certificate is issued and kept, and installed nowhere", hint);
        return;
    };
    let looked = match installer.look(Vec::new()).await {
        Ok(room) if room.linked == Linked::Elsewhere => Err(Failure::misconfigured(
            "target.install",
            "install-place-taken",
            "`current` is a link that keywheel did not make",
            "move it away, or install to another folder",
        )),
        Ok(_) => Ok("there is room, and the daemon may write there"),
        Err(error) => Err(of_host(&error)),
    };
    conclude(found, "installation", looked);
    if job.target.probes.is_empty() {
        let hint = "set `probes` with the addresses of the service";
        note(found, "no-probes", "nobody looks whether the service presents the new certificate", hint);
    }
    if job.target.reload.is_none() {
        let hint = "set `reload` to the hook that makes the service read its files again";
        note(found, "no-reload", "the service is not told of a new certificate", hint);
    }
}

async fn endpoints(job: &Job, current: &Material, until: Until, found: &mut Preflight) -> Result<(), Failure> {
    let Some(shown) = Shown::find("secret.current", current)? else { return Ok(()) };
    if job.target.probes.is_empty() {
        return Ok(());
    }
    let looks = Looks::take(&job.target.probes, &shown, until.for_a_look()).await;
    let is_seen = looks.with_leaf() == looks.0.len();
    let outcome = if is_seen { CheckOutcome::Passed } else { CheckOutcome::Skipped };
    let detail = format!("{} of {} endpoints present the version in use", looks.with_leaf(), looks.0.len());
    found.checks.push(Check { name: "endpoints".to_owned(), outcome, detail });
    if !is_seen {
        let sentence = "not every endpoint presents the version in use";
        note(
            found,
            "endpoints-differ",
            sentence,
            "check the addresses of `probes`, and whether the service is running",
        );
    }
    Ok(())
}

fn changes(job: &Job, found: &mut Preflight) {
    let names: Vec<String> = job.secret.names.iter().map(ToString::to_string).collect();
    found.changes.push(format!("issue a certificate with a new {} key for {}", job.secret.key, names.join(", ")));
    if let Some(place) = job.place() {
        found.changes.push(format!("write its files to a folder of their own, and let `{place}` lead there"));
    }
    for (key, hook) in job.target.hooks() {
        found.changes.push(format!("run the hook `{hook}` to {key}"));
    }
}

/// Records a check, and what stands in the way as a finding.
fn conclude(found: &mut Preflight, name: &str, result: Result<&str, Failure>) {
    let (outcome, detail) = match &result {
        Ok(detail) => (CheckOutcome::Passed, (*detail).to_owned()),
        Err(failure) => (CheckOutcome::Failed, failure.sentence.clone()),
    };
    found.checks.push(Check { name: name.to_owned(), outcome, detail });
    if let Err(failure) = result {
        let Failure { code, sentence, hint, .. } = failure;
        found.findings.push(Finding { code: code.to_owned(), kind: FindingKind::Blocks, sentence, hint });
    }
}

fn note(found: &mut Preflight, code: &str, sentence: &str, hint: &str) {
    found.findings.push(Finding {
        code: code.to_owned(),
        kind: FindingKind::Note,
        sentence: sentence.to_owned(),
        hint: hint.to_owned(),
    });
}
