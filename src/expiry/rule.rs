//! The ladder as people write it, in TOML, JSON or flags, and what holds where they wrote nothing.

use chrono::TimeDelta;

use super::error::LadderError;
use super::ladder::{Ladder, Mode, check_rungs};
use crate::schedule::HumanDuration;

const USUAL_DAYS: [u64; 4] = [30, 14, 7, 1];
const AUTHORITY_DAYS: [u64; 4] = [365, 180, 90, 30];

/// Lives below this get a scaled ladder by default.
const SHORT_LIFE: TimeDelta = TimeDelta::days(31);

/// What kind of thing expires, as far as its ladder is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nature {
    /// Nothing special.
    Ordinary,
    /// A certificate that renews itself, by keywheel or another.
    RenewsItself,
    /// A certificate authority.
    Authority,
}

/// A ladder as far as somebody decided on it. Serialised as [`LadderText`], in which unknown keys are refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "LadderText", into = "LadderText")]
pub struct LadderRule {
    mode: Option<Mode>,
    rungs: Option<Vec<HumanDuration>>,
}

/// The unchecked text form of a [`LadderRule`].
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LadderText {
    /// `fixed` or `scaled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Distances from the expiry such as `30d`, from the longest to the shortest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rungs: Option<Vec<String>>,
}

impl LadderRule {
    /// Checks the rungs, if there are any.
    pub fn new(mode: Option<Mode>, rungs: Option<Vec<HumanDuration>>) -> Result<Self, LadderError> {
        rungs.as_deref().map_or(Ok(()), check_rungs)?;
        Ok(Self { mode, rungs })
    }

    /// Fills in what nobody decided. `lifetime` is `None` where nobody knows when the life began.
    ///
    /// The rungs are 30, 14, 7 and 1 day, for an authority 365, 180, 90 and 30 days. The mode is `scaled` for what
    /// renews itself, for lives under 31 days, and where `fixed` would leave no rung at all, so that a default never
    /// silences; else `fixed`.
    pub fn ladder(&self, nature: Nature, lifetime: Option<TimeDelta>) -> Ladder {
        let rungs = self.rungs.clone().unwrap_or_else(|| usual_rungs(nature));
        let ladder = |mode| Ladder::new(mode, &rungs).expect("the rungs were checked when they were written");
        if let Some(mode) = self.mode {
            return ladder(mode);
        }
        let fixed = ladder(Mode::Fixed);
        let is_short = lifetime.is_some_and(|lifetime| lifetime < SHORT_LIFE);
        let is_scaled = nature == Nature::RenewsItself || is_short || fixed.rungs_for(lifetime).is_empty();
        if is_scaled { ladder(Mode::Scaled) } else { fixed }
    }
}

fn usual_rungs(nature: Nature) -> Vec<HumanDuration> {
    let days = match nature {
        Nature::Ordinary | Nature::RenewsItself => USUAL_DAYS,
        Nature::Authority => AUTHORITY_DAYS,
    };
    days.iter().filter_map(|days| HumanDuration::from_secs(days * 86_400)).collect()
}

impl TryFrom<LadderText> for LadderRule {
    type Error = LadderError;

    fn try_from(text: LadderText) -> Result<Self, LadderError> {
        let read = |rungs: Vec<String>| rungs.iter().map(|rung| rung.parse()).collect::<Result<Vec<_>, _>>();
        Self::new(text.mode, text.rungs.map(read).transpose()?)
    }
}

impl From<LadderRule> for LadderText {
    fn from(rule: LadderRule) -> Self {
        let written = |rungs: Vec<HumanDuration>| rungs.iter().map(HumanDuration::to_string).collect();
        Self { mode: rule.mode, rungs: rule.rungs.map(written) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str, nature: Nature, lifetime_days: Option<i64>) -> String {
        let rule: LadderRule = serde_json::from_str(json).expect(json);
        let lifetime = lifetime_days.map(TimeDelta::days);
        let ladder = rule.ladder(nature, lifetime);
        let rungs: Vec<String> = ladder.rungs_for(lifetime).iter().map(ToString::to_string).collect();
        format!("{} {}", ladder.mode().as_str(), rungs.join(" "))
    }

    #[test]
    fn what_nobody_decided_depends_on_nature_and_lifetime() {
        use Nature::{Authority, Ordinary, RenewsItself};
        let table = [
            ("{}", Ordinary, Some(365), "fixed 30d 14d 7d 1d"),
            ("{}", Ordinary, Some(31), "fixed 14d 7d 1d"),
            ("{}", Ordinary, Some(30), "scaled 9d 6d 3d 1296m"),
            ("{}", Ordinary, None, "fixed 30d 14d 7d 1d"),
            ("{}", RenewsItself, Some(365), "scaled 30d 14d 7d 1d"),
            ("{}", RenewsItself, Some(90), "scaled 27d 14d 7d 1d"),
            ("{}", Authority, Some(3_650), "fixed 365d 180d 90d 30d"),
            ("{}", Authority, Some(365), "fixed 180d 90d 30d"),
            ("{}", Authority, Some(60), "scaled 18d 12d 6d 2592m"),
            (r#"{"mode":"fixed"}"#, RenewsItself, Some(20), "fixed 7d 1d"),
            (r#"{"mode":"scaled"}"#, Ordinary, Some(40), "scaled 12d 8d 4d 1d"),
            (r#"{"rungs":["60d","2d"]}"#, Ordinary, Some(100), "fixed 2d"),
            (r#"{"rungs":["60d","50d"]}"#, Ordinary, Some(100), "scaled 30d 20d"),
            (r#"{"mode":"fixed","rungs":["60d"]}"#, Ordinary, Some(100), "fixed "),
        ];
        for (json, nature, lifetime, expected) in table {
            assert_eq!(shown(json, nature, lifetime), expected, "{json} {nature:?} {lifetime:?}");
        }
    }

    #[test]
    fn a_rule_survives_toml_and_json() {
        for toml in ["", "mode = \"scaled\"", "rungs = [\"30d\", \"1w\"]", "mode = \"fixed\"\nrungs = [\"90m\"]"] {
            let rule: LadderRule = toml::from_str(toml).expect(toml);
            let json = serde_json::to_string(&rule).expect("json");
            assert_eq!(serde_json::from_str::<LadderRule>(&json).ok(), Some(rule), "{json}");
        }
    }

    #[test]
    fn a_rule_that_is_none_is_refused() {
        for toml in
            ["mode = \"loose\"", "rungs = [\"1d\", \"7d\"]", "rungs = []", "rungs = [\"0d\"]", "rung = [\"1d\"]"]
        {
            assert!(toml::from_str::<LadderRule>(toml).is_err(), "{toml}");
        }
        let text = LadderText { mode: None, rungs: Some(vec!["soon".to_owned()]) };
        assert_eq!(LadderRule::try_from(text).map_err(|error| error.code()), Err("duration-form"));
    }
}
