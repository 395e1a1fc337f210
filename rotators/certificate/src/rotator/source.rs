//! Where certificates come from: a private authority, whose key is at hand, or a public one, which is asked in `apply`.

use chrono::{DateTime, Utc};
use keywheel_contract::{Cx, Failure, Material, Random, Target, Work};

use super::{
    Host, NOT_ISSUED, Wish,
    failures::{chain, of_stored},
    held::{Held, Shown},
    job::{Job, admin, obtainer},
    settings::invalid,
};
use crate::x509::{self, Authority, GateError, IssueError, Issued, KeyKind, LeafRequest, PrivateKey, Wanted};

/// Makes a key and, where the authority is private, a certificate for it.
pub(super) async fn mint(cx: &Cx<'_>, job: &Job, target: &Target) -> Result<(Material, String), Failure> {
    if job.target.acme.is_some() {
        let key = key(job.secret.key).await?;
        let pem = key.to_pem();
        return Ok((Material::of_texts([("private_key", pem.expose())]), NOT_ISSUED.to_owned()));
    }
    let authority = authority(target)?;
    let key = key(job.secret.key).await?;
    let issued = issue(job, &authority, &key, cx.random, cx.now)?;
    admit(job, &issued, &key, cx.now)?;
    let serial = issued.certificate.facts().serial.clone();
    Ok((issued.to_material(Some(&key)), serial))
}

/// Makes a key on a thread that may be busy: RSA takes its time.
async fn key(kind: KeyKind) -> Result<PrivateKey, Failure> {
    let made = tokio::task::spawn_blocking(move || PrivateKey::generate(kind)).await;
    let lost = |_| Failure::transient("key-not-made", "the making of a key ended without an answer", "report this");
    made.map_err(lost)?.map_err(|error| Failure::transient(error.code(), error.to_string(), error.hint()))
}

/// The private authority among the admin's values: the first that is one.
pub(super) fn authority(target: &Target) -> Result<Authority, Failure> {
    let first = admin(target)?;
    if first.text("certificate").is_none() {
        let hint = "set the target's `acme`, or its admin to the secret of an authority";
        let sentence = format!("the admin of the target `{}` is no authority, and `acme` is not set", target.name);
        return Err(Failure::misconfigured("target.admin", "certificate-no-authority", sentence, hint));
    }
    let mut read = target.admins.iter().map(Authority::from_material);
    let first = read.next().expect("there is a first");
    first
        .or_else(|error| read.find_map(Result::ok).ok_or(error))
        .map_err(|error| Failure::misconfigured("target.admin", error.code(), chain(&error), error.hint()))
}

/// Has a private authority issue a certificate.
pub(super) fn issue(
    job: &Job,
    authority: &Authority,
    key: &PrivateKey,
    random: &dyn Random,
    now: DateTime<Utc>,
) -> Result<Issued, Failure> {
    let secret = &job.secret;
    let request = LeafRequest {
        common_name: secret.common_name.clone(),
        organisation: secret.organisation.clone(),
        names: secret.names.clone(),
        profile: secret.profile,
        lifetime: secret.lifetime,
        on_clamp: secret.on_clamp,
        crl_url: job.target.crl_url.clone(),
    };
    authority.issue(&request, key, random, now).map_err(|error| {
        let key = match &error {
            IssueError::NoNames | IssueError::TooManyNames | IssueError::NameForbidden { .. } => "secret.names",
            IssueError::Subject(_) => "secret.common_name",
            IssueError::Lifetime | IssueError::OutlivesAuthority { .. } => "secret.lifetime",
            IssueError::CrlUrl(_) => "target.crl_url",
            _ => "target.admin",
        };
        Failure::misconfigured(key, error.code(), chain(&error), error.hint())
    })
}

/// The candidate with its certificate, which is had from a public authority if it is not there yet; and whether it was
/// had just now. What was had is sealed before anything else is done with it.
pub(super) async fn complete(
    cx: &Cx<'_>,
    host: &Host,
    job: &Job,
    target: &Target,
    work: &Work,
    candidate: &Material,
) -> Result<Option<(Material, String)>, Failure> {
    if candidate.text("certificate").is_some() {
        return Ok(None);
    }
    let Some(acme) = &job.target.acme else {
        let hint = "set the target's `acme` again, or roll this rotation back";
        return Err(invalid("target.acme", "the candidate waits for a public authority, and `acme` is not set", hint));
    };
    let wish = Wish {
        accounts: admin(target)?,
        acme,
        names: &job.secret.names,
        common_name: job.secret.common_name.as_deref(),
        profile: job.secret.profile,
        current: work.current.as_ref(),
    };
    let material = obtainer(host)?.obtain(cx, &wish, candidate).await?;
    let serial = Shown::read("secret.candidate", &material)?.serial().to_owned();
    cx.checkpoint.keep(&material, &serial).await?;
    Ok(Some((material, serial)))
}

/// Checks a candidate before it is installed: its names, its key, its use, its time, and its way to its anchor.
pub(super) fn admit_material(job: &Job, material: &Material, held: &Held, now: DateTime<Utc>) -> Result<(), Failure> {
    let issued = Issued::from_material(material).map_err(|error| of_stored("secret.candidate", &error))?;
    admit(job, &issued, &held.key, now)
}

/// A value that is past its end is made anew by the next try; anything else would be the same again, and each order
/// that is tried in vain counts at a public authority.
fn admit(job: &Job, issued: &Issued, key: &PrivateKey, now: DateTime<Utc>) -> Result<(), Failure> {
    let wanted =
        Wanted { names: &job.secret.names, profile: job.secret.profile, key, anchor: &issued.root, longest: None };
    x509::gate(issued, &wanted, now).map_err(|error| {
        let (code, sentence, hint) = (error.code(), chain(&error), error.hint());
        if matches!(error, GateError::NotYetValid(_)) && job.target.acme.is_some() {
            // The authority's clock is ahead, and time mends it.
            return Failure::transient(code, sentence, hint);
        }
        if now > issued.certificate.facts().not_after || job.target.acme.is_none() {
            return Failure::refused(code, sentence, hint);
        }
        Failure::misconfigured("target.acme", code, sentence, hint)
    })
}
