//! Rows that are trusted carry a MAC over all their columns under their tenant's key.
//!
//! A row that is put back to its older self passes its own MAC; so each write also leaves revision and MAC in
//! `row_mac` and in the event of the write, and a load compares.

use super::{StoreError, Tx, event::Written, tx::on};
use crate::{
    keyring::{Keyring, MacInput},
    model::TenantId,
};

/// A column's way into a MAC.
pub(super) trait Column {
    fn put<'a>(&'a self, name: &'a str, input: MacInput<'a>) -> MacInput<'a>;
}

impl Column for String {
    fn put<'a>(&'a self, name: &'a str, input: MacInput<'a>) -> MacInput<'a> {
        input.text(name, self)
    }
}

impl Column for i64 {
    fn put<'a>(&'a self, name: &'a str, input: MacInput<'a>) -> MacInput<'a> {
        input.int(name, *self)
    }
}

impl Column for Vec<u8> {
    fn put<'a>(&'a self, name: &'a str, input: MacInput<'a>) -> MacInput<'a> {
        input.bytes(name, self)
    }
}

impl<T: Column> Column for Option<T> {
    fn put<'a>(&'a self, name: &'a str, input: MacInput<'a>) -> MacInput<'a> {
        match self {
            Some(value) => value.put(name, input),
            None => input.null(name),
        }
    }
}

/// A row that carries a MAC.
pub(super) trait MacRow {
    const TABLE: &'static str;
    fn input(&self) -> MacInput<'_>;
    fn row_id(&self) -> &str;
    fn tenant_id(&self) -> &str;
    fn mac(&self) -> &[u8];
    /// The MAC that was noted at the last write, read in the same statement as the row.
    fn noted(&self) -> Option<&[u8]>;
    fn revision(&self) -> i64;

    /// The MAC that this row should carry.
    fn make_mac(&self, keyring: &Keyring) -> Result<Vec<u8>, StoreError> {
        Ok(keyring.mac(&self.tenant()?, Self::TABLE, &self.input())?)
    }

    /// Refuses a row whose MAC does not cover it.
    fn check_mac(&self, keyring: &Keyring) -> Result<(), StoreError> {
        keyring
            .verify_mac(&self.tenant()?, Self::TABLE, &self.input(), self.mac())
            .map_err(|source| self.tampered(Some(source)))
    }

    /// Refuses a row that is not the last one that was written.
    fn check_latest(&self) -> Result<(), StoreError> {
        if self.noted() == Some(self.mac()) { Ok(()) } else { Err(self.tampered(None)) }
    }

    fn tenant(&self) -> Result<TenantId, StoreError> {
        TenantId::parse(self.tenant_id()).map_err(|_| self.tampered(None))
    }

    fn tampered(&self, source: Option<crate::keyring::KeyringError>) -> StoreError {
        StoreError::Tampered { table: Self::TABLE, row: self.row_id().to_owned(), source }
    }
}

/// Declares a row with a MAC: the struct, how it is read, what its MAC covers, and which revision it is.
macro_rules! mac_row {
    ($name:ident in $table:literal by $id:ident, $revision:expr; { $($column:ident: $type:ty),* $(,)? }) => {
        #[derive(Debug, Clone, sqlx::FromRow)]
        pub(super) struct $name { $(pub(super) $column: $type,)* pub(super) mac: Vec<u8>, #[sqlx(default)] pub(super) noted: Option<Vec<u8>> }

        impl $crate::store::integrity::MacRow for $name {
            const TABLE: &'static str = $table;
            fn input(&self) -> $crate::keyring::MacInput<'_> {
                let input = $crate::keyring::MacInput::new();
                $(let input = $crate::store::integrity::Column::put(&self.$column, stringify!($column), input);)*
                input
            }
            fn row_id(&self) -> &str { &self.$id }
            fn tenant_id(&self) -> &str { &self.tenant_id }
            fn mac(&self) -> &[u8] { &self.mac }
            fn noted(&self) -> Option<&[u8]> { self.noted.as_deref() }
            fn revision(&self) -> i64 { let revision: fn(&Self) -> i64 = $revision; revision(self) }
        }
    };
}
pub(super) use mac_row;

/// Notes one to four rows.
const NOTES: [&str; 4] = [
    "INSERT INTO row_mac (kind, row_id, revision, mac, event_id) VALUES ($1, $2, $3, $4, '')
     ON CONFLICT (kind, row_id) DO UPDATE SET revision = excluded.revision, mac = excluded.mac",
    "INSERT INTO row_mac (kind, row_id, revision, mac, event_id) VALUES ($1, $2, $3, $4, ''), ($5, $6, $7, $8, '')
     ON CONFLICT (kind, row_id) DO UPDATE SET revision = excluded.revision, mac = excluded.mac",
    "INSERT INTO row_mac (kind, row_id, revision, mac, event_id)
     VALUES ($1, $2, $3, $4, ''), ($5, $6, $7, $8, ''), ($9, $10, $11, $12, '')
     ON CONFLICT (kind, row_id) DO UPDATE SET revision = excluded.revision, mac = excluded.mac",
    "INSERT INTO row_mac (kind, row_id, revision, mac, event_id)
     VALUES ($1, $2, $3, $4, ''), ($5, $6, $7, $8, ''), ($9, $10, $11, $12, ''), ($13, $14, $15, $16, '')
     ON CONFLICT (kind, row_id) DO UPDATE SET revision = excluded.revision, mac = excluded.mac",
];

/// How many of the first rows one statement notes: PostgreSQL refuses a row that stands there twice.
fn together(written: &[Written]) -> usize {
    let is_new =
        |at: &usize| !written[..*at].iter().any(|row| row.table == written[*at].table && row.row == written[*at].row);
    (0..written.len().min(NOTES.len())).take_while(is_new).count()
}

/// Leaves revisions and MACs of written rows, to be named by the event of the write.
pub(super) async fn note(tx: &mut Tx, written: &[Written]) -> Result<(), StoreError> {
    let mut left = written;
    while !left.is_empty() {
        let (now, later) = left.split_at(together(left));
        on!(tx, "note rows' revisions", |conn| {
            let mut query = sqlx::query(NOTES[now.len() - 1]);
            for row in now {
                query = query.bind(&row.table).bind(&row.row).bind(row.revision).bind(row.mac_bytes());
            }
            query.execute(&mut *conn).await.map(|_| ())
        })?;
        left = later;
    }
    Ok(())
}
