//! `paddock serve`: run the server until it is told to stop.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::settings::SettingsArgs;
use crate::{
    app,
    config::{Overrides, Role},
    telemetry,
};

/// How to serve.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address to listen on; port 0 = any free port.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Which part of the service this process does; a fleet shares a PostgreSQL database.
    #[arg(long, value_enum)]
    role: Option<Role>,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Serves until SIGTERM or Ctrl-C, then lets running tasks reach a checkpoint.
///
/// # Errors
/// Where the configuration, the data directory or the address cannot be used.
pub fn run(args: &ServeArgs) -> Result<()> {
    let config = args.settings.load(Overrides { listen: args.listen, role: args.role, ..Overrides::default() })?;
    telemetry::start(&config.telemetry)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Registered before the server starts, so that no signal can fall into a gap.
        let stop = stop_signal()?;
        app::run(config, stop).await
    })
}

/// Ready when the process is asked to stop.
///
/// # Errors
/// Where the signals cannot be had from the operating system.
pub fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
