//! A look at all endpoints of a target at the same time.

use std::time::Duration;

use futures_util::future::join_all;

use super::held::{Likeness, Shown};
use crate::probe::{ProbeAddress, handshake};

/// What one endpoint presents, compared with a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// That version, or another.
    Seen(Likeness),
    /// Nothing that could be seen, and why.
    Silent(String),
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EndpointLook {
    pub(super) endpoint: String,
    pub(super) look: Look,
}

/// What all endpoints present, compared with a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Looks(pub(super) Vec<EndpointLook>);

impl Looks {
    /// Shakes hands with every address of every probe.
    pub(super) async fn take(probes: &[ProbeAddress], shown: &Shown, deadline: Duration) -> Self {
        let sightings = join_all(probes.iter().map(|address| handshake(address, deadline))).await;
        let looks = sightings.into_iter().flatten().map(|sighting| {
            let look = match sighting.seen {
                Ok(presented) => Look::Seen(shown.likeness(&presented)),
                Err(error) => Look::Silent(error.to_string()),
            };
            EndpointLook { endpoint: sighting.endpoint, look }
        });
        Self(looks.collect())
    }

    fn count(&self, wanted: impl Fn(&Look) -> bool) -> usize {
        self.0.iter().filter(|one| wanted(&one.look)).count()
    }

    /// How many present the version, whole or not.
    pub(super) fn with_leaf(&self) -> usize {
        self.count(|look| matches!(look, Look::Seen(Likeness::Whole | Likeness::WithoutItsChain)))
    }

    /// Whether all present the whole version.
    pub(super) fn is_all_whole(&self) -> bool {
        self.count(|look| *look == Look::Seen(Likeness::Whole)) == self.0.len()
    }

    /// The endpoints' names.
    pub(super) fn endpoints(self) -> Vec<String> {
        self.0.into_iter().map(|one| one.endpoint).collect()
    }

    /// How many are silent.
    pub(super) fn silent(&self) -> usize {
        self.count(|look| matches!(look, Look::Silent(_)))
    }

    /// Whether some present something else than the whole version.
    pub(super) fn is_any_behind(&self) -> bool {
        self.count(|look| matches!(look, Look::Seen(Likeness::Other | Likeness::WithoutItsChain))) > 0
    }

    /// `k of n`, and a word for each that does not present the whole version; at most a few of them.
    pub(super) fn tell(&self) -> String {
        const MOST_NAMED: usize = 8;
        let whole = self.count(|look| *look == Look::Seen(Likeness::Whole));
        let mut text = format!("{whole} of {} new", self.0.len());
        let others = self.0.iter().filter_map(|one| {
            let what = match &one.look {
                Look::Seen(Likeness::Whole) => return None,
                Look::Seen(Likeness::WithoutItsChain) => "presents it without its chain",
                Look::Seen(Likeness::Other) => "presents another certificate",
                Look::Silent(because) => because,
            };
            Some(format!("; {}: {what}", one.endpoint))
        });
        text.extend(others.take(MOST_NAMED));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(looks: &[Look]) -> Looks {
        let named = |(index, look): (usize, &Look)| EndpointLook { endpoint: format!("h:{index}"), look: look.clone() };
        Looks(looks.iter().enumerate().map(named).collect())
    }

    #[test]
    fn it_is_told_how_many_are_new_and_what_the_others_do() {
        let looks = looks(&[
            Look::Seen(Likeness::Whole),
            Look::Seen(Likeness::Other),
            Look::Seen(Likeness::WithoutItsChain),
            Look::Silent("no answer".to_owned()),
        ]);
        let expected =
            "1 of 4 new; h:1: presents another certificate; h:2: presents it without its chain; h:3: no answer";
        assert_eq!(looks.tell(), expected);
        assert_eq!((looks.with_leaf(), looks.silent(), looks.is_any_behind()), (2, 1, true));
    }
}
