//! What is wrong with a certificate and what stands beside it, as far as names and identifiers tell. Signatures are
//! checked by whoever trusts it.

use super::x509::Facts;

/// The least RSA modulus, in bits, that browsers take.
const LEAST_RSA_BITS: u32 = 2_048;

/// What is wrong, as stable words: `no-names`, `self-signed`, `weak-key`, `weak-signature`, `chain-missing`,
/// `chain-incomplete`, `chain-out-of-order`, `issuer-ends-first`. `is_served` says that a server presented it: it must
/// come with its chain then, a file may hold it alone.
pub fn problems(leaf: &Facts, others: &[&Facts], is_served: bool) -> Vec<String> {
    let mut found = own(leaf);
    if is_self_signed(leaf) {
        found.push("self-signed");
    } else {
        found.extend(of_chain(leaf, others, is_served));
    }
    found.into_iter().map(str::to_owned).collect()
}

fn own(leaf: &Facts) -> Vec<&'static str> {
    let rsa_bits: Option<u32> = leaf.key.strip_prefix("RSA ").and_then(|bits| bits.parse().ok());
    let mut found = Vec::new();
    if leaf.names.is_empty() {
        found.push("no-names");
    }
    if rsa_bits.is_some_and(|bits| bits < LEAST_RSA_BITS) {
        found.push("weak-key");
    }
    if ["sha1", "md5"].iter().any(|weak| leaf.signature.contains(weak)) {
        found.push("weak-signature");
    }
    found
}

fn is_self_signed(facts: &Facts) -> bool {
    facts.subject == facts.issuer && (facts.aki.is_none() || facts.aki == facts.ski)
}

fn issued(issuer: &Facts, by_it: &Facts) -> bool {
    let is_key = match (&issuer.ski, &by_it.aki) {
        (Some(ski), Some(aki)) => ski == aki,
        _ => true,
    };
    issuer.is_authority && issuer.subject == by_it.issuer && is_key
}

fn of_chain(leaf: &Facts, others: &[&Facts], is_served: bool) -> Vec<&'static str> {
    if others.is_empty() {
        return if is_served { vec!["chain-missing"] } else { Vec::new() };
    }
    let Some(at) = others.iter().position(|other| issued(other, leaf)) else {
        // A file may hold several leaves and no chain at all.
        let has_authorities = others.iter().any(|other| other.is_authority);
        return if is_served || has_authorities { vec!["chain-incomplete"] } else { Vec::new() };
    };
    let mut found = Vec::new();
    if is_served && at > 0 {
        found.push("chain-out-of-order");
    }
    if others[at].not_after < leaf.not_after {
        found.push("issuer-ends-first");
    }
    found
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    fn facts(subject: &str, issuer: &str, is_authority: bool) -> Facts {
        let at = |seconds| DateTime::<Utc>::from_timestamp(seconds, 0).expect("in bounds");
        Facts {
            subject: subject.to_owned(),
            common_name: None,
            names: vec!["a.example.org".to_owned()],
            issuer: issuer.to_owned(),
            serial: "01".to_owned(),
            not_before: at(1),
            not_after: at(if is_authority { 900 } else { 500 }),
            key: "EC P-256".to_owned(),
            signature: "ecdsa-with-sha256".to_owned(),
            is_authority,
            path_length: None,
            usages: Vec::new(),
            ski: None,
            aki: None,
            sha256: String::new(),
            crl_urls: Vec::new(),
        }
    }

    #[test]
    fn each_problem_is_told_and_nothing_else() {
        let (leaf, below, root) = (facts("a", "b", false), facts("b", "r", true), facts("r", "r", true));
        let short = Facts { not_after: leaf.not_before, ..below.clone() };
        let other_key = Facts { ski: Some("01".to_owned()), ..below.clone() };
        let keyed = Facts { aki: Some("02".to_owned()), ..leaf.clone() };
        let weak = Facts { key: "RSA 1024".to_owned(), signature: "sha1-with-rsa".to_owned(), ..leaf.clone() };
        let nameless = Facts { names: Vec::new(), ..leaf.clone() };
        let alone = facts("a", "a", false);
        for (leaf, others, is_served, expected) in [
            (&leaf, vec![&below, &root], true, vec![]),
            (&leaf, vec![], false, vec![]),
            (&leaf, vec![], true, vec!["chain-missing"]),
            (&leaf, vec![&root], false, vec!["chain-incomplete"]),
            (&leaf, vec![&alone], false, vec![]),
            (&leaf, vec![&root, &below], true, vec!["chain-out-of-order"]),
            (&leaf, vec![&short], true, vec!["issuer-ends-first"]),
            (&keyed, vec![&other_key], true, vec!["chain-incomplete"]),
            (&weak, vec![&below], true, vec!["weak-key", "weak-signature"]),
            (&nameless, vec![&below], true, vec!["no-names"]),
            (&alone, vec![], true, vec!["self-signed"]),
        ] {
            assert_eq!(problems(leaf, &others, is_served), expected);
        }
    }
}
