//! The command line: one file per command. Commands that talk to a server are clients of the public API like any other.

mod client;
mod demo;
mod flame;
mod import;
mod job;
mod job_compare;
mod job_list;
mod job_verify;
mod key;
mod plugin;
mod plugin_bench;
mod plugin_check;
mod plugin_component;
mod plugin_costs;
mod plugin_new;
mod plugin_oci;
mod plugin_profile;
mod plugin_run;
mod prune;
mod race_inputs;
mod registry;
mod remote;
mod scratch;
mod serve;
mod settings;
mod table;
mod team;
mod watch;
mod workbench;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::plugins;

/// Decide under uncertainty about a motor race: fit, simulate, veto, optimize.
#[derive(Debug, Parser)]
#[command(name = "paddock", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole pipeline once, on made-up or real data.
    Demo(demo::DemoArgs),
    /// Serve the API and run jobs.
    Serve(serve::ServeArgs),
    /// Make and revoke API keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Decide about teams: their share of the workers, and what they may use.
    #[command(subcommand)]
    Team(team::TeamCommand),
    /// Upload race results or a slate to a server.
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Submit a job, find it again, follow it, stop it, fetch its result, compare it with another.
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Make, check, run, measure, upload and share plugins, and look after those of a server.
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Delete what is old and what nobody needs.
    Prune(prune::PruneArgs),
    /// Compile the component on standard input; the server's own helper process.
    #[command(name = plugins::COMPILE_SUBCOMMAND, hide = true)]
    CompileComponent,
}

impl Command {
    fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Demo(args) => demo::run(&args)?,
            Self::Serve(args) => serve::run(&args)?,
            Self::Key(command) => command.run()?,
            Self::Team(command) => command.run()?,
            Self::Import(command) => command.run()?,
            Self::Job(command) => command.run()?,
            Self::Plugin(command) => return command.run(),
            Self::Prune(args) => prune::run(&args)?,
            Self::CompileComponent => return Ok(plugins::compile_child_main()),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads the arguments, runs the command, and says on standard error what went wrong.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().command.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a future to its end on a small runtime, for commands that touch the data directory.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
