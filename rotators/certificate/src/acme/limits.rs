//! A mirror of what an authority counts, so that its limits are not learned by running into them.
//!
//! Pure: a ledger of what was done, rules that say how much is allowed in which span, and the moment from which more
//! is. Retries by themselves never spend the last unit of a limit: it is left for a person. The spans slide here, where
//! an authority may refill sooner; the mirror errs on the careful side.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What an authority counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counted {
    /// Orders of one account.
    Orders,
    /// Certificates below one registered domain.
    PerDomain,
    /// Certificates for the same set of names.
    Duplicates,
    /// Failed validations of one name.
    FailedValidations,
}

/// How much is allowed in which span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Of what.
    pub counted: Counted,
    /// How many.
    pub most: usize,
    /// In how many seconds.
    pub within_seconds: u64,
}

/// The limits of one authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Each of them must hold.
    pub limits: Vec<Limit>,
    /// Whether an order that names the certificate it replaces counts for failed validations alone.
    pub renewals_are_free: bool,
}

impl Limits {
    /// Those of Let's Encrypt (<https://letsencrypt.org/docs/rate-limits/>).
    pub fn letsencrypt() -> Self {
        const HOUR: u64 = 3600;
        const WEEK: u64 = 7 * 24 * HOUR;
        let limit = |counted, most, within_seconds| Limit { counted, most, within_seconds };
        let limits = vec![
            limit(Counted::Orders, 300, 3 * HOUR),
            limit(Counted::PerDomain, 50, WEEK),
            limit(Counted::Duplicates, 5, WEEK),
            limit(Counted::FailedValidations, 5, HOUR),
        ];
        Self { limits, renewals_are_free: true }
    }

    fn longest(&self) -> Duration {
        Duration::from_secs(self.limits.iter().map(|limit| limit.within_seconds).max().unwrap_or(0))
    }
}

/// Who wants to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The daemon by itself.
    Automatic,
    /// A person who asked for it.
    Person,
}

/// What is about to be ordered.
#[derive(Debug, Clone, Copy)]
pub struct Planned<'a> {
    /// Its names.
    pub names: &'a [String],
    /// Whether the order will name the certificate that it replaces.
    pub is_replacing: bool,
}

/// The first moment at which a try is allowed, and what it waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotBefore {
    /// The moment.
    pub at: DateTime<Utc>,
    /// The limit; none if the authority itself named the moment.
    pub limit: Option<Limit>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
enum Entry {
    Ordered { at: DateTime<Utc> },
    Issued { at: DateTime<Utc>, names: BTreeSet<String> },
    Failed { at: DateTime<Utc>, name: String },
}

impl Entry {
    fn at(&self) -> DateTime<Utc> {
        match self {
            Self::Ordered { at } | Self::Issued { at, .. } | Self::Failed { at, .. } => *at,
        }
    }
}

/// What was done with one account. Kept by the caller.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ledger {
    entries: Vec<Entry>,
    blocked_until: Option<DateTime<Utc>>,
}

impl Ledger {
    /// An order was placed.
    pub fn ordered(&mut self, now: DateTime<Utc>) {
        self.entries.push(Entry::Ordered { at: now });
    }

    /// A certificate was issued.
    pub fn issued(&mut self, names: &[String], now: DateTime<Utc>) {
        self.entries.push(Entry::Issued { at: now, names: names.iter().cloned().collect() });
    }

    /// A validation failed.
    pub fn failed(&mut self, name: &str, now: DateTime<Utc>) {
        self.entries.push(Entry::Failed { at: now, name: name.to_owned() });
    }

    /// The authority said when to come back. The latest word counts.
    pub fn told_to_wait(&mut self, until: DateTime<Utc>) {
        self.blocked_until = Some(until);
    }

    /// Forgets what no limit counts any more.
    pub fn prune(&mut self, limits: &Limits, now: DateTime<Utc>) {
        let oldest = now - limits.longest();
        self.entries.retain(|entry| entry.at() > oldest);
        self.blocked_until = self.blocked_until.filter(|until| *until > now);
    }

