//! When a value is to be renewed, as its authority says and as its lifetime says.

use std::time::Duration;

use chrono::{DateTime, Utc};
use keywheel_contract::Material;

use super::account::{Account, StoredAccount};
use super::error::AcmeError;
use super::obtain::{Acme, replaced};
use super::renewal::{Jitter, Term, due_at, point_in};
use super::renewal_info::{Suggestion, suggested};

/// When a certificate is to be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The moment.
    pub at: DateTime<Utc>,
    /// The point within the authority's window, to be stored and given back.
    pub point: Option<DateTime<Utc>>,
    /// How long to wait before asking again.
    pub ask_again_in: Duration,
}

impl Acme {
    /// When a value is to be renewed: its authority is asked, if it has renewal information. `stored` is the point that
    /// an earlier answer gave. An authority that does not answer changes nothing: the earlier point, or the share of the
    /// lifetime, decides.
    pub async fn due(
        &self,
        accounts: &Material,
        value: &Material,
        term: Term,
        stored: Option<DateTime<Utc>>,
        jitter: Jitter,
    ) -> Due {
        let asked = self.suggestion(accounts, value).await;
        let usual = Duration::from_hours(6);
        let (point, ask_again_in) = match asked {
            Ok(Some(said)) => (Some(point_in(said.window, stored, jitter)), said.ask_again_in),
            Ok(None) => (None, usual),
            Err(_) => (stored, usual),
        };
        Due { at: due_at(term, point, jitter), point, ask_again_in }
    }

    async fn suggestion(&self, accounts: &Material, value: &Material) -> Result<Option<Suggestion>, AcmeError> {
        let Some((certificate, directory)) = replaced(value) else { return Ok(None) };
        let accounts = StoredAccount::list(accounts)?;
        let Some(stored) = accounts.iter().find(|stored| stored.directory == directory) else { return Ok(None) };
        suggested(&Account::open(stored, self.resolver()).await?, &certificate).await
    }
}
