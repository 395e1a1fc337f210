//! The one pause of this module: between two looks at something outside that has no way to call back.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// Waits for a span, which the caller keeps within its time limit.
pub(super) async fn pause(span: Duration) {
    let _elapsed = timeout(span, pending::<()>()).await;
}

/// What is left until a moment.
pub(super) fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}
