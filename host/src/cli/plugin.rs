//! `paddock plugin`: make, check, run, measure and upload plugins; all but the upload work without a server.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use super::{
    plugin_bench::{self, BenchArgs},
    plugin_check::{self, CheckArgs},
    plugin_component::{self, ComponentizeArgs},
    plugin_new::{self, NewArgs},
    plugin_profile::{self, ProfileArgs},
    plugin_run::{self, RunArgs},
    registry::RegistryCommand,
    remote::RemoteArgs,
};
use crate::plugins::Inputs;

/// Make, check, run, measure and upload plugins, and look after those of a server.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Make a project for a new plugin that builds and passes its own test.
    New(NewArgs),
    /// Make a component of a core module, such as cargo and clang build.
    Component(ComponentizeArgs),
    /// Take a component exactly as an upload would, and run the conformance suite on it.
    Check(CheckArgs),
    /// Run a plugin on the bundled season or on other inputs, and show what comes out.
    Run(RunArgs),
    /// Measure what a plugin's calls cost, against the limits.
    Bench(BenchArgs),
    /// Draw a flame graph of where a plugin spends its time.
    Profile(ProfileArgs),
    /// Print the bundled season, to be changed and given back with `--inputs`.
    Inputs,
    /// Upload a component to a server.
    Push(PushArgs),
    #[command(flatten)]
    Registry(RegistryCommand),
}

/// The component to upload, and where to.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The component, a `.wasm` file.
    file: PathBuf,
    #[command(flatten)]
    remote: RemoteArgs,
}

impl PluginCommand {
    /// Runs the command; the code tells whether a check passed.
    ///
    /// # Errors
    /// Where a file, the component or the server stands in the way.
    pub fn run(&self) -> Result<ExitCode> {
        match self {
            Self::New(args) => plugin_new::run(args)?,
            Self::Component(args) => plugin_component::run(args)?,
            Self::Check(args) => return plugin_check::run(args),
            Self::Run(args) => plugin_run::run(args)?,
            Self::Bench(args) => plugin_bench::run(args)?,
            Self::Profile(args) => plugin_profile::run(args)?,
            Self::Inputs => println!("{}", serde_json::to_string_pretty(&Inputs::bundled()?)?),
            Self::Push(args) => push(args)?,
            Self::Registry(command) => command.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn push(args: &PushArgs) -> Result<()> {
    let wasm = fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let plugin = args.remote.client().post_bytes("/v1/plugins", &[], "application/wasm", &wasm)?;
    println!("{}", serde_json::to_string_pretty(&plugin)?);
    Ok(())
}
