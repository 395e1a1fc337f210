//! Why the store could not do it.

use crate::keyring::KeyringError;

/// Why the store could not do it. Each variant says whether something was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused a statement or could not be reached. Nothing was written.
    #[error("the store could not {operation}")]
    Database {
        /// What was tried.
        operation: &'static str,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// The answer to a commit was lost, and so was the answer to the question for its fate; or the sync of the commit
    /// failed, and only the next start tells what reached the disk.
    #[error("the store did not tell whether it committed")]
    CommitUnknown,
    /// There is no room. Nothing was written.
    #[error("the store is full")]
    Full,
    /// A sync to disk failed earlier: what this process believes to be durable may not be.
    #[error("the store failed to sync and must be reopened")]
    Broken,
    /// Another claim holds the subject. Nothing was written.
    #[error("the claim on `{subject}` is gone: another holder has it, or it ended")]
    FenceLost {
        /// The agenda's subject.
        subject: String,
    },
    /// The row changed since it was read. Nothing was written.
    #[error("the {what} changed meanwhile")]
    Stale {
        /// Which kind of row.
        what: &'static str,
    },
    /// A row of that name exists. Nothing was written.
    #[error("a {what} named `{name}` exists")]
    Exists {
        /// Which kind of row.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A row was changed, put back or damaged outside keywheel.
    #[error("the {table} row `{row}` is not as keywheel wrote it")]
    Tampered {
        /// The table.
        table: &'static str,
        /// The row's id.
        row: String,
        /// What the keyring said, where it was asked.
        #[source]
        source: Option<KeyringError>,
    },
    /// A row holds a text that keywheel does not write.
    #[error("the {table} row `{row}` cannot be read: {because}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The row's id.
        row: String,
        /// What cannot be read.
        because: String,
    },
    /// A column holds bytes that are no value of its type. Verifying the store names the row.
    #[error("a row that was read to {operation} is damaged in its column `{column}`")]
    Damaged {
        /// What was tried.
        operation: &'static str,
        /// The column.
        column: String,
        /// What the driver said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The schema is newer than this keywheel.
    #[error("the store has schema {found}, this keywheel knows up to {known}")]
    NewerSchema {
        /// The version found.
        found: i64,
        /// The newest one known.
        known: i64,
    },
    /// A migration's text is not the one that was applied.
    #[error("migration {version} was applied with another text")]
    MigrationChanged {
        /// Its number.
        version: i64,
    },
    /// The keyring could not do it.
    #[error("the keyring could not serve the store")]
    Keyring(#[from] KeyringError),
}

impl StoreError {
    /// Wraps a driver's error, recognising a full disk.
    pub(crate) fn database(operation: &'static str, source: sqlx::Error) -> Self {
        match source {
            full if is_full(&full) => Self::Full,
            sqlx::Error::ColumnDecode { index, source } => Self::Damaged { operation, column: index, source },
            source => Self::Database { operation, source },
        }
    }

    /// Whether the same may go well a little later, with nobody mending rows.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Database { .. } | Self::CommitUnknown | Self::Full)
    }

    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Database { .. } => "store-unavailable",
            Self::CommitUnknown => "store-commit-unknown",
            Self::Full => "store-full",
            Self::Broken => "store-broken",
            Self::FenceLost { .. } => "claim-lost",
            Self::Stale { .. } => "changed-meanwhile",
            Self::Exists { .. } => "exists",
            Self::Tampered { .. } => "row-tampered",
            Self::Unreadable { .. } => "row-unreadable",
            Self::Damaged { .. } => "row-damaged",
            Self::NewerSchema { .. } => "schema-newer",
            Self::MigrationChanged { .. } => "migration-changed",
            Self::Keyring(_) => "keyring",
        }
    }

    /// What solves it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Database { .. } => "see the daemon's log; `keywheel doctor` tries the store",
            Self::CommitUnknown => "look with `keywheel events` whether it happened before you repeat it",
            Self::Full => "free space on the store's disk; keywheel goes on by itself",
            Self::Broken => "check the disk, then restart the daemon",
            Self::FenceLost { .. } => "nothing to do: the holder of the claim goes on",
            Self::Stale { .. } => "read it again and repeat the change",
            Self::Exists { .. } => "choose another name, or change the one that exists",
            Self::Tampered { .. } | Self::Damaged { .. } => {
                "restore the row from a backup; `keywheel doctor` lists all such rows"
            }
            Self::Unreadable { .. } => "was the store written by a newer keywheel? else restore it from a backup",
            Self::NewerSchema { .. } => "start the keywheel release that wrote this store, or a newer one",
            Self::MigrationChanged { .. } => "use an unmodified release of keywheel",
            Self::Keyring(_) => "check `[keys]` in the configuration; `keywheel doctor` tries the keys",
        }
    }
}

fn is_full(error: &sqlx::Error) -> bool {
    // SQLITE_FULL is 13, SQLITE_IOERR_SHMSIZE (no room for the log's index) 4874; PostgreSQL's disk_full is 53100.
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| matches!(&*code, "13" | "4874" | "53100"))
}

/// Whether SQLite said that reading, writing or syncing its file failed (SQLITE_IOERR and its extensions).
pub(super) fn is_io_failure(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|e| e.code().and_then(|code| code.parse::<i64>().ok()));
    code.is_some_and(|code| code & 0xff == 10) && !is_full(error)
}
