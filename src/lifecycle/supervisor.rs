//! What systemd is told (`sd_notify`); nothing happens where there is none.

use std::time::Duration;

use sd_notify::NotifyState;

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service supervisor was not told");
    }
}

/// Says that the daemon serves.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// Says that the daemon stops.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

/// How often the watchdog must be fed, at half of its patience; none if there is none.
pub fn watchdog_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|patience| patience / 2)
}

/// Feeds the watchdog.
pub fn watchdog_fed() {
    tell(NotifyState::Watchdog);
}
