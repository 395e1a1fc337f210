//! The store's disk fails: full, an error at some call, a sync that did not go well.

mod errors;
mod full;
