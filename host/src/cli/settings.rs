//! Which configuration a command works with: the file, the environment, and the flags that most people need.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, ConfigError, Overrides};

/// Where the configuration comes from.
#[derive(Debug, Clone, Default, Args)]
pub struct SettingsArgs {
    /// Configuration file; `paddock.toml` of the working directory where it exists.
    #[arg(long, env = "PADDOCK_CONFIG")]
    config: Option<PathBuf>,
    /// Directory of the database and the artifacts.
    #[arg(long, env = "PADDOCK_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// PostgreSQL database of a fleet, `postgres://user:password@host/database`; without it, a file in the data directory.
    #[arg(long, env = "PADDOCK_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
}

impl SettingsArgs {
    /// The configuration, with these flags over everything else.
    ///
    /// # Errors
    /// Where the file is missing, or a key or value is not valid.
    pub fn load(&self, overrides: Overrides) -> Result<Config, ConfigError> {
        Config::load(
            self.config.as_deref(),
            &Overrides { data_dir: self.data_dir.clone(), database_url: self.database_url.clone(), ..overrides },
        )
    }
}
