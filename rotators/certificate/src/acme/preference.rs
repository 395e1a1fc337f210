//! Several authorities in order of preference: the next is asked when one is away, has had enough, or refuses for a
//! reason of its own. A name that no authority would vouch for is asked for one time.
//!
//! An order that was begun is gone on with where it was begun, and no other authority is asked while it may still
//! bring a certificate.

use std::net::SocketAddr;
use std::time::Duration;

use super::account::{Account, StoredAccount};
use super::chain::Chain;
use super::error::{AcmeError, Class, Whose};
use super::order::{OrderRequest, Progress, obtain};
use super::solver::Solver;

/// Whom to ask, in which order.
#[derive(Clone, Copy)]
pub struct Preference<'a> {
    /// The accounts, the preferred first.
    pub accounts: &'a [StoredAccount],
    /// The directory at which the order was begun that the request resumes.
    pub begun_at: Option<&'a str>,
    /// The directory that issued what the request replaces: who did not is not told.
    pub issued_at: Option<&'a str>,
    /// The DNS server to find authorities by.
    pub resolver: Option<SocketAddr>,
    /// Tells whether an authority may be asked now; a local mirror of its limits says no here.
    pub admit: &'a (dyn Fn(&StoredAccount) -> Result<(), AcmeError> + Send + Sync),
}

/// A chain, and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obtained {
    /// What was obtained.
    pub chain: Chain,
    /// The directory of the authority.
    pub directory: String,
}

/// Obtains a certificate from the first authority that gives one. `failed` is told what each other one said.
pub async fn obtain_from(
    preference: &Preference<'_>,
    request: &OrderRequest<'_>,
    solver: &dyn Solver,
    progress: &dyn Progress,
    failed: &(dyn Fn(&str, &AcmeError) + Send + Sync),
) -> Result<Obtained, AcmeError> {
    let mut errors = Vec::new();
    for stored in in_order(preference) {
        let is_begun = request.resume.is_some() && preference.begun_at == Some(stored.directory.as_str());
        let is_issuer = preference.issued_at == Some(stored.directory.as_str());
        let request = OrderRequest {
            resume: request.resume.filter(|_| is_begun),
            replaces: request.replaces.filter(|_| is_issuer),
            ..*request
        };
        let error = match ask(preference, stored, &request, solver, progress).await {
            Ok(chain) => return Ok(Obtained { chain, directory: stored.directory.clone() }),
            Err(error) => error,
        };
        failed(&stored.directory, &error);
        if is_last_word(&error, is_begun) {
            return Err(error);
        }
        errors.push((stored.name.as_str(), error));
    }
    Err(summed_up(errors))
}

/// The one at which the order was begun goes first.
fn in_order<'a>(preference: &Preference<'a>) -> Vec<&'a StoredAccount> {
    let is_begun = |stored: &&StoredAccount| preference.begun_at == Some(stored.directory.as_str());
    let (begun, others): (Vec<_>, Vec<_>) = preference.accounts.iter().partition(is_begun);
    begun.into_iter().chain(others).collect()
}

async fn ask(
    preference: &Preference<'_>,
    stored: &StoredAccount,
    request: &OrderRequest<'_>,
    solver: &dyn Solver,
    progress: &dyn Progress,
) -> Result<Chain, AcmeError> {
    // What was begun counts already.
    if request.resume.is_none() {
        (preference.admit)(stored)?;
    }
    let account = Account::open(stored, preference.resolver).await?;
    obtain(request, &account, solver, progress).await
}

fn is_last_word(error: &AcmeError, is_begun: bool) -> bool {
    let may_still_come = matches!(error.class, Class::Transient { .. } | Class::Unknown);
    error.whose == Whose::Ours || error.class == Class::Unknown || (is_begun && may_still_come)
}

/// One failure for all: of the most hopeful class, with the shortest wait, in the words of each.
fn summed_up(errors: Vec<(&str, AcmeError)>) -> AcmeError {
    let words: Vec<String> = errors.iter().map(|(name, error)| format!("`{name}`: {error}")).collect();
    let is_alone = errors.len() == 1;
    let best = errors.into_iter().map(|(_, error)| error).min_by_key(|error| rank(&error.class));
    match best {
        Some(best) if is_alone => best,
        Some(best) => AcmeError { sentence: words.join("; "), ..best },
        None => AcmeError::misconfigured(
            "accounts",
            "acme-no-account",
            "there is no ACME account to order with",
            "register an account at an authority",
        ),
    }
}

/// What may come by itself first, and the sooner the better.
fn rank(class: &Class) -> (u8, Duration) {
    match class {
        Class::Unknown => (0, Duration::ZERO),
        Class::Transient { not_before } | Class::RateLimited { not_before } => (1, not_before.unwrap_or_default()),
        Class::Misconfigured { .. } => (2, Duration::ZERO),
        Class::Refused => (3, Duration::ZERO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: Class, code: &'static str) -> AcmeError {
        AcmeError::new(class, Whose::Authorities, code, code, "")
    }

    #[test]
    fn of_several_failures_the_one_that_ends_first_is_told_in_the_words_of_all() {
        let wait = |seconds| Some(Duration::from_secs(seconds));
        let summed = summed_up(vec![
            ("one", error(Class::RateLimited { not_before: wait(900) }, "acme-a")),
            ("two", error(Class::Refused, "acme-b")),
            ("three", error(Class::Transient { not_before: wait(30) }, "acme-c")),
        ]);
        assert_eq!((summed.code, summed.class), ("acme-c", Class::Transient { not_before: wait(30) }));
        assert_eq!(summed.sentence, "`one`: acme-a; `two`: acme-b; `three`: acme-c");
        assert_eq!(summed_up(Vec::new()).code, "acme-no-account");
    }

    #[test]
    fn nobody_else_is_asked_while_an_order_may_still_bring_a_certificate() {
        let transient = error(Class::Transient { not_before: None }, "x");
        assert!(is_last_word(&transient, true) && !is_last_word(&transient, false));
        assert!(is_last_word(&error(Class::Unknown, "x"), false));
        assert!(!is_last_word(&error(Class::Refused, "x"), true));
    }
}
