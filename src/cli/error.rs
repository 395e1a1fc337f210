//! How a command ends, and how an error is told: `error:`, `caused by:`, `hint:`.

use std::process::ExitCode;

use keywheel_contract::Finding;

use super::table::escape;
use crate::{
    config::ConfigError,
    engine::{Kind, Trouble},
    http::Problem,
    store::StoreError,
};

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It is done.
    Done,
    /// It failed.
    Failed,
    /// It was called the wrong way.
    Usage,
    /// What it names does not exist.
    NotFound,
    /// The asker may not.
    Denied,
    /// A person must look: an acknowledgement, a finding, something stuck.
    NeedsAttention,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NotFound => 3,
            Exit::Denied => 4,
            Exit::NeedsAttention => 5,
        })
    }
}

/// Why a command did not do it.
#[derive(Debug, Clone)]
pub struct CliError {
    /// How the command ends.
    pub exit: Exit,
    /// A stable kebab-case code.
    pub code: String,
    /// What is wrong.
    pub sentence: String,
    /// What lies beneath, outermost first.
    pub causes: Vec<String>,
    /// What solves it.
    pub hint: String,
    /// Findings that stand in the way.
    pub findings: Vec<Finding>,
}

impl CliError {
    /// An error of the command itself.
    pub fn new(exit: Exit, code: impl Into<String>, sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            exit,
            code: code.into(),
            sentence: sentence.into(),
            causes: Vec::new(),
            hint: hint.into(),
            findings: Vec::new(),
        }
    }

    /// An error of the way a command was called.
    pub fn usage(sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", sentence, hint)
    }

    /// The same error with all that lies beneath an error.
    #[must_use]
    pub fn caused_by(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let chain = std::iter::successors(Some(error), |cause| cause.source()).take(16);
        for text in chain.map(ToString::to_string) {
            // Some errors repeat their cause in their own text.
            if self.causes.last() != Some(&text) {
                self.causes.push(text);
            }
        }
        self
    }

    /// Tells the error on standard error.
    pub fn print(&self) {
        eprintln!("error: {} [{}]", escape(&self.sentence), escape(&self.code));
        for cause in &self.causes {
            eprintln!("caused by: {}", escape(cause));
        }
        for finding in &self.findings {
            eprintln!("finding: {} [{}]", escape(&finding.sentence), escape(&finding.code));
        }
        if !self.hint.is_empty() {
            eprintln!("hint: {}", escape(&self.hint));
        }
    }
}

impl From<Problem> for CliError {
    fn from(problem: Problem) -> Self {
        let exit = match problem.status {
            400 => Exit::Usage,
            404 => Exit::NotFound,
            401 | 403 => Exit::Denied,
            428 => Exit::NeedsAttention,
            _ => Exit::Failed,
        };
        Self {
            exit,
            code: problem.code,
            sentence: problem.detail,
            causes: problem.cause,
            hint: problem.hint,
            findings: problem.findings,
        }
    }
}

impl From<Trouble> for CliError {
    fn from(trouble: Trouble) -> Self {
        let exit = match trouble.kind {
            Kind::NotFound => Exit::NotFound,
            Kind::Unauthenticated | Kind::Denied => Exit::Denied,
            Kind::NeedsAcknowledgement => Exit::NeedsAttention,
            Kind::Invalid => Exit::Usage,
            Kind::Conflict | Kind::Refused | Kind::Unavailable | Kind::Internal => Exit::Failed,
        };
        let mut error = Self::new(exit, &*trouble.code, &trouble.sentence, &trouble.hint);
        if let Some(source) = std::error::Error::source(&trouble) {
            error = error.caused_by(source);
        }
        error.findings = trouble.findings;
        error
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Trouble::from(error).into()
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        let told = Self::new(Exit::Usage, error.code(), error.to_string(), error.hint());
        match std::error::Error::source(&error) {
            Some(source) => told.caused_by(source),
            None => told,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn a_problem_keeps_code_and_hint_and_gets_an_exit_code() {
        for (status, exit) in
            [(404, Exit::NotFound), (403, Exit::Denied), (428, Exit::NeedsAttention), (503, Exit::Failed)]
        {
            let status = StatusCode::from_u16(status).expect("a status");
            let error = CliError::from(Problem::new(status, "some-code", "it is so", "do that"));
            assert_eq!((error.exit, error.code.as_str(), error.hint.as_str()), (exit, "some-code", "do that"));
        }
    }
}