    /// Whether a try would stay within the limits, else from when.
    pub fn may_try(
        &self,
        limits: &Limits,
        planned: &Planned<'_>,
        attempt: Attempt,
        now: DateTime<Utc>,
    ) -> Result<(), NotBefore> {
        let is_free = limits.renewals_are_free && planned.is_replacing;
        let counting = limits.limits.iter().filter(|limit| !is_free || limit.counted == Counted::FailedValidations);
        let waits = counting.filter_map(|limit| {
            let at = self.full_until(limit, planned, attempt, now)?;
            Some(NotBefore { at, limit: Some(*limit) })
        });
        let told = self.blocked_until.filter(|until| *until > now).map(|at| NotBefore { at, limit: None });
        match waits.chain(told).max_by_key(|wait| wait.at) {
            Some(wait) => Err(wait),
            None => Ok(()),
        }
    }

    /// Until when a limit is used up for this attempt; `None` if it is not.
    fn full_until(
        &self,
        limit: &Limit,
        planned: &Planned<'_>,
        attempt: Attempt,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let span = Duration::from_secs(limit.within_seconds);
        let usable = match attempt {
            Attempt::Automatic => limit.most.saturating_sub(1),
            Attempt::Person => limit.most,
        };
        let groups = groups(limit.counted, planned);
        let ends = groups.iter().filter_map(|group| {
            let mut times: Vec<_> = self.entries.iter().filter(|entry| is_of(entry, limit.counted, group)).collect();
            times.retain(|entry| entry.at() + span > now);
            times.sort_by_key(|entry| entry.at());
            if usable == 0 {
                return Some(now + span);
            }
            // So many must have left the span that one more fits.
            let leaving = times.len().checked_sub(usable)?;
            Some(times[leaving].at() + span)
        });
        ends.max()
    }
}

/// What a limit counts apart from each other: domains, sets of names, names.
fn groups(counted: Counted, planned: &Planned<'_>) -> BTreeSet<BTreeSet<String>> {
    let one = |text: String| BTreeSet::from([text]);
    match counted {
        Counted::Orders => BTreeSet::from([BTreeSet::new()]),
        Counted::Duplicates => BTreeSet::from([planned.names.iter().cloned().collect()]),
        Counted::PerDomain => planned.names.iter().map(|name| one(registered_domain(name))).collect(),
        Counted::FailedValidations => planned.names.iter().map(|name| one(bare(name))).collect(),
    }
}

fn is_of(entry: &Entry, counted: Counted, group: &BTreeSet<String>) -> bool {
    match (counted, entry) {
        (Counted::Orders, Entry::Ordered { .. }) => true,
        (Counted::Duplicates, Entry::Issued { names, .. }) => names == group,
        (Counted::PerDomain, Entry::Issued { names, .. }) => {
            names.iter().any(|name| group.contains(&registered_domain(name)))
        }
        (Counted::FailedValidations, Entry::Failed { name, .. }) => group.contains(&bare(name)),
        _ => false,
    }
}

fn bare(name: &str) -> String {
    name.trim_start_matches("*.").to_ascii_lowercase()
}

