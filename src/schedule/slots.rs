//! Allowed slots: the stretches of time inside the window and outside every freeze.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::freeze::Freeze;
use super::window::Window;

/// How far ahead a slot is looked for: five years of 365.25 days.
const HORIZON: TimeDelta = TimeDelta::hours(5 * 8_766);

/// A stretch of time in which a rotation may start: from `open` until before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) open: DateTime<Utc>,
    pub(super) end: DateTime<Utc>,
}

/// The window and the freezes of one schedule, in instants.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    zone: Tz,
    window: Option<Window>,
    /// Sorted; none touches another.
    frozen: Vec<Slot>,
}

impl Slots {
    pub(super) fn new(zone: Tz, window: Option<Window>, freezes: &[Freeze]) -> Self {
        let mut spans: Vec<(DateTime<Utc>, DateTime<Utc>)> = freezes.iter().map(|freeze| freeze.span(zone)).collect();
        spans.sort_unstable();
        let mut frozen: Vec<Slot> = Vec::new();
        for (open, end) in spans.into_iter().filter(|(open, end)| open < end) {
            match frozen.last_mut() {
                Some(last) if open <= last.end => last.end = last.end.max(end),
                _ => frozen.push(Slot { open, end }),
            }
        }
        Self { zone, window, frozen }
    }

    pub(super) fn has_window(&self) -> bool {
        self.window.is_some()
    }

    /// Says whether a rotation may start at an instant.
    pub(super) fn allows(&self, at: DateTime<Utc>) -> bool {
        self.first_after(at).is_some_and(|slot| slot.open <= at)
    }

    /// The first slot that ends after an instant; `None` if there is none within five years.
    pub(super) fn first_after(&self, after: DateTime<Utc>) -> Option<Slot> {
        let horizon = after.checked_add_signed(HORIZON).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let mut cursor = after;
        while cursor < horizon {
            let piece = self.window_piece(cursor)?;
            if let Some(slot) = self.thawed(piece, cursor) {
                return (slot.open < horizon).then_some(slot);
            }
            // A freeze covers the rest of this piece; go on after both.
            let thaw = self.frozen.iter().find(|freeze| freeze.open < piece.end && piece.end <= freeze.end)?.end;
            cursor = thaw.max(piece.end);
        }
        None
    }

    /// The last slot that opens at or before `deadline` and ends after `from`.
    pub(super) fn last_between(&self, from: DateTime<Utc>, deadline: DateTime<Utc>) -> Option<Slot> {
        // Windows come back every week: only a freeze makes it necessary to look further back than that.
        let near = deadline.checked_sub_signed(TimeDelta::days(9)).map_or(from, |near| near.max(from));
        let walk = |start| {
            std::iter::successors(self.first_after(start), |slot| self.first_after(slot.end))
                .take_while(|slot| slot.open <= deadline)
                .last()
        };
        walk(near).or_else(|| walk(from))
    }

    /// The first slot after an instant if there were no freezes.
    pub(super) fn unfrozen_after(&self, after: DateTime<Utc>) -> Option<Slot> {
        self.window_piece(after)
    }

    fn window_piece(&self, after: DateTime<Utc>) -> Option<Slot> {
        match &self.window {
            None => Some(Slot { open: DateTime::<Utc>::MIN_UTC, end: DateTime::<Utc>::MAX_UTC }),
            Some(window) => window.first_piece(self.zone, after).map(|(open, end)| Slot { open, end }),
        }
    }

    /// The first part of a piece that no freeze covers and that ends after an instant.
    fn thawed(&self, piece: Slot, after: DateTime<Utc>) -> Option<Slot> {
        let mut open = piece.open;
        for freeze in self.frozen.iter().filter(|freeze| freeze.open < piece.end && freeze.end > piece.open) {
            if open < freeze.open && after < freeze.open {
                return Some(Slot { open, end: freeze.open });
            }
            open = freeze.end;
        }
        (open < piece.end && after < piece.end).then_some(Slot { open, end: piece.end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::text::FreezeText;

    fn slots(window: &str, freezes: &[(&str, &str)]) -> Slots {
        let freezes: Vec<Freeze> = freezes
            .iter()
            .map(|(from, until)| FreezeText {
                from: (*from).to_owned(),
                until: (*until).to_owned(),
                reason: "a reason".to_owned(),
            })
            .map(|text| Freeze::try_from(&text).expect("a freeze"))
            .collect();
        let window = (!window.is_empty()).then(|| window.parse().expect(window));
        Slots::new(Tz::UTC, window, &freezes)
    }

    fn shown(slot: Option<Slot>) -> Option<(String, String)> {
        slot.map(|slot| (slot.open.format("%FT%H").to_string(), slot.end.format("%FT%H").to_string()))
    }

    fn pair(open: &str, end: &str) -> (String, String) {
        (open.to_owned(), end.to_owned())
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn without_window_and_freeze_everything_is_one_slot() {
        let all = slots("", &[]);
        assert!(all.allows(at("2026-06-06T00:00:00Z")));
        assert_eq!(all.first_after(at("2026-06-06T00:00:00Z")).map(|slot| slot.end), Some(DateTime::<Utc>::MAX_UTC));
    }

    #[test]
    fn freezes_cut_slots_and_touching_freezes_are_one() {
        let cut =
            slots("02:00-08:00", &[("2026-06-06T04:00", "2026-06-06T05:00"), ("2026-06-06T05:00", "2026-06-06T06:00")]);
        assert_eq!(shown(cut.first_after(at("2026-06-06T00:00:00Z"))), Some(pair("2026-06-06T02", "2026-06-06T04")));
        assert_eq!(shown(cut.first_after(at("2026-06-06T04:00:00Z"))), Some(pair("2026-06-06T06", "2026-06-06T08")));
        assert!(cut.allows(at("2026-06-06T03:59:59Z")) && !cut.allows(at("2026-06-06T04:00:00Z")));
        assert!(!cut.allows(at("2026-06-06T05:59:59Z")) && cut.allows(at("2026-06-06T06:00:00Z")));
    }

    #[test]
    fn a_freeze_of_a_year_is_passed_at_once() {
        let year = slots("SAT 02:00-05:00", &[("2026-01-01", "2026-12-31")]);
        assert_eq!(shown(year.first_after(at("2026-01-01T00:00:00Z"))), Some(pair("2027-01-02T02", "2027-01-02T05")));
    }

    #[test]
    fn a_freeze_beyond_five_years_leaves_no_slot() {
        for window in ["", "SAT 02:00-05:00"] {
            let frozen = slots(window, &[("2026-01-01", "2040-01-01")]);
            assert_eq!(frozen.first_after(at("2026-06-06T00:00:00Z")), None, "{window}");
            assert!(frozen.first_after(at("2038-06-06T00:00:00Z")).is_some(), "{window}");
        }
    }

    #[test]
    fn the_last_slot_before_a_deadline_is_found_behind_a_freeze() {
        let frozen = slots("SAT 02:00-05:00", &[("2026-06-10", "2026-08-01")]);
        let found = frozen.last_between(at("2026-05-01T00:00:00Z"), at("2026-07-20T00:00:00Z"));
        assert_eq!(shown(found), Some(pair("2026-06-06T02", "2026-06-06T05")));
        assert_eq!(frozen.last_between(at("2026-06-06T05:00:00Z"), at("2026-07-20T00:00:00Z")), None);
    }
}
