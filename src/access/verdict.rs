//! What a request asks for, and what is answered to it.

use crate::model::Name;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// To list secrets: those alone that may be read are listed.
    ListSecrets,
    /// To read what is known of a secret but its values.
    ReadAbout(Name),
    /// To read a value.
    ReadValue(Name),
    /// Everything else.
    Other,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may be done.
    Allowed,
    /// It may not, and why.
    Denied(Denial),
}

/// Why something may not be done. Neither reason tells whether the secret exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// No pattern of the token means the name.
    NotGranted,
    /// It is nothing that a token can do.
    NotForTokens,
}

impl Denial {
    /// What is wrong.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotGranted => "no pattern of this token means that name",
            Self::NotForTokens => "a token reads secrets, and does nothing else",
        }
    }

    /// What solves it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NotGranted => "make a token that may, with `keywheel token create --read NAME`",
            Self::NotForTokens => "run the command on the daemon's host, as the owner of its data directory",
        }
    }
}
