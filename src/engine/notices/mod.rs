//! Telling people: from an event to each channel's answer.
//!
//! `dispatch` turns news into notices and sends (one transaction, no call outside); `deliver` brings one send to its
//! channel under a claim; `escalate` tells further channels; `warn` writes the event of an expiry; `shout` tells at
//! once what a full store cannot queue. Pure parts: `rules` (what people configure), `matter` (what an event means to
//! them), `retry` (when to try again).
//!
//! A crash between any two of them repeats the later one: a send that was answered and not recorded is sent again
//! under the same id.

pub(crate) mod channels;
pub(crate) mod deliver;
mod digest;
mod dispatch;
mod escalate;
mod heartbeat;
mod matter;
pub(crate) mod outcome;
pub(crate) mod retry;
pub mod rules;
mod shout;
mod steady;
pub(crate) mod warn;

pub(super) use deliver::look_at_send;
pub(super) use escalate::look_at_notice;
pub(super) use heartbeat::look_at_channel;
