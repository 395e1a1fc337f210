//! What evidence decides after an attempt whose effect is unknown (DESIGN.md, section 5).
//!
//! Evidence counts only when the earlier attempt can no longer act: the caller settles first.

use keywheel_contract::{Refusal, Seen};

/// What probes saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What the candidate met.
    pub candidate: Seen,
    /// What the version in use before met; none where there is none.
    pub current: Option<Seen>,
}

/// What evidence decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The candidate is in force: go forward.
    Forward,
    /// The candidate is not in force and the version before is: apply again, or unwind.
    NotApplied,
    /// The target accepts neither: look among the older kept ones, apply again by the admin; else stuck.
    Lost,
    /// An account that lets nobody in hides the answer: put back what was before, by the admin.
    Hidden,
    /// Decide nothing; wait and look again.
    Wait,
}

/// Reads the table of DESIGN.md, section 5.
pub fn decide(evidence: &Evidence) -> Verdict {
    let wrong = |seen: &Seen| matches!(seen, Seen::Refused { refusal: Refusal::WrongCredential });
    match (&evidence.candidate, evidence.current.as_ref()) {
        (Seen::Works, _) => Verdict::Forward,
        (Seen::Unreachable { .. }, _) | (Seen::Refused { .. }, Some(Seen::Unreachable { .. })) => Verdict::Wait,
        (Seen::Refused { .. }, Some(Seen::Works)) => Verdict::NotApplied,
        // Without a version before, a refused candidate leaves what was: unknown to us, and unchanged.
        (seen, None) if wrong(seen) => Verdict::NotApplied,
        (candidate, Some(current)) if wrong(candidate) && wrong(current) => Verdict::Lost,
        (Seen::Refused { .. }, Some(Seen::Refused { .. }) | None) => Verdict::Hidden,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_design_holds() {
        let works = || Seen::Works;
        let wrong = || Seen::Refused { refusal: Refusal::WrongCredential };
        let barred = || Seen::Refused { refusal: Refusal::Barred };
        let silent = || Seen::Unreachable { because: "x".into() };
        let rows = [
            (works(), Some(works()), Verdict::Forward),
            (works(), Some(wrong()), Verdict::Forward),
            (works(), Some(silent()), Verdict::Forward),
            (works(), None, Verdict::Forward),
            (wrong(), Some(works()), Verdict::NotApplied),
            (barred(), Some(works()), Verdict::NotApplied),
            (wrong(), Some(wrong()), Verdict::Lost),
            (wrong(), Some(silent()), Verdict::Wait),
            (barred(), Some(silent()), Verdict::Wait),
            (silent(), Some(works()), Verdict::Wait),
            (silent(), Some(wrong()), Verdict::Wait),
            (silent(), None, Verdict::Wait),
            (wrong(), None, Verdict::NotApplied),
            (barred(), Some(wrong()), Verdict::Hidden),
            (wrong(), Some(barred()), Verdict::Hidden),
            (barred(), None, Verdict::Hidden),
        ];
        for (candidate, current, verdict) in rows {
            let evidence = Evidence { candidate, current };
            assert_eq!(decide(&evidence), verdict, "{evidence:?}");
        }
    }
}
