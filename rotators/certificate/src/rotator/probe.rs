//! What endpoints present, and where the link leads, compared with one version.

use keywheel_contract::{Cx, Failure, Material, Observation, Refusal, Seen, Standing};

use super::{
    endpoints::{Look, Looks},
    failures::chain,
    held::{Held, Likeness, Shown},
    job::{Job, Until},
    source,
};
use crate::host::{Installer, Linked};

/// A version that is presented is in force, whatever its date says: a certificate that has ended must still be known
/// for the one that is there, so that another can take its place.
pub(super) async fn probe(
    cx: &Cx<'_>,
    job: &Job,
    credential: &Material,
    until: Until,
) -> Result<Vec<Observation>, Failure> {
    let Some(shown) = Shown::find("secret.value", credential)? else { return Ok(vec![not_issued(job)]) };
    let (Some(installer), Some(place)) = (&job.installer, job.place()) else {
        return Ok(vec![observed("the certificate itself".to_owned(), judged(cx, job, credential, &shown)?)]);
    };
    let mut observations = Vec::new();
    if let Some(seen) = linked(installer, &shown, job.target.probes.is_empty()).await? {
        observations.push(observed(place, seen));
    }
    let looks = Looks::take(&job.target.probes, &shown, until.for_a_look()).await;
    observations.extend(looks.0.into_iter().map(|one| {
        let seen = match one.look {
            // Its chain is for `verify` to insist on: the version that is there is this one.
            Look::Seen(Likeness::Whole | Likeness::WithoutItsChain) => Seen::Works,
            Look::Seen(Likeness::Other) => Seen::Refused { refusal: Refusal::WrongCredential },
            Look::Silent(because) => Seen::Unreachable { because: format!("{}: {because}", one.endpoint) },
        };
        observed(one.endpoint, seen)
    }));
    Ok(observations)
}

fn observed(endpoint: String, seen: Seen) -> Observation {
    Observation { endpoint, standing: Standing::Deciding, seen }
}

/// A key without a certificate is presented nowhere.
fn not_issued(job: &Job) -> Observation {
    let endpoint = job.place().unwrap_or_else(|| "the certificate itself".to_owned());
    observed(endpoint, Seen::Refused { refusal: Refusal::WrongCredential })
}

/// What the link says. Where it leads to no version of ours, nothing was brought here yet, and endpoints tell what is
/// in force, if there are any.
async fn linked(installer: &Installer, shown: &Shown, is_alone: bool) -> Result<Option<Seen>, Failure> {
    Ok(match installer.linked().await {
        Ok(Linked::Version(version)) if version == shown.version()? => Some(Seen::Works),
        Ok(Linked::Nothing | Linked::Elsewhere) if !is_alone => None,
        Ok(_) => Some(Seen::Refused { refusal: Refusal::WrongCredential }),
        Err(error) => Some(Seen::Unreachable { because: chain(&error) }),
    })
}

fn judged(cx: &Cx<'_>, job: &Job, credential: &Material, shown: &Shown) -> Result<Seen, Failure> {
    if shown.not_after() < cx.now {
        return Ok(Seen::Refused { refusal: Refusal::Expired });
    }
    let held = Held::read("secret.value", credential)?;
    Ok(match source::admit_material(job, credential, &held, cx.now) {
        Ok(()) => Seen::Works,
        Err(_) => Seen::Refused { refusal: Refusal::WrongCredential },
    })
}
