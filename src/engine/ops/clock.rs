//! The word of a person that the clock is right.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    asked::{Asked, Told},
    rotations::Wish,
    secret_fields::check_text,
    wire::{Moment, moment},
};
use crate::{
    engine::{Engine, Trouble},
    model::Actor,
};

/// The answer to a confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClockConfirmed {
    /// Whether anything was held because of the clock.
    pub was_held: bool,
    /// What the clock showed before the step.
    pub held_since: Option<Moment>,
    /// What the clock shows, and is believed.
    pub now: Moment,
}

/// Believes the clock as it is: what a step forward held goes on. The confirmation is an event of its own.
///
/// The event is written first. A crash before the clock is believed loses nothing: a process that starts believes it.
pub async fn confirm(engine: &Arc<Engine>, actor: &Actor, request: Wish) -> Result<ClockConfirmed, Trouble> {
    check_text("reason", &request.reason)?;
    let asked = Asked::new(engine, actor);
    let (held_since, now) = (engine.held_since(), asked.now);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                let told = Told {
                    subject: asked.tenant().as_str(),
                    kind: "daemon.clock_confirmed",
                    facts: json!({ "v": 1, "was_held": held_since.is_some() }),
                    reason: &request.reason,
                    written: Vec::new(),
                    rotation: None,
                };
                asked.append(tx, told).await
            })
        })
        .await?;
    let was_held = engine.confirm_clock();
    Ok(ClockConfirmed { was_held, held_since: moment(held_since), now: Moment(now) })
}
