//! Next due times.
