//! Logs: how they look and where they go. Names of fields are constants so that queries over logs can rely on them.

use serde::Deserialize;
use tracing_subscriber::{EnvFilter, fmt};

/// Field that names a job.
pub const JOB_ID: &str = "job.id";
/// Field that names a team.
pub const TEAM_ID: &str = "team.id";
/// Field that names a plugin, `name@version`.
pub const PLUGIN: &str = "plugin.name";

/// Shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// Settings of the log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Shape of a log line.
    pub format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`, for example `info,paddock=debug`.
    pub filter: String,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { format: LogFormat::default(), filter: "info".to_owned() }
    }
}

/// A filter that does not parse, or a log that is set up already.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Correct the key `telemetry.filter`.
    #[error("telemetry.filter `{filter}` is not valid: {cause}")]
    Filter {
        /// The filter.
        filter: String,
        /// Why it does not parse.
        cause: tracing_subscriber::filter::ParseError,
    },
    /// Set up the log once per process.
    #[error("the log is set up already")]
    AlreadySet,
}

/// Sends the log of this process to standard error.
///
/// # Errors
/// [`TelemetryError`] where the filter is not valid or a log is set up already.
pub fn start(config: &TelemetryConfig) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&config.filter)
        .map_err(|cause| TelemetryError::Filter { filter: config.filter.clone(), cause })?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|_| TelemetryError::AlreadySet)
}
