//! `paddock plugin check`: what the server would say of a plugin, without a server.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use super::{scratch::Scratch, settings::SettingsArgs};
use crate::{
    config::Overrides,
    domain::{ids::random_hex_128, problem::Problem},
    plugins::{Admitted, PluginRuntime, PluginsConfig},
};

/// Check a plugin before it is uploaded.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Screen, compile and describe a component, exactly as an upload would.
    Check(CheckArgs),
}

/// The component to check.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The component, a `.wasm` file.
    file: PathBuf,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl PluginCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// Where the component would be refused.
    pub fn run(&self) -> Result<()> {
        let Self::Check(args) = self;
        check(args)
    }
}

fn check(args: &CheckArgs) -> Result<()> {
    let wasm = fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let limits = args.settings.load(Overrides::default())?.plugins;
    // Compiled code of a check stays with the check: the cache of a server is not for plugins that it has not admitted.
    let scratch = Scratch::create()?;
    let runtime = PluginRuntime::new(PluginsConfig {
        cache_dir: scratch.path().to_owned(),
        mac_key: one_time_key(),
        compiler: std::env::current_exe().context("cannot find this program's own file")?,
        limits,
    })?;
    match runtime.admit(&wasm) {
        Ok(admitted) => {
            println!("{}", report(&admitted, wasm.len()));
            Ok(())
        }
        Err(failure) => bail!("{}", refusal(&failure.to_problem())),
    }
}

/// A key that nobody else has; the cache that it protects is removed with the check.
fn one_time_key() -> [u8; 32] {
    let mut key = [0; 32];
    for (place, digit) in key.iter_mut().zip(random_hex_128().bytes()) {
        *place = digit;
    }
    key
}

fn report(admitted: &Admitted, bytes: usize) -> String {
    let description = &admitted.description;
    let mut lines = vec![
        format!("{}@{} is a valid {}", description.name, description.version, description.world.as_str()),
        format!("  {}", description.summary),
        format!("  sha256    {}", admitted.hash),
        format!("  size      {} KiB, compiled in {:.0} ms", bytes.div_ceil(1024), admitted.compile_ms),
    ];
    if let Some(layout) = &description.posterior_layout {
        lines.push(format!("  posterior {layout}"));
    }
    let judged = [("scenarios", description.judges_scenarios), ("lineups", description.judges_lineups)];
    let judged: Vec<&str> = judged.into_iter().filter_map(|(name, does)| does.then_some(name)).collect();
    if !judged.is_empty() {
        lines.push(format!("  judges    {}", judged.join(" and ")));
    }
    for (index, reason) in description.veto_reasons.iter().enumerate() {
        let kind = if reason.is_hard { "hard" } else { "soft" };
        lines.push(format!("  veto {:<4} {} ({kind}): {}", index + 1, reason.code, reason.summary));
    }
    lines.join("\n")
}

fn refusal(problem: &Problem) -> String {
    let limit = problem.limit.as_ref().map(|limit| format!("\n  limit: {limit}")).unwrap_or_default();
    format!("{}\n  {}{limit}\n  what to do: {}", problem.title, problem.detail, problem.action)
}
