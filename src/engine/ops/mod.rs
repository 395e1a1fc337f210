//! What can be asked of the engine, by whichever surface. One file per thing that is asked.

pub mod events;
pub mod status;
