//! What the server and the driver can do at most: changes with ready verifiers over open sessions, and fresh logins.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use tokio::task::JoinSet;

use super::{
    driver::{
        scram,
        wire::{Address, Login, Session, log_in},
    },
    figures::per_second,
    servers::postgres::{ADMIN_PASSWORD, PostgresServer},
};

/// Roles that only the limit is measured with.
const ROLES: usize = 100;
const PASSWORD: &str = "the-same-for-every-role-of-the-limit";
const SALT: &[u8; 16] = b"0123456789abcdef";

/// Measures the limit at one server.
pub(crate) struct Limit {
    address: Address,
    verifier: String,
    clients_change: usize,
    clients_login: usize,
}

/// Rates in a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) change: f64,
    pub(crate) login: f64,
}

impl Rates {
    /// Rotations in a second if they cost nothing but one change and one login.
    pub(crate) fn bound(self) -> f64 {
        1.0 / (1.0 / self.change + 1.0 / self.login)
    }
}

impl Limit {
    /// Makes the roles, and finds out whether 1, 8 or 32 clients get the most out of the server.
    pub(crate) async fn new(server: &PostgresServer) -> Result<Self> {
        let keys = scram::keys(PASSWORD, SALT, scram::DEFAULT_ROUNDS);
        let verifier = keys.verifier(SALT, scram::DEFAULT_ROUNDS).to_string();
        server.sql(&format!(
            "DO $$ BEGIN FOR i IN 0..{} LOOP EXECUTE format('CREATE ROLE limit_%s LOGIN PASSWORD %L', i, '{verifier}'); \
             END LOOP; END $$",
            ROLES - 1
        ));
        let address = Address { host: "127.0.0.1".to_owned(), port: server.port(), tls: None, local: true };
        let mut limit = Self { address, verifier, clients_change: 1, clients_login: 1 };
        let span = Duration::from_millis(1500);
        let (mut best_change, mut best_login) = (0.0, 0.0);
        for clients in [1, 8, 32] {
            let change = limit.changes(clients, span).await?;
            let login = limit.logins(clients, span).await?;
            if change > best_change {
                (best_change, limit.clients_change) = (change, clients);
            }
            if login > best_login {
                (best_login, limit.clients_login) = (login, clients);
            }
        }
        Ok(limit)
    }

    /// How many clients change and log in, for the print.
    pub(crate) fn clients(&self) -> (usize, usize) {
        (self.clients_change, self.clients_login)
    }

    /// Both rates, each over the whole span.
    pub(crate) async fn measure(&self, span: Duration) -> Result<Rates> {
        let change = self.changes(self.clients_change, span).await?;
        let login = self.logins(self.clients_login, span).await?;
        Ok(Rates { change, login })
    }

    async fn changes(&self, clients: usize, span: Duration) -> Result<f64> {
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            // Each client has roles of its own: two sessions cannot alter one role at the same time.
            let own = ROLES / clients;
            let mut session = enter(&self.address, "postgres", ADMIN_PASSWORD).await?;
            let verifier = self.verifier.clone();
            tasks.spawn(async move {
                let (begin, mut done) = (Instant::now(), 0_usize);
                while begin.elapsed() < span {
                    let role = client * own + done % own;
                    let sql = format!("ALTER ROLE limit_{role} PASSWORD '{verifier}'");
                    session.query(&sql).await.map_err(|error| anyhow!("a change: {error}"))?;
                    done += 1;
                }
                session.close().await;
                Ok(done)
            });
        }
        sum(tasks, span).await
    }

    async fn logins(&self, clients: usize, span: Duration) -> Result<f64> {
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let address = self.address.clone();
            tasks.spawn(async move {
                let (begin, mut done) = (Instant::now(), 0_usize);
                while begin.elapsed() < span {
                    let role = format!("limit_{}", (client + done * clients) % ROLES);
                    enter(&address, &role, PASSWORD).await?.close().await;
                    done += 1;
                }
                Ok(done)
            });
        }
        sum(tasks, span).await
    }
}

async fn enter(address: &Address, role: &str, password: &str) -> Result<Session> {
    let who = Login { role, password, database: "postgres", application: "limit" };
    let attempt = log_in(address, who, Duration::from_secs(10)).await;
    attempt.result.map_err(|error| anyhow!("a login: {error}"))
}

async fn sum(mut tasks: JoinSet<Result<usize>>, span: Duration) -> Result<f64> {
    let mut all = 0;
    while let Some(done) = tasks.join_next().await {
        all += done??;
    }
    Ok(per_second(all, span))
}
