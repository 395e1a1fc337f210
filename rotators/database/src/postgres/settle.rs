//! Ends what an earlier attempt of a rotation may still be doing.
//!
//! Every session that sends a change carries the rotation's id as its name, and the server had acknowledged that
//! name before the change was sent. So once no session of that name is left, nothing of the rotation can act.

use std::time::Duration;

use keywheel_contract::{Failure, RotationId, Settled, Target};

use super::{
    admin::Admin,
    job::{Job, Until},
    quote::literal,
};

/// The name that sessions of a rotation carry.
pub(crate) fn session_name(rotation: &RotationId) -> String {
    format!("keywheel/{rotation}")
}

/// Ends the rotation's sessions; settled is what has none left when asked once more.
pub(crate) async fn settle(
    job: &Job,
    target: &Target,
    rotation: &RotationId,
    until: Until,
) -> Result<Settled, Failure> {
    let mut admin = Admin::open(job, target, "keywheel/settle", until).await?;
    let settled = end_sessions(&mut admin, &session_name(rotation)).await;
    admin.close().await;
    settled
}

async fn end_sessions(admin: &mut Admin, name: &str) -> Result<Settled, Failure> {
    let name = literal(name);
    let condition = format!("FROM pg_stat_activity WHERE application_name = {} AND pid <> pg_backend_pid()", &*name);
    let ended = admin.ask(&format!("SELECT pg_terminate_backend(pid) {condition}")).await;
    ended.map_err(|failure| match failure.code {
        "postgres-permission-denied" => Failure::misconfigured(
            "target.admin",
            "postgres-cannot-end-sessions",
            format!("a session of this rotation belongs to another role and cannot be ended: {}", failure.sentence),
            "GRANT pg_signal_backend to the admin, or end the session by hand: its application_name is the rotation",
        ),
        _ => failure,
    })?;
    let left = admin.ask(&format!("SELECT count(*) {condition}")).await?;
    match left.first().and_then(|row| row.number::<u64>(0)) {
        Some(0) => Ok(Settled::Yes),
        left => Ok(Settled::NotYet {
            look_again_in: Duration::from_secs(1),
            because: format!("{} sessions of this rotation are ending", left.unwrap_or_default()),
        }),
    }
}
