//! The configuration: flag > environment (`PADDOCK_*`) > `paddock.toml` > default. Unknown keys are errors.
//!
//! Every limit of the service is a named field of the section its room owns; the fields' docs give unit and meaning.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

use crate::{
    api::ApiConfig, catalog::CatalogLimits, db::DbConfig, jobs::JobsConfig, jobs::retention::RetentionConfig,
    jobs::schedules::SchedulesConfig, pipeline::PipelineConfig, plugins::PluginLimits, telemetry::TelemetryConfig,
    webhooks::WebhooksConfig,
};

/// Variables that start with `PADDOCK_` but belong to the command line's clients and the tests.
const OTHER_VARIABLES: [&str; 6] = ["SERVER", "API_KEY", "REAL_DATA", "CONFIG", "OCI_USERNAME", "OCI_PASSWORD"];

/// Which part of the service a process does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Answers requests, runs tasks and sends webhooks.
    #[default]
    All,
    /// Answers requests only.
    Api,
    /// Runs tasks and sends webhooks, and answers for its health only.
    Worker,
}

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address the API listens on.
    pub listen: SocketAddr,
    /// Which part of the service this process does. Anything but `all` needs a database that a fleet can share.
    pub role: Role,
    /// Longest time that running tasks get to stop after SIGTERM, in seconds.
    pub drain_grace_s: u64,
    /// File of the secret key that this node signs results with, 32 bytes; made where it is missing. Without it, `signing.key` of the
    /// data directory.
    pub signing_key_file: Option<PathBuf>,
    /// Database and artifacts.
    pub db: DbConfig,
    /// Workers.
    pub jobs: JobsConfig,
    /// The firing of schedules.
    pub schedules: SchedulesConfig,
    /// How long things are kept.
    pub retention: RetentionConfig,
    /// Limits of jobs and budgets of their tasks.
    pub pipeline: PipelineConfig,
    /// Limits of imports and histories.
    pub catalog: CatalogLimits,
    /// Limits of plugins.
    pub plugins: PluginLimits,
    /// Where teams may be told of events, and how often that is tried.
    pub webhooks: WebhooksConfig,
    /// HTTP surface.
    pub api: ApiConfig,
    /// Logs.
    pub telemetry: TelemetryConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            role: Role::All,
            drain_grace_s: 60,
            signing_key_file: None,
            db: DbConfig::default(),
            jobs: JobsConfig::default(),
            schedules: SchedulesConfig::default(),
            retention: RetentionConfig::default(),
            pipeline: PipelineConfig::default(),
            catalog: CatalogLimits::default(),
            plugins: PluginLimits::default(),
            webhooks: WebhooksConfig::default(),
            api: ApiConfig::default(),
            telemetry: TelemetryConfig::default(),
        }
    }
}

/// What flags may set; only what was given overrides anything.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Overrides {
    /// `--listen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// `--role`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// `--data-dir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// `--database-url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_url: Option<String>,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named does not exist: correct the path.
    #[error("the configuration file {} does not exist", .0.display())]
    Missing(PathBuf),
    /// A key is unknown or a value has the wrong type or range: correct it where the message says.
    #[error("the configuration is not valid: {0}")]
    Invalid(Box<figment::Error>),
}

impl Config {
    /// Reads `file` (or `paddock.toml` of the working directory where there is one), the environment and `overrides`.
    ///
    /// # Errors
    /// [`ConfigError`] where a named file is missing, or a key or value is not valid.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        if let Some(missing) = file.filter(|path| !path.is_file()) {
            return Err(ConfigError::Missing(missing.to_owned()));
        }
        let mut layers = Figment::new().merge(Toml::file(file.unwrap_or(Path::new("paddock.toml")))).merge(
            Env::prefixed("PADDOCK_")
                .ignore(&OTHER_VARIABLES)
                .filter(|key| key != "data_dir" && key != "database_url")
                .split("__"),
        );
        if let Some(data_dir) = overrides.data_dir.clone().or_else(data_dir_of_environment) {
            layers = layers.merge(Serialized::default("db.data_dir", data_dir));
        }
        if let Some(url) = overrides.database_url.clone().or_else(|| std::env::var("PADDOCK_DATABASE_URL").ok()) {
            layers = layers.merge(Serialized::default("db.url", url));
        }
        if let Some(listen) = overrides.listen {
            layers = layers.merge(Serialized::default("listen", listen));
        }
        if let Some(role) = overrides.role {
            layers = layers.merge(Serialized::default("role", role));
        }
        layers.extract().map_err(|error| ConfigError::Invalid(Box::new(error)))
    }
}

/// `PADDOCK_DATA_DIR` is the short form of `PADDOCK_DB__DATA_DIR`, because every command takes it.
fn data_dir_of_environment() -> Option<PathBuf> {
    std::env::var_os("PADDOCK_DATA_DIR").map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use figment::Jail;

    use super::*;

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        Jail::expect_with(|jail| {
            jail.create_file("paddock.toml", "listen = \"127.0.0.1:1\"\ndrain_grace_s = 7\n[jobs]\nworkers = 3\n")?;
            jail.set_env("PADDOCK_LISTEN", "127.0.0.1:2");
            jail.set_env("PADDOCK_JOBS__POLL_MS", "9");
            let from_environment = Config::load(None, &Overrides::default()).unwrap();
            assert_eq!(from_environment.listen.port(), 2);
            assert_eq!((from_environment.jobs.workers, from_environment.jobs.poll_ms), (3, 9));
            assert_eq!(from_environment.drain_grace_s, 7);
            let flags = Overrides { listen: Some("127.0.0.1:3".parse().unwrap()), ..Overrides::default() };
            assert_eq!(Config::load(None, &flags).unwrap().listen.port(), 3);
            Ok(())
        });
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        Jail::expect_with(|jail| {
            jail.create_file("paddock.toml", "[jobs]\nworkerz = 3\n")?;
            let error = Config::load(None, &Overrides::default()).unwrap_err().to_string();
            assert!(error.contains("workerz"), "{error}");
            Ok(())
        });
        Jail::expect_with(|jail| {
            jail.set_env("PADDOCK_LISTENN", "x");
            assert!(Config::load(None, &Overrides::default()).is_err());
            Ok(())
        });
    }

    #[test]
    fn the_clients_own_variables_are_no_configuration_keys() {
        Jail::expect_with(|jail| {
            jail.set_env("PADDOCK_API_KEY", "pdk_x");
            jail.set_env("PADDOCK_SERVER", "http://127.0.0.1:1");
            jail.set_env("PADDOCK_DATA_DIR", "/elsewhere");
            let config = Config::load(None, &Overrides::default()).unwrap();
            assert_eq!(config.db.data_dir, Path::new("/elsewhere"));
            Ok(())
        });
    }

    #[test]
    fn a_named_file_must_exist() {
        let error = Config::load(Some(Path::new("nowhere.toml")), &Overrides::default()).unwrap_err();
        assert!(matches!(error, ConfigError::Missing(_)));
    }
}
