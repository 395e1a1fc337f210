//! What a refusal of an authority means, by HTTP status and by RFC 8555's types of errors (section 6.7), RFC 9773's
//! `alreadyReplaced` and the profiles' `invalidProfile`.

use std::time::Duration;

use instant_acme::Problem;

use super::error::{AcmeError, Class, Whose};

const PREFIX: &str = "urn:ietf:params:acme:error:";
/// What is quoted of an authority's prose.
const MOST_LETTERS: usize = 300;

/// Judges a refusal of the request that `doing` names.
pub(super) fn verdict(
    doing: &str,
    status: Option<u16>,
    retry_after: Option<Duration>,
    problem: Option<&Problem>,
) -> AcmeError {
    let kind = problem.and_then(|problem| problem.r#type.as_deref()).and_then(|kind| kind.strip_prefix(PREFIX));
    let (class, whose, code, hint) = match kind {
        Some(kind) => by_kind(kind, status, retry_after),
        None => by_status(status, retry_after),
    };
    AcmeError::new(class, whose, code, sentence(doing, status, problem), hint)
}

type Judged = (Class, Whose, &'static str, &'static str);

fn by_kind(kind: &str, status: Option<u16>, not_before: Option<Duration>) -> Judged {
    use Whose::{Authorities, Ours};
    let account = || Class::Misconfigured { key: "accounts".to_owned() };
    match kind {
        "rateLimited" => rate_limited(not_before),
        "accountDoesNotExist" => (
            account(),
            Authorities,
            "acme-account-unknown",
            "register the account again: the authority has no such one",
        ),
        "externalAccountRequired" => {
            (account(), Authorities, "acme-binding-required", "register with the key id and HMAC key of the authority")
        }
        "userActionRequired" => {
            (account(), Authorities, "acme-terms-changed", "agree to the authority's new terms of service")
        }
        "invalidContact" | "unsupportedContact" => {
            (account(), Authorities, "acme-contact-refused", "give another contact, such as mailto:certs@example.org")
        }
        "caa" => (Class::Refused, Authorities, "acme-caa-forbids", "allow this authority in the domain's CAA records"),
        "rejectedIdentifier" | "unsupportedIdentifier" => {
            (Class::Refused, Ours, "acme-name-refused", "ask for names that a public authority may vouch for")
        }
        "badCSR" | "badPublicKey" => {
            (Class::Refused, Ours, "acme-key-refused", "choose another kind of key: p256 is accepted everywhere")
        }
        "connection" | "dns" | "tls" => (
            Class::Transient { not_before },
            Ours,
            "acme-validation-unreachable",
            "make the challenge reachable: DNS, port and firewall, as the authority sees them",
        ),
        "incorrectResponse" => {
            (Class::Refused, Ours, "acme-validation-failed", "see which server answers the challenge for this name")
        }
        "unauthorized" => {
            (Class::Refused, Ours, "acme-unauthorized", "see which server answers the challenge, and the account")
        }
        "serverInternal" | "badNonce" | "orderNotReady" => {
            (Class::Transient { not_before }, Authorities, "acme-unavailable", "see the authority's status page")
        }
        "invalidProfile" => {
            let class = Class::Misconfigured { key: "acme_profile".to_owned() };
            (class, Authorities, "acme-profile-unknown", "choose one of the profiles that the directory names")
        }
        "malformed" if status != Some(429) => {
            (Class::Refused, Ours, "acme-request-refused", "see the names and the account of the request")
        }
        _ => by_status(status, not_before),
    }
}

fn by_status(status: Option<u16>, not_before: Option<Duration>) -> Judged {
    match status {
        Some(429) => rate_limited(not_before),
        Some(400..=499) => {
            (Class::Refused, Whose::Authorities, "acme-request-refused", "see the names and the account of the request")
        }
        _ => {
            let class = Class::Transient { not_before };
            (class, Whose::Authorities, "acme-unavailable", "see the authority's status page")
        }
    }
}

fn rate_limited(not_before: Option<Duration>) -> Judged {
    let hint = "wait, or put a second authority behind this one";
    (Class::RateLimited { not_before }, Whose::Authorities, "acme-rate-limited", hint)
}

fn sentence(doing: &str, status: Option<u16>, problem: Option<&Problem>) -> String {
    let status = status.map_or_else(String::new, |status| format!(" ({status})"));
    match problem {
        Some(problem) => format!("the authority refused {doing}{status}: {}", prose_of(problem)),
        None => format!("the authority refused {doing}{status} without a reason"),
    }
}

/// The authority's prose on one line, without letters that a terminal obeys.
fn prose_of(problem: &Problem) -> String {
    let tidy = |c: char| if c.is_control() { ' ' } else { c };
    problem.to_string().chars().map(tidy).take(MOST_LETTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(kind: &str, status: u16, wait: Option<u64>) -> AcmeError {
        let text = format!(r#"{{"type":"{PREFIX}{kind}","detail":"one\u001b[2J","status":{status}}}"#);
        let problem: Problem = serde_json::from_str(&text).expect("a problem");
        verdict("new-order", Some(status), wait.map(Duration::from_secs), Some(&problem))
    }

    #[test]
    fn a_limit_keeps_the_wait_that_it_came_with() {
        let wait = Some(Duration::from_secs(90));
        assert_eq!(judged("rateLimited", 429, Some(90)).class, Class::RateLimited { not_before: wait });
        assert_eq!(judged("malformed", 429, Some(90)).class, Class::RateLimited { not_before: wait });
        assert_eq!(judged("serverInternal", 503, Some(90)).class, Class::Transient { not_before: wait });
    }

    #[test]
    fn what_only_this_authority_says_is_its_own_and_a_bad_name_is_not() {
        for own in ["rateLimited", "caa", "externalAccountRequired", "accountDoesNotExist", "serverInternal"] {
            assert_eq!(judged(own, 403, None).whose, Whose::Authorities, "{own}");
        }
        for ours in ["rejectedIdentifier", "connection", "unauthorized", "badCSR", "malformed"] {
            assert_eq!(judged(ours, 403, None).whose, Whose::Ours, "{ours}");
        }
    }

    #[test]
    fn an_authoritys_prose_is_quoted_without_control_letters() {
        let sentence = judged("caa", 403, None).sentence;
        assert!(sentence.contains("one") && !sentence.contains('\u{1b}'), "{sentence}");
    }
}
