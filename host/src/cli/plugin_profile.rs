//! `paddock plugin profile`: looks every millisecond at what a running plugin does, and draws a flame graph.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Map, Value};

use super::{
    flame::flame_graph,
    workbench::{ComponentArgs, InputArgs, context, model_of, params_object, told},
};
use crate::{
    domain::plugin::World,
    plugins::{Inputs, LoadedPlugin, PluginFailure, StackSampler},
};

/// Fuel of one session: as good as without end.
const FUEL: u64 = u64::MAX / 2;
/// Scenarios or lineups of one call.
const COUNT: u32 = 1_000;
/// Iterations of one step of a chain.
const STEP_ITERATIONS: u32 = 100;

/// What to profile, and where the graph goes.
#[derive(Debug, Args)]
pub struct ProfileArgs {
    #[command(flatten)]
    component: ComponentArgs,
    #[command(flatten)]
    inputs: InputArgs,
    /// Parameters, a JSON object; the schema's defaults where absent.
    #[arg(long, default_value = "{}", value_parser = params_object)]
    params: Map<String, Value>,
    /// File of the graph, an SVG image.
    #[arg(long, short)]
    out: PathBuf,
    /// Time to look for, in seconds.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

/// Runs the command.
///
/// # Errors
/// Where the component is not taken, a call fails, or nothing was seen.
pub fn run(args: &ProfileArgs) -> Result<()> {
    let (wasm, inputs) = (args.component.read()?, args.inputs.load()?);
    let sampler = Arc::new(StackSampler::default());
    let workbench = args.component.sampled_workbench(&sampler)?;
    let plugin = workbench.admit(&wasm)?.plugin;
    let time = Duration::from_secs_f64(args.seconds.clamp(0.01, 600.0));
    let started = Instant::now();
    while started.elapsed() < time {
        exercise(args, &inputs, &plugin)?;
    }
    let stacks = sampler.stacks();
    let samples: u64 = stacks.iter().map(|(_, count)| count).sum();
    if samples == 0 {
        bail!("the plugin never ran for a whole millisecond\n  what to do: look for longer with --seconds");
    }
    let title = format!("{}: {samples} samples", plugin.label());
    fs::write(&args.out, flame_graph(&title, &stacks))
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    println!("{title} in {}", args.out.display());
    Ok(())
}

/// One session with work for it.
fn exercise(args: &ProfileArgs, inputs: &Inputs, plugin: &LoadedPlugin) -> Result<()> {
    let description = plugin.description();
    match description.world {
        World::Constraint => judge(args, inputs, plugin).map_err(told),
        World::Generator => {
            let model = model_of(inputs, description.posterior_layout.as_deref())?;
            let generator = plugin.open_generator(&context(FUEL), model, &inputs.race, &args.params, 0);
            generator.and_then(|mut generator| generator.generate(0, COUNT)).map(|_| ()).map_err(told)
        }
        World::Calibrator => {
            let chain = plugin.open_chain(&context(FUEL), &inputs.history, &args.params, 0, 0);
            chain
                .and_then(|mut chain| {
                    while !chain.step(STEP_ITERATIONS)?.is_done() {}
                    Ok(())
                })
                .map_err(told)
        }
    }
}

fn judge(args: &ProfileArgs, inputs: &Inputs, plugin: &LoadedPlugin) -> Result<(), PluginFailure> {
    if plugin.description().judges_scenarios {
        let block = inputs.scenarios(COUNT as usize, 0);
        plugin.open_scenario_judge(&context(FUEL), &inputs.race, &args.params)?.judge(&block)?;
    }
    if plugin.description().judges_lineups {
        let lineups = inputs.lineups(COUNT as usize, 0);
        plugin.open_lineup_judge(&context(FUEL), &inputs.slate, &args.params)?.judge(&lineups)?;
    }
    Ok(())
}
