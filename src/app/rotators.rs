//! The rotators of this binary.

use crate::engine::Rotators;

/// Every rotator, by kind.
pub(super) fn all() -> Rotators {
    Rotators::default()
}
