//! Floor 5: the composition root. The only place that names concrete stores and rotators.

mod dev;
mod init;
mod open;
mod random;
mod rotators;
mod run;
mod serve;

pub use run::main;
