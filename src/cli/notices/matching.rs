//! Options that say which notices are meant, shared by `route put` and `silence add`.

use crate::{
    cli::{CliError, secret::settings},
    engine::rules::Matcher,
};

/// Which notices are meant. What is not given matches all.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Matching {
    /// A kind, such as `expiry.warning`, or all that begin so, such as `rotation.*`.
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// The least severity: `info`, `warning`, `error` or `critical`.
    #[arg(long, value_name = "SEVERITY")]
    severity: Option<String>,
    /// An owner.
    #[arg(long, value_name = "TEXT")]
    owner: Vec<String>,
    /// A label that is carried.
    #[arg(long, value_name = "KEY=VALUE")]
    tag: Vec<String>,
    /// What names of secrets or targets begin with.
    #[arg(long, value_name = "TEXT")]
    name_prefix: Vec<String>,
}

impl Matching {
    /// The part of a request.
    pub(super) fn read(self) -> Result<Matcher, CliError> {
        let whole = |(key, value): (String, Option<String>)| match value {
            Some(value) => Ok((key, value)),
            None => Err(CliError::usage(format!("the label `{key}` has no value"), "write `--tag key=value`")),
        };
        Ok(Matcher {
            kinds: self.kind,
            severity: self.severity,
            owners: self.owner,
            tags: settings::tags(&self.tag)?.into_iter().map(whole).collect::<Result<_, _>>()?,
            names: self.name_prefix,
        })
    }
}

/// The conditions in one line; `all` where there is none.
pub(super) fn words(matcher: &Matcher) -> String {
    let mut words = Vec::new();
    let mut add = |what: &str, list: Vec<String>| {
        if !list.is_empty() {
            words.push(format!("{what} {}", list.join(" or ")));
        }
    };
    add("kind", matcher.kinds.clone());
    add("severity from", matcher.severity.iter().cloned().collect());
    add("owner", matcher.owners.clone());
    add("name begins", matcher.names.clone());
    words.extend(matcher.tags.iter().map(|(key, value)| format!("{key}={value}")));
    if words.is_empty() { "all".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_told_in_a_line() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let matching = Matching {
            kind: texts(&["expiry.*", "rotation.failed"]),
            severity: Some("warning".to_owned()),
            tag: texts(&["team=web"]),
            ..Matching::default()
        };
        let matcher = matching.read().expect("conditions");
        assert_eq!(words(&matcher), "kind expiry.* or rotation.failed, severity from warning, team=web");
        assert_eq!(words(&Matcher::default()), "all");
        assert!(Matching { tag: texts(&["team="]), ..Matching::default() }.read().is_err());
    }
}
