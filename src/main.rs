//! The binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Fails only if a provider was installed before, and nothing runs before this.
    let _ = rustls::crypto::ring::default_provider().install_default();
    keywheel::app::main()
}
