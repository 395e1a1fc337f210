//! The native API under `/api/v1`: one endpoint one file, with its handler, its description and its wire types.

mod adopt;
mod backup;
mod channels;
mod deliveries;
mod events;
mod expiring;
mod keys;
mod notices;
mod rotations;
mod routes;
mod routing;
mod schedules;
mod secrets;
mod status;
mod targets;
mod tokens;
mod values;
mod why;

pub use events::{EventLine, EventsQuery};
pub use expiring::Lifted;
pub(super) use routes::routes;
use why::{Why, made};
