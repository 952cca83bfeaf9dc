//! `paddock plugin`: make, check, run, measure and upload plugins, and share them through registries; all but the upload work without
//! a server.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use oci_client::Reference;

use super::{
    client::Client,
    plugin_bench::{self, BenchArgs},
    plugin_check::{self, CheckArgs},
    plugin_component::{self, ComponentizeArgs},
    plugin_new::{self, NewArgs},
    plugin_oci::{self, PullArgs, RegistryArgs},
    plugin_profile::{self, ProfileArgs},
    plugin_run::{self, RunArgs},
    registry::RegistryCommand,
    settings::SettingsArgs,
    workbench::ComponentArgs,
};
use crate::{config::Overrides, plugins::Inputs};

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
    /// Upload a component to a server, or push it to an OCI registry.
    Push(PushArgs),
    /// Fetch a component from an OCI registry into a file.
    Pull(PullArgs),
    #[command(flatten)]
    Registry(RegistryCommand),
}

/// The component to upload, and where to.
#[derive(Debug, Args)]
pub struct PushArgs {
    #[command(flatten)]
    component: ComponentArgs,
    /// A registry, `oci://HOST/REPOSITORY:TAG`, where the component goes once it is checked; a server of paddock where absent.
    #[arg(value_parser = plugin_oci::reference)]
    target: Option<Reference>,
    /// Address of the server.
    #[arg(long, env = "PADDOCK_SERVER", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// API key of the server. Prefer the environment variable: other users of the machine can see flags.
    #[arg(long, env = "PADDOCK_API_KEY", hide_env_values = true, required_unless_present = "target")]
    key: Option<String>,
    #[command(flatten)]
    registry: RegistryArgs,
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
            Self::Pull(args) => plugin_oci::pull(args, &SettingsArgs::default().load(Overrides::default())?.plugins)?,
            Self::Registry(command) => command.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn push(args: &PushArgs) -> Result<()> {
    let wasm = args.component.read()?;
    if let Some(target) = &args.target {
        let admitted = args.component.workbench()?.admit(&wasm)?;
        return plugin_oci::push(wasm, &admitted, target, &args.registry);
    }
    let client = Client::new(&args.server, args.key.as_deref().unwrap_or_default());
    let plugin = client.post_bytes("/v1/plugins", &[], "application/wasm", &wasm)?;
    println!("{}", serde_json::to_string_pretty(&plugin)?);
    Ok(())
}
