//! Proofs 27, 28 and 30: schedules against a slow reference in Python (`tests/reference/schedule.py`).

mod dst;
mod missed;
pub(crate) mod random;
pub(crate) mod reference;
mod table;
