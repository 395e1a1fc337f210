//! The native API under `/api/v1`: one endpoint one file, with its handler, its description and its wire types.

mod accounts;
mod adopt;
mod authorities;
mod backup;
mod certificates;
mod channels;
mod deliveries;
mod events;
mod expiring;
mod keys;
mod notices;
mod rotations;
mod routes;
mod routing;
mod scans;
mod schedules;
mod secrets;
mod status;
mod targets;
mod tokens;
mod values;
mod why;

pub use certificates::CertificateShown;
pub use events::{EventLine, EventsQuery};
pub use expiring::Lifted;
pub(super) use routes::routes;
use why::{Why, made};
