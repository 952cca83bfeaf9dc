//! Where the data lives and how patient its users are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of the database and the artifact store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DbConfig {
    /// Directory of the database file, its lock and the artifacts. Made where it is missing.
    pub data_dir: PathBuf,
    /// The PostgreSQL database of a fleet, `postgres://user:password@host/database`; without it, a file of `data_dir`.
    pub url: Option<String>,
    /// Where the artifacts of a fleet are, `s3://bucket/prefix`; without it, in `data_dir`. Credentials, region and endpoint come from
    /// the usual `AWS_*` variables.
    pub artifacts_url: Option<String>,
    /// Connections for reading. With SQLite, each costs a thread and a page cache of 2 MB.
    pub read_connections: u32,
    /// Connections for writing to PostgreSQL. SQLite has one.
    pub write_connections: u32,
    /// How long a request waits for a connection or for a writer outside of this process, in milliseconds.
    pub wait_ms_max: u64,
    /// The largest artifact, in bytes.
    pub artifact_bytes_max: u64,
    /// How long an artifact that nobody names is kept, in seconds: longer than any job runs, which names what it stores at its end.
    pub artifact_hold_s: u64,
}

impl Default for DbConfig {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("paddock-data"),
            url: None,
            artifacts_url: None,
            read_connections: 4,
            write_connections: 8,
            wait_ms_max: 10_000,
            artifact_bytes_max: 1 << 30,
            artifact_hold_s: 48 * 3600,
        }
    }
}

impl DbConfig {
    /// The default settings with the data in `data_dir`.
    #[must_use]
    pub fn in_directory(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), ..Self::default() }
    }

    /// The database file.
    #[must_use]
    pub fn database_file(&self) -> PathBuf {
        self.data_dir.join("paddock.sqlite")
    }

    /// The file whose lock says that a server owns the directory.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.data_dir.join("paddock.lock")
    }

    /// The directory of the artifacts.
    #[must_use]
    pub fn artifacts_dir(&self) -> PathBuf {
        self.data_dir.join("artifacts")
    }
}
