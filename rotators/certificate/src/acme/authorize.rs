//! The authorizations of an order: proofs presented, announced, looked at, and withdrawn whatever came of them.

use instant_acme::{AuthorizationStatus, ChallengeStatus, Order, OrderStatus, Problem};
use tokio::time::Instant;

use super::error::{AcmeError, Class, Whose};
use super::nonce::insist;
use super::order::policy;
use super::problem::verdict;
use super::solver::{Proof, Solver};

/// Brings a pending order to where it is ready for finalize, or beyond.
pub(super) async fn authorize(order: &mut Order, solver: &dyn Solver, until: Instant) -> Result<(), AcmeError> {
    let proofs = insist_on_proofs(order, solver).await?;
    if proofs.is_empty() {
        return until_ready(order, until).await;
    }
    // Dropped at a deadline, what is presented withdraws what it can by itself.
    let presented = solver.present(&proofs).await?;
    let outcome = match announce(order, solver).await {
        Ok(()) => until_ready(order, until).await,
        Err(error) => Err(error),
    };
    presented.withdraw().await;
    outcome
}

/// The proofs that the order still needs.
async fn insist_on_proofs(order: &mut Order, solver: &dyn Solver) -> Result<Vec<Proof>, AcmeError> {
    let found = insist!(proofs(order, solver).await);
    found.map_err(|error| AcmeError::of("authorization", &error))?
}

async fn proofs(order: &mut Order, solver: &dyn Solver) -> Result<Result<Vec<Proof>, AcmeError>, instant_acme::Error> {
    let mut proofs = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let name = authorization.identifier().to_string();
        let Some(challenge) = authorization.challenge(solver.challenge().as_instant()) else {
            return Ok(Err(not_offered(&name, solver)));
        };
        match Proof::new(&name, &challenge.token, &challenge.key_authorization()) {
            Ok(proof) => proofs.push(proof),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(proofs))
}

fn not_offered(name: &str, solver: &dyn Solver) -> AcmeError {
    let sentence = format!("the authority does not offer {} for `{name}`", solver.challenge());
    let class = Class::Misconfigured { key: "target.acme.challenge".to_owned() };
    AcmeError::new(class, Whose::Authorities, "acme-challenge-not-offered", sentence, "choose another challenge")
}

/// Tells the authority that it may look.
async fn announce(order: &mut Order, solver: &dyn Solver) -> Result<(), AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(|error| AcmeError::of("authorization", &error))?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let Some(mut challenge) = authorization.challenge(solver.challenge().as_instant()) else { continue };
        // One that a run before this announced is looked at already.
        if challenge.status == ChallengeStatus::Pending {
            let told = insist!(challenge.set_ready().await);
            told.map_err(|error| AcmeError::of("challenge", &error))?;
        }
    }
    Ok(())
}

async fn until_ready(order: &mut Order, until: Instant) -> Result<(), AcmeError> {
    let policy = policy(until);
    let polled = insist!(order.poll_ready(&policy).await);
    match (polled, order.state().status) {
        (_, OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid) => Ok(()),
        (_, OrderStatus::Invalid) => Err(why_invalid(order).await),
        (Err(error), OrderStatus::Pending) => Err(AcmeError::of("the validation", &error)),
        (Ok(_), OrderStatus::Pending) => Err(AcmeError::too_slow("the validation", None)),
    }
}

/// What an invalid order fails for: its own error, else that of the challenge that failed.
pub(super) async fn why_invalid(order: &mut Order) -> AcmeError {
    let own = order.state().error.clone();
    if let Some(problem) = failed_challenge(order).await.or(own) {
        return verdict("the validation", None, None, Some(&problem));
    }
    AcmeError::new(
        Class::Refused,
        Whose::Ours,
        "acme-order-invalid",
        "the authority calls the order invalid and names no reason",
        "see which server answers the challenge for each name",
    )
}

async fn failed_challenge(order: &mut Order) -> Option<Problem> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else { continue };
        if insist!(authorization.refresh().await.map(|_| ())).is_err() {
            continue;
        }
        let failed = authorization.challenges.iter().find_map(|challenge| challenge.error.clone());
        if failed.is_some() {
            return failed;
        }
    }
    None
}
