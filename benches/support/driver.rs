//! The rotator's own wire client, so that the limit is measured with the driver that is limited by it.
#![allow(unreachable_pub, missing_docs, reason = "these files are modules of another crate")]

#[path = "../../rotators/database/src/postgres/fresh.rs"]
mod fresh;
#[path = "../../rotators/database/src/postgres/md5.rs"]
pub(crate) mod md5;
#[path = "../../rotators/database/src/postgres/scram.rs"]
pub(crate) mod scram;
#[path = "../../rotators/database/src/postgres/wire/mod.rs"]
pub(crate) mod wire;
