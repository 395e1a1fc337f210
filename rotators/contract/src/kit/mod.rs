//! The conformance kit, which says what a rotator gets wrong, and doubles that go wrong on demand.
//!
//! A rotator's author implements [`Rig`]: fresh accounts, an independent login, and as many ways to disturb the
//! target as there are. [`run`] then tries every [`Property`]; [`conformance!`](crate::conformance) makes a test of
//! each. [`FakeRotator`] over [`FakeTarget`] is a rotator in memory for tests of the engine and for simulations.
//!
//! The kit deliberately knows nothing of the engine: a property holds for one rotator and one account at a time.

mod account;
mod canary;
mod checks;
mod conformance;
#[cfg(test)]
mod defect;
mod fake_rig;
mod fake_rotator;
mod fake_target;
#[cfg(test)]
mod fake_tests;
mod faults;
#[cfg(test)]
mod issuing;
mod property;
mod random;
mod report;
mod rig;
mod trial;

pub use account::Door;
pub use conformance::{assert_holds, check, run};
pub use fake_rig::FakeRig;
pub use fake_rotator::{FakeRotator, Strategy};
pub use fake_target::FakeTarget;
pub use faults::{Fault, FaultPlan, FaultRule, Operation};
pub use property::Property;
pub use random::{SeededRandom, SystemRandom};
pub use report::{Cause, Outcome, Report, Violation};
pub use rig::{Can, Capabilities, Rig, RigError, Stage};
