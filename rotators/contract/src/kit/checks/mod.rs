//! One check for each property, in files by what they disturb.

mod disturbed;
mod each;
mod looking;
mod repeated;
mod texts;

pub(super) use each::run;
