//! Floor 5: the composition root. The only place that names concrete stores and rotators.

mod dev;
mod doctor;
mod init;
mod open;
mod random;
mod rotators;
mod run;
mod serve;
mod verify;

pub use run::main;
