//! Verifying the whole store: every row that carries a MAC, against itself, against what was noted of its last write,
//! and against the newest event that names it.
//!
//! An older row that was put back together with its note passes the first two; the event, which names a later
//! revision, tells. A write that has no event of its own (a plan that moved on, a probe) leaves no such trace: putting
//! back rows *and* events, or undoing only writes of that kind, is found from signed checkpoints on. Rows may be
//! written meanwhile: events are read before the rows that they name. Reads all tenants; changes nothing.

use std::collections::BTreeMap;

use super::{
    Store, StoreError, Tx, Written, certificate::CertificateRow, document::DocumentRow, event::EventRow,
    integrity::MacRow, read_audit::Row as ReadRow, schedule::Row as ScheduleRow, secret::SecretRow, target::TargetRow,
    token::TokenRow, tx::on, version::VersionRow,
};
use crate::keyring::Keyring;

/// Rows that are read together.
const PAGE: i64 = 500;

/// Events after which a row that they named may be gone.
const GONE: [&str; 3] = ["secret.purged", "target.deleted", "document.deleted"];

/// A row that is not as keywheel wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its table.
    pub table: &'static str,
    /// Its id, as it stands there.
    pub row: String,
    /// What is wrong with it.
    pub because: String,
}

/// Verifies every row of every tenant.
pub async fn verify_all(store: &Store) -> Result<Vec<Finding>, StoreError> {
    let mut walk =
        Walk { tx: store.read().await?, keyring: store.keyring(), named: BTreeMap::new(), found: Vec::new() };
    walk.events().await?;
    walk.rows().await?;
    walk.missing().await?;
    Ok(walk.found)
}

/// What the newest event says of a row.
struct Named {
    revision: i64,
    mac: Vec<u8>,
    event: String,
    subject: String,
    was_met: bool,
}

struct Walk<'s> {
    tx: Tx,
    keyring: &'s Keyring,
    named: BTreeMap<(String, String), Named>,
    found: Vec<Finding>,
}

/// Reads a page of rows after a key; row by row where one of them cannot be read, which is then found.
macro_rules! page {
    ($walk:ident, $row:ty, $after:expr, $columns:literal, $from:literal) => {{
        const ROWS: &str = concat!("SELECT ", $columns, " ", $from);
        let together: Result<Vec<$row>, StoreError> = on!($walk.tx, "verify its rows", |conn| {
            sqlx::query_as(ROWS).bind($after.0).bind($after.1).bind(PAGE).bind(0_i64).fetch_all(&mut *conn).await
        });
        match together {
            Err(StoreError::Damaged { .. }) => {
                let mut rows: Vec<$row> = Vec::new();
                for offset in 0..PAGE {
                    let one: Result<Option<$row>, StoreError> = on!($walk.tx, "verify a row", |conn| {
                        let one = sqlx::query_as(ROWS).bind($after.0).bind($after.1).bind(1_i64).bind(offset);
                        one.fetch_optional(&mut *conn).await
                    });
                    match one {
                        Ok(Some(row)) => rows.push(row),
                        Ok(None) => break,
                        Err(StoreError::Damaged { column, .. }) => {
                            const ID: &str = concat!("SELECT id ", $from);
                            let id: Result<String, StoreError> = on!($walk.tx, "name a damaged row", |conn| {
                                let id = sqlx::query_scalar(ID).bind($after.0).bind($after.1).bind(1_i64).bind(offset);
                                id.fetch_one(&mut *conn).await
                            });
                            let row = id.unwrap_or_else(|_| "(its id cannot be read)".to_owned());
                            let because = format!("its column `{column}` cannot be read");
                            $walk.note(Finding { table: <$row>::TABLE, row, because });
                        }
                        Err(other) => return Err(other),
                    }
                }
                (rows, PAGE)
            }
            Err(other) => return Err(other),
            Ok(rows) => {
                let count = i64::try_from(rows.len()).unwrap_or(PAGE);
                (rows, count)
            }
        }
    }};
}

/// Walks a table by its id.
macro_rules! table {
    ($walk:ident, $row:ty, $columns:literal, $from:literal) => {{
        let mut after = String::new();
        loop {
            let (rows, count) = page!($walk, $row, (after.as_str(), 0_i64), $columns, $from);
            let last = rows.last().map(|row| row.row_id().to_owned());
            for row in &rows {
                $walk.row(row);
            }
            match last {
                Some(id) if count == PAGE => after = id,
                _ => break,
            }
        }
    }};
}

