//! Whether the wall clock is believed. After a step forward of over an hour nothing ends by time alone until somebody
//! confirms it or it stays steady for ten minutes.

use std::sync::PoisonError;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::{
    engine::Engine,
    expiry::{Observation, Observed},
    model::{Actor, EventId},
    store::{NewEvent, event},
};

impl Engine {
    /// What the clock showed before a step that nobody has confirmed; none while it is believed. It is judged by the
    /// clock as it is now: a read that comes before the loop's next look is not refused because of a step.
    pub(crate) fn held_since(&self) -> Option<DateTime<Utc>> {
        let mut steady = *self.steady.lock().unwrap_or_else(PoisonError::into_inner);
        steady.observe(self.observation());
        steady.held_since()
    }

    fn observation(&self) -> Observation {
        Observation { wall_at: self.now(), boot: self.clock.boot() }
    }

    /// Believes the clock as it is; answers whether it was not.
    pub(crate) fn confirm_clock(&self) -> bool {
        let mut steady = self.steady.lock().unwrap_or_else(PoisonError::into_inner);
        steady.observe(self.observation());
        let was_held = steady.confirm();
        drop(steady);
        self.wake();
        was_held
    }

    /// Looks at the clock; a step forward is told.
    pub(in crate::engine) async fn watch_clock(&self) {
        let observed = self.steady.lock().unwrap_or_else(PoisonError::into_inner).observe(self.observation());
        if !matches!(observed, Observed::Held { .. }) {
            return;
        }
        tracing::warn!("the clock was set forward by over an hour: deactivation and retirement wait");
        let (tenant, keyring) = (self.tenant.clone(), self.keyring().clone());
        let new = NewEvent {
            id: self.mint(EventId::mint),
            tenant: tenant.clone(),
            subject: tenant.as_str().to_owned(),
            rotation: None,
            kind: "daemon.clock_stepped".to_owned(),
            facts: json!({ "v": 1, "hint": "confirm it with `keywheel clock confirm`, or wait ten minutes" }),
            written: Vec::new(),
            actor: Actor::daemon(),
            reason: String::new(),
            at: self.now(),
        };
        let told = self.write(move |tx| Box::pin(async move { event::append(tx, &keyring, new).await })).await;
        if let Err(error) = told {
            tracing::warn!(code = error.code(), "cannot tell of the step: {error}");
        }
    }
}
