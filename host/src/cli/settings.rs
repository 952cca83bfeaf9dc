//! Where a command finds the data.

use std::path::PathBuf;

use clap::Args;

use crate::db::DbConfig;

/// The data directory.
#[derive(Debug, Clone, Args)]
pub struct SettingsArgs {
    /// Directory of the database and the artifacts.
    #[arg(long, env = "PADDOCK_DATA_DIR", default_value = "paddock-data")]
    data_dir: PathBuf,
}

impl SettingsArgs {
    /// Settings of the database in that directory.
    #[must_use]
    pub fn db(&self) -> DbConfig {
        DbConfig::in_directory(&self.data_dir)
    }
}
