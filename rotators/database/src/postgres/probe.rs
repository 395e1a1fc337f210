//! Whether a credential is accepted, per endpoint.

use keywheel_contract::{Failure, Observation, Refusal, Seen, Target};

use super::{
    account::{WhyRefused, why_refused},
    classify::Entry,
    job::{Credential, Job, Until},
    knock::knock,
};

/// Logs in everywhere and tells what was seen; the account is looked at where a refusal may have several reasons.
pub(crate) async fn probe(
    job: &Job,
    target: &Target,
    credential: Credential<'_>,
    until: Until,
) -> Result<Vec<Observation>, Failure> {
    let knocks = knock(job, credential, "keywheel/probe", until).await?;
    let mut reason = None;
    let mut observations = Vec::with_capacity(knocks.len());
    for knock in knocks {
        if knock.entry == Entry::WrongOrExpired && reason.is_none() {
            reason = Some(why_refused(job, target, credential.role, until).await);
        }
        observations.push(Observation {
            endpoint: knock.endpoint.name(),
            standing: knock.endpoint.standing,
            seen: seen(&knock.entry, reason.as_ref()),
        });
        knock.leave().await;
    }
    Ok(observations)
}

fn seen(entry: &Entry, reason: Option<&WhyRefused>) -> Seen {
    let refused = |refusal| Seen::Refused { refusal };
    match (entry, reason) {
        (Entry::Accepted, _) => Seen::Works,
        (Entry::NotAsked, _) => {
            Seen::Unreachable { because: "the server let the login in without asking for a password".to_owned() }
        }
        (Entry::Barred { .. }, _) | (Entry::WrongOrExpired, Some(WhyRefused::NoAccount)) => refused(Refusal::Barred),
        (Entry::Silent { because }, _) => Seen::Unreachable { because: because.clone() },
        (Entry::WrongOrExpired, Some(WhyRefused::Expired)) => refused(Refusal::Expired),
        (Entry::WrongOrExpired, Some(WhyRefused::NotSeen(because))) => Seen::Unreachable {
            because: format!("refused, and whether the password is wrong or expired could not be seen: {because}"),
        },
        (Entry::WrongOrExpired, Some(WhyRefused::Wrong) | None) => refused(Refusal::WrongCredential),
    }
}
