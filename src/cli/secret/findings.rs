//! How findings are shown to people.

use keywheel_contract::FindingKind;

use crate::engine::ops::views::FindingView;

/// A line for each finding, and its hint where something is to be done.
pub(in crate::cli) fn lines(findings: &[FindingView]) -> Vec<String> {
    let mut lines = Vec::new();
    for found in findings {
        let what = match (found.kind, found.is_acknowledged) {
            (FindingKind::Blocks, _) => "in the way    ",
            (FindingKind::NeedsAcknowledgement, true) => "acknowledged  ",
            (FindingKind::NeedsAcknowledgement, false) => "acknowledge?  ",
            (FindingKind::Note, _) => "note          ",
        };
        lines.push(format!("{what}{} [{}]", found.sentence, found.code));
        if found.kind != FindingKind::Note && !found.is_acknowledged {
            lines.push(format!("  hint: {}", found.hint));
        }
    }
    lines
}
