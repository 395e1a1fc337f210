//! Being told, end to end: killed daemons, dead relays, receivers that hang, canaries, quiet hours, ended reads.

mod canaries;
mod expired;
mod hanging;
mod judge;
mod killed;
mod looks;
mod mail_down;
mod quiet;
pub(crate) mod scan;
