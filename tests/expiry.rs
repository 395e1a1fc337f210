//! The part of proof 25 that is the ladder: warnings against a slow reference in Python
//! (`tests/reference/expiry.py`), and the calendar against a parser of another's.

mod calendar;
mod case;
mod standings;
mod years;
