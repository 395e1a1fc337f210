//! What an operation is given: its context, its target and the rotation that it works for.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{Checkpoint, Material, Random, RotationId, TargetId};

/// The context of one operation.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    /// The source of randomness for values that are made here.
    pub random: &'a dyn Random,
    /// How long the operation may take; the engine abandons it then. A rotator passes it on as connect,
    /// statement and lock limits.
    pub deadline: Duration,
    /// The time, for values that carry one; a rotator has no clock of its own for them.
    pub now: DateTime<Utc>,
    /// Where `apply` keeps its progress.
    pub checkpoint: &'a dyn Checkpoint,
}

/// Where a credential takes effect, as it is configured now.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its id.
    pub id: TargetId,
    /// Its name, for messages.
    pub name: String,
    /// Address, TLS and what else the rotator's settings of a target hold.
    pub settings: Value,
    /// The admin's credentials, in the order in which to try them. More than one only while the admin's own
    /// credential is being rotated. Empty where the target needs none.
    pub admins: Vec<Material>,
}

/// The rotation that an operation works for, as it was planned.
#[derive(Debug, Clone)]
pub struct Work {
    /// The rotation's id; what an operation leaves at the target carries it where the target can hold it.
    pub rotation: RotationId,
    /// The secret's name, for messages.
    pub secret: String,
    /// The rotator's settings of the secret, as they were when the rotation was planned.
    pub settings: Value,
    /// The version in use before this rotation; none for a secret that was adopted without a known value.
    pub current: Option<Material>,
    /// When the next rotation is due after this one, in microseconds since 1970, where a schedule says so.
    pub next_due_at: Option<i64>,
}
