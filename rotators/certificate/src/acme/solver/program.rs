//! DNS records by a named program: `present NAME VALUE` and `cleanup NAME VALUE`, exit status 0 for done.

use std::sync::Arc;

use async_trait::async_trait;

use super::dns01::Records;
use crate::acme::AcmeError;

/// Runs one program, which the daemon's configuration names; what it may do and how long is the runner's matter.
#[async_trait]
pub trait Program: Send + Sync {
    /// Runs it with the given arguments; the error says what went wrong, without secrets.
    async fn run(&self, arguments: &[&str]) -> Result<(), String>;
}

/// Sets records by a program.
#[derive(Clone)]
pub struct DnsProgram(Arc<dyn Program>);

impl DnsProgram {
    /// Sets records by the given program.
    pub fn new(program: Arc<dyn Program>) -> Self {
        Self(program)
    }

    async fn run(&self, what: &str, name: &str, value: &str) -> Result<(), AcmeError> {
        self.0.run(&[what, name, value]).await.map_err(|cause| {
            AcmeError::local(
                "acme-dns-hook-failed",
                format!("the DNS hook failed to {what} `{name}`: {cause}"),
                "run the hook by hand with `present NAME VALUE` and see what it says",
            )
        })
    }
}

#[async_trait]
impl Records for DnsProgram {
    async fn add(&self, name: &str, value: &str) -> Result<(), AcmeError> {
        self.run("present", name, value).await
    }

    async fn remove(&self, name: &str, value: &str) -> Result<(), AcmeError> {
        self.run("cleanup", name, value).await
    }
}
