//! The native API under `/api/v1`: one endpoint one file, with its handler, its description and its wire types.

mod backup;
mod events;
mod keys;
mod routes;
mod status;

pub use events::{EventLine, EventsQuery};
pub(super) use routes::routes;
