//! What the benches stand on: an engine over a real store and server, a filled store, the driver's own rates, and
//! figures printed beside their limits.
#![allow(dead_code, unused_imports, reason = "the benches share more than each of them uses")]

pub(crate) mod driver;
pub(crate) mod figures;
pub(crate) mod pause;
pub(crate) mod rates;
pub(crate) mod seed;
pub(crate) mod tail;
pub(crate) mod world;

pub(crate) use crate::support as servers;