/// The registered domain, guessed without a list of suffixes: the last two labels, or three where the last two look
/// like `co.uk`. Where the guess is too short, more is counted together than the authority does.
fn registered_domain(name: &str) -> String {
    let name = bare(name);
    if name.parse::<std::net::IpAddr>().is_ok() {
        return name;
    }
    let labels: Vec<&str> = name.split('.').collect();
    let looks_like_suffix = matches!(labels.as_slice(), [.., second, top] if top.len() == 2 && second.len() <= 3);
    let kept = if looks_like_suffix { 3 } else { 2 };
    labels[labels.len().saturating_sub(kept)..].join(".")
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn planned(names: &[String]) -> Planned<'_> {
        Planned { names, is_replacing: false }
    }

    #[test]
    fn the_last_unit_is_left_for_a_person() {
        let (limits, shop, mut ledger) = (Limits::letsencrypt(), names(&["shop.example.org"]), Ledger::default());
        for hour in 0..4 {
            let may = ledger.may_try(&limits, &planned(&shop), Attempt::Automatic, at(hour));
            assert_eq!(may, Ok(()), "{hour}");
            ledger.issued(&shop, at(hour));
        }
        let wait = ledger.may_try(&limits, &planned(&shop), Attempt::Automatic, at(4)).expect_err("one is left");
        assert_eq!((wait.at, wait.limit.map(|limit| limit.counted)), (at(7 * 24), Some(Counted::Duplicates)));
        assert_eq!(ledger.may_try(&limits, &planned(&shop), Attempt::Person, at(4)), Ok(()));
        ledger.issued(&shop, at(4));
        assert!(ledger.may_try(&limits, &planned(&shop), Attempt::Person, at(5)).is_err());
        assert_eq!(ledger.may_try(&limits, &planned(&shop), Attempt::Automatic, at(7 * 24 + 1)), Ok(()));
    }

    #[test]
    fn another_set_of_names_is_no_duplicate_but_of_the_same_domain() {
        let (limits, mut ledger) = (Limits::letsencrypt(), Ledger::default());
        for number in 0..49 {
            ledger.issued(&names(&[&format!("n{number}.example.org")]), at(0));
        }
        let other = names(&["fresh.example.org"]);
        let wait = ledger.may_try(&limits, &planned(&other), Attempt::Automatic, at(1)).expect_err("49 of 50");
        assert_eq!(wait.limit.map(|limit| limit.counted), Some(Counted::PerDomain));
        assert_eq!(ledger.may_try(&limits, &planned(&names(&["example.net"])), Attempt::Automatic, at(1)), Ok(()));
        let renewal = Planned { names: &other, is_replacing: true };
        assert_eq!(ledger.may_try(&limits, &renewal, Attempt::Automatic, at(1)), Ok(()));
    }

    #[test]
    fn failed_validations_hold_back_even_a_renewal_and_only_their_name() {
        let (limits, mut ledger) = (Limits::letsencrypt(), Ledger::default());
        (0..4).for_each(|_| ledger.failed("a.example.org", at(0)));
        let (a, b) = (names(&["*.a.example.org"]), names(&["b.example.org"]));
        let renewal = Planned { names: &a, is_replacing: true };
        assert_eq!(ledger.may_try(&limits, &renewal, Attempt::Automatic, at(0)).expect_err("full").at, at(1));
        assert_eq!(ledger.may_try(&limits, &planned(&b), Attempt::Automatic, at(0)), Ok(()));
    }

    #[test]
    fn the_authoritys_own_word_holds_for_everybody_until_it_has_passed() {
        let (limits, a, mut ledger) = (Limits::letsencrypt(), names(&["a.example.org"]), Ledger::default());
        ledger.told_to_wait(at(3));
        let wait = ledger.may_try(&limits, &planned(&a), Attempt::Person, at(1)).expect_err("told");
        assert_eq!(wait, NotBefore { at: at(3), limit: None });
        assert_eq!(ledger.may_try(&limits, &planned(&a), Attempt::Automatic, at(3)), Ok(()));
    }

    #[test]
    fn registered_domains_are_guessed() {
        for (name, domain) in [
            ("*.shop.example.org", "example.org"),
            ("a.b.example.co.uk", "example.co.uk"),
            ("example.org", "example.org"),
            ("host", "host"),
            ("192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(registered_domain(name), domain);
        }
    }

    proptest! {
        /// A daemon that asks first and waits as told is never over the authority's count, and always gets on.
        #[test]
        fn who_waits_as_told_stays_one_below_the_limit(most in 2_usize..6, hours in prop::collection::vec(0_i64..4, 1..60)) {
            let limits = Limits {
                limits: vec![Limit { counted: Counted::Duplicates, most, within_seconds: 10 * 3600 }],
                renewals_are_free: false,
            };
            let (a, mut ledger, mut now) = (names(&["a.example.org"]), Ledger::default(), at(0));
            let mut issued: Vec<DateTime<Utc>> = Vec::new();
            for pause in hours {
                now += TimeDelta::hours(pause);
                if let Err(wait) = ledger.may_try(&limits, &planned(&a), Attempt::Automatic, now) {
                    prop_assert!(wait.at > now);
                    now = wait.at;
                    prop_assert_eq!(ledger.may_try(&limits, &planned(&a), Attempt::Automatic, now), Ok(()));
                }
                ledger.issued(&a, now);
                issued.push(now);
                ledger.prune(&limits, now);
                let counted = issued.iter().filter(|at| **at + TimeDelta::hours(10) > now).count();
                prop_assert!(counted < most, "{} of {}", counted, most);
            }
            let json = serde_json::to_string(&ledger).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<Ledger>(&json).expect("a ledger"), ledger);
        }
    }
}
