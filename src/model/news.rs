//! Which events are told to people.

/// The kinds of event of which notices are made; each is written with a row of news.
const TOLD: &[&str] = &[
    "rotation.planned",
    "rotation.published",
    "rotation.unwound",
    "rotation.stuck",
    "occurrence.failed",
    "schedule.missed",
    "expiry.warned",
    "expiry.resolved",
    "alert.opened",
    "alert.closed",
    "channel.dead_letter",
    "channel.disabled",
    "daemon.clock_stepped",
];

/// Whether events of a kind are told.
pub fn is_news(kind: &str) -> bool {
    TOLD.contains(&kind)
}
