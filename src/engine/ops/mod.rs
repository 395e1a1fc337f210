//! What can be asked of the engine, one file per thing: typed requests, typed answers, and the reason if it is refused.
//! Each write is one transaction: it first holds the agenda row of its secret, appends an event that names the rows
//! written, and wakes the loop after its commit. None is open while a target is asked.

pub mod access;
pub mod adopt;
mod adopt_check;
mod adopt_write;
pub mod apply;
pub mod apply_notices;
mod apply_plan;
mod asked;
pub mod backup;
pub mod channels;
pub mod clock;
pub mod deliveries;
pub mod events;
pub mod expiries;
pub mod expiry_rules;
mod journal;
pub mod keys;
pub mod notices;
pub mod occurrences;
pub mod pki;
pub mod plan;
pub mod resolve;
pub mod rotate;
pub mod rotations;
pub mod routes;
pub mod schedules;
mod secret_fields;
pub mod secret_life;
pub mod secret_read;
pub mod secrets;
pub mod status;
pub mod targets;
pub mod tracked;
pub mod views;
pub mod wire;
