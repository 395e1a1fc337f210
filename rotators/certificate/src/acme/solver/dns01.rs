//! dns-01: TXT records, set by whoever can, looked at until they are to be seen, taken away after.
//!
//! A crash leaves records behind; they prove nothing once their order has ended, and the next ones stand beside them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::proof::{Challenge, Presented, Proof, Solver};
use crate::acme::AcmeError;
use crate::acme::dns::{Name, texts};
use crate::acme::pace::pause;

const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Sets and takes away TXT records. Both are harmless when repeated; other values of the same name stay.
#[async_trait]
pub trait Records: Send + Sync {
    /// Adds a value to a name, which has no dot at the end.
    async fn add(&self, name: &str, value: &str) -> Result<(), AcmeError>;

    /// Takes a value away from a name.
    async fn remove(&self, name: &str, value: &str) -> Result<(), AcmeError>;
}

/// Which servers must show a record before an authority is told to look, and for how long that is waited for.
#[derive(Debug, Clone, Default)]
pub struct Visible {
    /// All of these: the zone's own servers, or a resolver. None: it is not waited for.
    pub servers: Vec<SocketAddr>,
    /// The longest wait.
    pub within: Duration,
}

/// Shows proofs in the DNS.
#[derive(Clone)]
pub struct Dns01 {
    records: Arc<dyn Records>,
    visible: Visible,
}

impl Dns01 {
    /// Shows proofs by the given records.
    pub fn new(records: impl Records + 'static, visible: Visible) -> Self {
        Self { records: Arc::new(records), visible }
    }
}

#[async_trait]
impl Solver for Dns01 {
    fn challenge(&self) -> Challenge {
        Challenge::Dns01
    }

    async fn present(&self, proofs: &[Proof]) -> Result<Box<dyn Presented>, AcmeError> {
        let mut shown = Box::new(Set { records: Arc::clone(&self.records), set: Vec::new() });
        for proof in proofs {
            let (name, value) = (proof.txt_name(), proof.txt_value());
            shown.set.push((name.clone(), value.clone()));
            if let Err(error) = self.records.add(&name, &value).await {
                shown.withdraw().await;
                return Err(error);
            }
        }
        match self.visible.wait(proofs).await {
            Ok(()) => Ok(shown),
            Err(error) => {
                shown.withdraw().await;
                Err(error)
            }
        }
    }
}

struct Set {
    records: Arc<dyn Records>,
    set: Vec<(String, String)>,
}

#[async_trait]
impl Presented for Set {
    async fn withdraw(mut self: Box<Self>) {
        take_away(&*self.records, &std::mem::take(&mut self.set)).await;
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        let set = std::mem::take(&mut self.set);
        if let (false, Ok(runtime)) = (set.is_empty(), Handle::try_current()) {
            let records = Arc::clone(&self.records);
            runtime.spawn(async move { take_away(&*records, &set).await });
        }
    }
}

async fn take_away(records: &dyn Records, set: &[(String, String)]) {
    for (name, value) in set {
        let _ = records.remove(name, value).await;
    }
}

impl Visible {
    async fn wait(&self, proofs: &[Proof]) -> Result<(), AcmeError> {
        let until = Instant::now() + self.within;
        for server in &self.servers {
            for proof in proofs {
                while let Err(seen) = looked_up(*server, proof).await {
                    if Instant::now() >= until {
                        return Err(not_visible(*server, proof, &seen));
                    }
                    pause(BETWEEN_LOOKS).await;
                }
            }
        }
        Ok(())
    }
}

/// What is seen in place of the proof, if it is not seen.
async fn looked_up(server: SocketAddr, proof: &Proof) -> Result<(), String> {
    let name = Name::parse(&proof.txt_name()).map_err(|error| error.to_string())?;
    let found = texts(server, &name).await.map_err(|error| error.to_string())?;
    if found.iter().any(|text| text == proof.txt_value().as_bytes()) {
        return Ok(());
    }
    Err(format!("it shows {} other values", found.len()))
}

fn not_visible(server: SocketAddr, proof: &Proof, seen: &str) -> AcmeError {
    AcmeError::local(
        "acme-record-not-visible",
        format!("the TXT record `{}` is not to be seen at {server}: {seen}", proof.txt_name()),
        "see whether the zone is the one that is served, and how long its servers take",
    )
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

    use super::*;

    struct Told(UnboundedSender<String>);

    #[async_trait]
    impl Records for Told {
        async fn add(&self, name: &str, _value: &str) -> Result<(), AcmeError> {
            self.0.send(format!("add {name}")).map_err(|_| AcmeError::local("x", "x", "x"))
        }

        async fn remove(&self, name: &str, _value: &str) -> Result<(), AcmeError> {
            self.0.send(format!("remove {name}")).map_err(|_| AcmeError::local("x", "x", "x"))
        }
    }

    async fn next(told: &mut UnboundedReceiver<String>) -> String {
        tokio::time::timeout(Duration::from_secs(10), told.recv()).await.expect("in time").expect("told")
    }

    #[tokio::test]
    async fn what_is_dropped_at_a_deadline_is_taken_away_too() {
        let (sender, mut told) = unbounded_channel();
        let solver = Dns01::new(Told(sender), Visible::default());
        let proof = Proof::of("a.example", "token", "token.text").expect("a proof");
        let presented = solver.present(&[proof]).await.expect("presented");
        assert_eq!(next(&mut told).await, "add _acme-challenge.a.example");
        drop(presented);
        assert_eq!(next(&mut told).await, "remove _acme-challenge.a.example");
    }
}
