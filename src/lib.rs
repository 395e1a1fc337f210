//! keywheel keeps every credential that has a lifetime alive, valid and replaced in time.
//!
//! The map, by floors; a floor imports lower floors only.
//!
//! - Floor 0: [`model`], the words of the house as types; [`clock`], time as it is passed in.
//! - Floor 1, pure: [`rotation`], the saga; [`schedule`], when; [`expiry`], which warning and whether a read is
//!   refused; [`keyring`], the only code that sees raw keys; [`access`], what a token may do; [`pki`],
//!   certificates; [`config`], the configuration file. `config` may import `keyring` and `schedule`. `expiry` may import `schedule`.
//! - Floor 2: [`store`], rows in and out; [`notify`], channels: what a notice looks like and how it is sent.
//! - Floor 3: [`engine`], the only place where things happen.
//! - Floor 4: [`http`], the API; [`cli`], its client. `cli` may import `http`, for the words of the API.
//! - Floor 5: [`app`], the composition root; [`lifecycle`], from start to end; [`telemetry`], logs and metrics.
//!   `app` may import `lifecycle` and `telemetry`.

pub mod access;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod expiry;
pub mod http;
pub mod keyring;
pub mod lifecycle;
pub mod model;
pub mod notify;
pub mod pki;
pub mod rotation;
pub mod schedule;
pub mod store;
pub mod telemetry;
