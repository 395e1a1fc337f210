//! The plugin boundary of keywheel: what a rotator promises, in types and in prose.
//!
//! A **rotator** replaces one kind of credential at its target. The engine decides *when* an operation runs,
//! records what it learned, and retries; a rotator does one thing at a time and tells the truth about it.
//!
//! # The contract
//!
//! 1. Every operation is idempotent for one rotation id: running it twice leaves what running it once leaves.
//! 2. A rotator has no retries and no sleeps of its own: both would hide an outcome from the engine.
//! 3. An operation may be abandoned at its deadline. What it was doing is then *unknown*, and the engine asks
//!    [`Rotator::settle`] and [`Rotator::probe`] before it decides anything.
//! 4. `preflight`, `prepare`, `verify` and `probe` change nothing at the target that lasts.
//! 5. A lost answer is [`Decision::Unknown`], never a refusal. [`Decision::Refused`] means that nothing changed.
//! 6. A refusal is classified by the target's code, never by its text, which is localised.
//! 7. No secret value appears in a `Debug` output, an error, a hint, a log line, an argument or an environment.
//!
//! This crate does deliberately not know how rotations are stored, scheduled or resumed.

#[cfg(feature = "kit")]
pub mod kit;

mod answer;
mod checkpoint;
mod failure;
mod id;
mod material;
mod minting;
mod redact;
mod rotator;
mod work;

pub use answer::{
    Applied, Check, CheckOutcome, Declaration, Finding, FindingKind, Observation, Origin, Overlap, Preflight, Prepared,
    Probing, Refusal, Revertible, Seen, Settled, Standing, Verdict, verdict_of,
};
pub use checkpoint::{Checkpoint, NotKept};
pub use failure::{Decision, Failure};
pub use id::{
    ActorId, DeliveryId, DocumentId, EventId, HolderId, IdError, KeyId, NoticeId, OccurrenceId, RotationId, SecretId,
    SendId, TargetId, TenantId, TokenId, VersionId,
};
pub use material::{Material, MaterialError, SecretText};
pub use minting::{PasswordRules, Random, RulesError, mint_password};
pub use redact::Redactor;
pub use rotator::Rotator;
pub use work::{Cx, Target, Work};
