//! Where the data lives and how patient its users are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of the database and the artifact store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DbConfig {
    /// Directory of the database file, its lock and the artifacts. Made where it is missing.
    pub data_dir: PathBuf,
    /// Connections for reading. Each costs a thread and a page cache of 2 MB.
    pub read_connections: u32,
    /// How long a request waits for a connection or for a writer outside of this process, in milliseconds.
    pub wait_ms_max: u64,
    /// The largest artifact, in bytes.
    pub artifact_bytes_max: u64,
}

impl Default for DbConfig {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("paddock-data"),
            read_connections: 4,
            wait_ms_max: 10_000,
            artifact_bytes_max: 1 << 30,
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
