//! The native API under `/api/v1`: one endpoint one file, with its handler, its description and its wire types.

mod adopt;
mod backup;
mod deliveries;
mod events;
mod keys;
mod rotations;
mod routes;
mod schedules;
mod secrets;
mod status;
mod targets;
mod values;
mod why;

pub use events::{EventLine, EventsQuery};
pub(super) use routes::routes;
use why::{Why, made};
