//! `[store]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which database keeps what keywheel knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// A file in the data directory.
    #[default]
    Sqlite,
    /// A PostgreSQL database, shared by any number of replicas.
    Postgres,
}

/// Where the store is. A URL of PostgreSQL may hold a password, so it stands elsewhere and is named here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// Which database.
    pub kind: StoreKind,
    /// A file of mode 0600 that holds the URL of PostgreSQL.
    pub url_file: Option<PathBuf>,
    /// The environment variable that holds the URL of PostgreSQL.
    pub url_env: Option<String>,
    /// Connections: to PostgreSQL at most (2 or more), or readers of SQLite.
    pub connections: u32,
}

impl Default for Store {
    fn default() -> Self {
        Self { kind: StoreKind::Sqlite, url_file: None, url_env: None, connections: 8 }
    }
}
