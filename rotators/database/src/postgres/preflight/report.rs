//! What a preflight gathers.

use keywheel_contract::{Check, CheckOutcome, Failure, Finding, FindingKind, Preflight};

/// A preflight in the making.
#[derive(Debug, Default)]
pub(crate) struct Report(Preflight);

impl Report {
    /// Adds a check.
    pub(crate) fn check(&mut self, name: impl Into<String>, outcome: CheckOutcome, detail: impl Into<String>) {
        self.0.checks.push(Check { name: name.into(), outcome, detail: detail.into() });
    }

    /// Adds a statement that a rotation would send, masked.
    pub(crate) fn change(&mut self, statement: String) {
        self.0.changes.push(statement);
    }

    /// Adds a finding that nothing goes on with.
    pub(crate) fn block(&mut self, code: &str, sentence: impl Into<String>, hint: impl Into<String>) {
        self.find(FindingKind::Blocks, code, sentence, hint);
    }

    /// Adds a finding that must be acknowledged.
    pub(crate) fn ask(&mut self, code: &str, sentence: impl Into<String>, hint: impl Into<String>) {
        self.find(FindingKind::NeedsAcknowledgement, code, sentence, hint);
    }

    /// Adds a finding that is worth knowing.
    pub(crate) fn note(&mut self, code: &str, sentence: impl Into<String>, hint: impl Into<String>) {
        self.find(FindingKind::Note, code, sentence, hint);
    }

    /// Adds a check that failed for a reason that has a code of its own.
    pub(crate) fn failed(&mut self, name: &str, failure: Failure) {
        self.check(name, CheckOutcome::Failed, failure.sentence.clone());
        self.block(failure.code, failure.sentence, failure.hint);
    }

    pub(super) fn finish(self) -> Preflight {
        self.0
    }

    fn find(&mut self, kind: FindingKind, code: &str, sentence: impl Into<String>, hint: impl Into<String>) {
        self.add(Finding { code: code.to_owned(), kind, sentence: sentence.into(), hint: hint.into() });
    }

    /// Adds a finding, unless the same is there.
    pub(crate) fn add(&mut self, finding: Finding) {
        if !self.0.findings.contains(&finding) {
            self.0.findings.push(finding);
        }
    }
}
