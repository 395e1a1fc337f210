//! The one place of the benches that lets time pass.

use std::time::Duration;

/// Lets time pass while something else is measured.
#[expect(clippy::disallowed_methods, reason = "a bench measures in running time")]
pub(crate) async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
