//! The rotators of this binary.

use std::sync::Arc;

use keywheel_database::PostgresRotator;

use crate::engine::Rotators;

/// Every rotator, by kind.
pub(super) fn all() -> Rotators {
    Rotators::default().with(Arc::new(PostgresRotator::new()))
}