impl Walk<'_> {
    fn note(&mut self, finding: Finding) {
        // A row is met by name where its id could be read, and so is not missing.
        let key = (finding.table.to_owned(), finding.row.clone());
        if let Some(named) = self.named.get_mut(&key) {
            named.was_met = true;
        }
        // A page that ends in a damaged row is followed by one that begins with it.
        if !self.found.contains(&finding) {
            self.found.push(finding);
        }
    }

    fn find<R: MacRow>(&mut self, row: &R, because: String) {
        self.note(Finding { table: R::TABLE, row: row.row_id().to_owned(), because });
    }

    async fn events(&mut self) -> Result<(), StoreError> {
        let mut last = (String::new(), 0);
        loop {
            let (rows, count) = page!(
                self,
                EventRow,
                (last.0.as_str(), last.1),
                "subject, seq, id, tenant_id, rotation_id, kind, facts, written, actor, reason, at, mac",
                "FROM event WHERE (subject, seq) > ($1, $2) ORDER BY subject, seq LIMIT $3 OFFSET $4"
            );
            for row in &rows {
                let expected = if row.subject == last.0 { last.1 + 1 } else { 1 };
                if row.seq != expected {
                    self.find(row, format!("it has number {}, the one before it {}", row.seq, expected - 1));
                }
                last = (row.subject.clone(), row.seq);
                self.event(row);
            }
            if count < PAGE || rows.is_empty() {
                return Ok(());
            }
        }
    }

    fn event(&mut self, row: &EventRow) {
        if row.check_mac(self.keyring).is_err() {
            return self.find(row, "its MAC does not cover it".to_owned());
        }
        let Ok(written) = serde_json::from_str::<Vec<Written>>(&row.written) else {
            return self.find(row, "the rows that it names cannot be read".to_owned());
        };
        for written in written {
            let mac = written.mac_bytes();
            let key = (written.table, written.row);
            if self.named.get(&key).is_none_or(|named| named.revision < written.revision) {
                let (event, subject) = (row.id.clone(), row.subject.clone());
                let named = Named { revision: written.revision, mac, event, subject, was_met: false };
                self.named.insert(key, named);
            }
        }
    }

    async fn rows(&mut self) -> Result<(), StoreError> {
        table!(
            self,
            SecretRow,
            "id, tenant_id, name, kind, owner, description, tags, target_id, settings, acknowledged, overlap_us,
             recovery_us, expires_at, next_number, rotation_id, probe_at, deleted_at, created_at, created_by, revision,
             mac, (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'secret' AND noted.row_id = secret.id)
             AS noted",
            "FROM secret WHERE id > $1 AND $2 >= CAST(0 AS BIGINT) ORDER BY id LIMIT $3 OFFSET $4"
        );
        table!(
            self,
            VersionRow,
            "id, tenant_id, secret_id, number, stage, identity, key_id, token, fingerprint, rotation_id, created_at,
             created_by, published_at, retire_at, retired_at, deleted_at, deactivated_at, destroyed_at, revision, mac,
             (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'version' AND noted.row_id = version.id)
             AS noted",
            "FROM version WHERE id > $1 AND $2 >= CAST(0 AS BIGINT) ORDER BY id LIMIT $3 OFFSET $4"
        );
        table!(
            self,
            TargetRow,
            "id, tenant_id, name, rotator, settings, admin, acknowledged, parallel, breaker, created_at, created_by,
             revision, mac,
             (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'target' AND noted.row_id = target.id)
             AS noted",
            "FROM target WHERE id > $1 AND $2 >= CAST(0 AS BIGINT) ORDER BY id LIMIT $3 OFFSET $4"
        );
        table!(
            self,
            ScheduleRow,
            "secret_id, tenant_id, rule, paused_at, pause_reason, counted_from, next_due_at, zone_data, revision, mac,
             (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'schedule'
              AND noted.row_id = schedule.secret_id) AS noted",
            "FROM (SELECT secret_id AS id, schedule.* FROM schedule) AS schedule
             WHERE id > $1 AND $2 >= CAST(0 AS BIGINT) ORDER BY id LIMIT $3 OFFSET $4"
        );
        table!(
            self,
            DocumentRow,
            "id, tenant_id, kind, name, body, created_at, created_by, revision, mac,
             (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'document' AND noted.row_id = document.id)
             AS noted",
            "FROM document WHERE id > $1 AND $2 >= CAST(0 AS BIGINT) ORDER BY id LIMIT $3 OFFSET $4"
        );
        self.more_rows().await?;
        self.reads().await
    }

    async fn more_rows(&mut self) -> Result<(), StoreError> {
        table!(
            self,
            CertificateRow,
            "id, tenant_id, issuer, serial, authority, secret_id, version_id, names, profile, not_before, not_after, pem,
             revoked_at, revoked_because, created_at, created_by, revision, mac,
             (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'certificate'
              AND noted.row_id = certificate.id) AS noted",
            "FROM certificate WHERE id > $1 AND $2 >= CAST(0 AS BIGINT) ORDER BY id LIMIT $3 OFFSET $4"
        );
        table!(
            self,
            TokenRow,
            "id, tenant_id, name, hash, patterns, created_at, created_by, expires_at, revoked_at, revision, mac,
             (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'token' AND noted.row_id = token.id) AS noted",
            "FROM token WHERE id > $1 AND $2 >= CAST(0 AS BIGINT) ORDER BY id LIMIT $3 OFFSET $4"
        );
        Ok(())
    }

    async fn reads(&mut self) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let (rows, count) = page!(
                self,
                ReadRow,
                (after.as_str(), 0_i64),
                "id, tenant_id, secret_id, version_id, reader, via, at, mac",
                "FROM read_audit WHERE id > $1 AND $2 >= CAST(0 AS BIGINT) ORDER BY id LIMIT $3 OFFSET $4"
            );
            for row in &rows {
                if row.check_mac(self.keyring).is_err() {
                    self.find(row, "its MAC does not cover it".to_owned());
                }
            }
            match rows.last() {
                Some(row) if count == PAGE => row.row_id().clone_into(&mut after),
                _ => return Ok(()),
            }
        }
    }

    fn row<R: MacRow>(&mut self, row: &R) {
        let named = self.named.get_mut(&(R::TABLE.to_owned(), row.row_id().to_owned()));
        let mut because = None;
        if row.check_mac(self.keyring).is_err() {
            because = Some("its MAC does not cover it".to_owned());
        } else if row.check_latest().is_err() {
            because = Some("it is not the row that was written last".to_owned());
        }
        if let Some(named) = named {
            named.was_met = true;
            let is_older = row.revision() < named.revision;
            if because.is_none() && (is_older || (row.revision() == named.revision && row.mac() != named.mac)) {
                because = Some(format!("the event `{}` names revision {} of it", named.event, named.revision));
            }
        }
        if let Some(because) = because {
            self.find(row, because);
        }
    }

    /// Rows that events name and that are not there, unless they were forgotten by a purge that has an event too.
    async fn missing(&mut self) -> Result<(), StoreError> {
        let missing: Vec<(String, String, String, String)> = std::mem::take(&mut self.named)
            .into_iter()
            .filter(|(_, named)| !named.was_met)
            .map(|((table, row), named)| (table, row, named.event, named.subject))
            .collect();
        for (table, row, event, subject) in missing {
            let tables = [
                SecretRow::TABLE,
                VersionRow::TABLE,
                TargetRow::TABLE,
                ScheduleRow::TABLE,
                DocumentRow::TABLE,
                TokenRow::TABLE,
            ];
            let Some(table) = tables.into_iter().find(|known| *known == table) else { continue };
            let of = if table == TargetRow::TABLE { &row } else { &subject };
            if !self.is_gone(of).await? {
                let because = format!("the event `{event}` names it and it is not there");
                self.found.push(Finding { table, row, because });
            }
        }
        Ok(())
    }

    async fn is_gone(&mut self, subject: &str) -> Result<bool, StoreError> {
        let count: i64 = on!(self.tx, "look for a purge", |conn| {
            sqlx::query_scalar("SELECT COUNT(*) FROM event WHERE subject = $1 AND kind IN ($2, $3, $4)")
                .bind(subject)
                .bind(GONE[0])
                .bind(GONE[1])
                .bind(GONE[2])
                .fetch_one(&mut *conn)
                .await
        })?;
        Ok(count > 0)
    }
}
