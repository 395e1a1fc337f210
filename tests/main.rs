//! The integration tests: one binary, mirroring `src/`.

mod keyring;
