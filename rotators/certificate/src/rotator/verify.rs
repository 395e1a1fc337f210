//! Whether the candidate is what the service presents, at every endpoint.

use std::time::Duration;

use keywheel_contract::{Cx, Failure, Material, Verdict, Work};

use super::{
    endpoints::Looks,
    failures::of_host,
    held::{Held, Shown},
    job::{Job, Until},
    reloads::Reloads,
    source,
};
use crate::host::Linked;

const NEXT_LOOK: Duration = Duration::from_secs(1);

/// After a reload of our own: the service takes a moment.
const LOOK_AFTER_RELOAD: Duration = Duration::from_secs(2);

/// Shakes hands with every endpoint. Where some are behind for the second time, the service is asked to reload once
/// more, in the time that is left.
pub(super) async fn verify(
    cx: &Cx<'_>,
    reloads: &Reloads,
    job: &Job,
    work: &Work,
    candidate: &Material,
    until: Until,
) -> Result<Verdict, Failure> {
    let shown = Shown::read("secret.candidate", candidate)?;
    let (Some(installer), Some(place)) = (&job.installer, job.place()) else {
        source::admit_material(job, candidate, &Held::read("secret.candidate", candidate)?, cx.now)?;
        return Ok(Verdict::Works { endpoints: vec!["the certificate itself".to_owned()] });
    };
    let linked = installer.linked().await.map_err(|error| of_host(&error))?;
    if linked != Linked::Version(shown.version()?) {
        let because = format!("`{place}` does not lead to the new version");
        return Ok(Verdict::NotYet { look_again_in: NEXT_LOOK, because });
    }
    if job.target.probes.is_empty() {
        return Ok(told(reloads, job, work, place).await);
    }
    let looks = Looks::take(&job.target.probes, &shown, until.for_a_look()).await;
    if looks.is_all_whole() {
        reloads.forget(&work.rotation);
        return Ok(Verdict::Works { endpoints: looks.endpoints() });
    }
    Ok(push(reloads, job, work, &looks, until).await)
}

/// Where nobody looks at the service, it must have been told. An `apply` that was interrupted between the link and the
/// hooks looks like one that was not, so where this is not remembered, the hooks are run here.
async fn told(reloads: &Reloads, job: &Job, work: &Work, place: String) -> Verdict {
    if !reloads.is_told(&work.rotation) {
        for (_, hook) in job.target.hooks() {
            if let Err(error) = reloads.run(hook).await {
                return Verdict::NotYet { look_again_in: LOOK_AFTER_RELOAD, because: error.to_string() };
            }
        }
        reloads.note_told(&work.rotation);
    }
    Verdict::Works { endpoints: vec![place] }
}

async fn push(reloads: &Reloads, job: &Job, work: &Work, looks: &Looks, until: Until) -> Verdict {
    let mut because = looks.tell();
    let is_due = looks.is_any_behind() && reloads.is_still_behind(&work.rotation);
    let Some(reload) = job.target.reload.as_deref().filter(|reload| is_due && reloads.fits(reload, until.left()))
    else {
        return Verdict::NotYet { look_again_in: NEXT_LOOK, because };
    };
    match reloads.run(reload).await {
        Ok(()) => because.push_str("; asked to reload again"),
        Err(error) => because = format!("{because}; another reload failed: {error}"),
    }
    Verdict::NotYet { look_again_in: LOOK_AFTER_RELOAD, because }
}
