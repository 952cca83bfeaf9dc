//! `paddock plugin run`: runs a plugin once and shows what comes out.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Map, Value};

use super::{
    table::Table,
    workbench::{ComponentArgs, InputArgs, context, model_of, params_object, told},
};
use crate::{
    domain::{
        model::{Parameter, Posterior},
        plugin::{Usage, VetoReason, World},
        scenario::ScenarioBlock,
    },
    plugins::{Inputs, LoadedPlugin, PluginFailure},
};

/// Iterations of one step of a chain.
const STEP_ITERATIONS: u32 = 100;

/// What to run, and on what.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    component: ComponentArgs,
    #[command(flatten)]
    inputs: InputArgs,
    /// Parameters, a JSON object; the schema's defaults where absent.
    #[arg(long, default_value = "{}", value_parser = params_object)]
    params: Map<String, Value>,
    /// Seeds the plugin, and the scenarios and lineups that constraints are shown.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Scenarios to draw or to judge, and lineups to judge.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Fuel of the run.
    #[arg(long, default_value_t = 1_000_000_000_000)]
    fuel: u64,
    /// Where a calibrator's model goes, as JSON.
    #[arg(long, value_name = "FILE")]
    model_out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Where the component is not taken, the run fails or a file stands in the way.
pub fn run(args: &RunArgs) -> Result<()> {
    let (wasm, inputs) = (args.component.read()?, args.inputs.load()?);
    let workbench = args.component.workbench()?;
    let plugin = workbench.admit(&wasm)?.plugin;
    match plugin.description().world {
        World::Constraint => judge(args, &inputs, &plugin),
        World::Generator => generate(args, &inputs, &plugin),
        World::Calibrator => fit(args, &inputs, &plugin),
    }
}

fn judge(args: &RunArgs, inputs: &Inputs, plugin: &LoadedPlugin) -> Result<()> {
    let count = args.count as usize;
    let description = plugin.description();
    if description.judges_scenarios {
        let judged =
            plugin.open_scenario_judge(&context(args.fuel), &inputs.race, &args.params).and_then(|mut judge| {
                let verdicts = judge.judge(&inputs.scenarios(count, args.seed))?;
                Ok((verdicts, judge.usage()))
            });
        print_verdicts("scenarios", judged, &description.veto_reasons)?;
    }
    if description.judges_lineups {
        let judged =
            plugin.open_lineup_judge(&context(args.fuel), &inputs.slate, &args.params).and_then(|mut judge| {
                let verdicts = judge.judge(&inputs.lineups(count, args.seed))?;
                Ok((verdicts, judge.usage()))
            });
        print_verdicts("lineups", judged, &description.veto_reasons)?;
    }
    Ok(())
}

fn print_verdicts(what: &str, judged: Result<(Vec<u8>, Usage), PluginFailure>, reasons: &[VetoReason]) -> Result<()> {
    let (verdicts, usage) = judged.map_err(told)?;
    let mut table = Table::new(&["verdict", &format!(">{what}"), ">share"]);
    let names = std::iter::once("kept").chain(reasons.iter().map(|reason| reason.code.as_str()));
    for (number, name) in (0_u8..=255).zip(names) {
        let found = verdicts.iter().filter(|verdict| **verdict == number).count();
        table.row([name.to_owned(), found.to_string(), percent(found, verdicts.len())]);
    }
    print(&table, &usage);
    Ok(())
}

fn generate(args: &RunArgs, inputs: &Inputs, plugin: &LoadedPlugin) -> Result<()> {
    let model = model_of(inputs, plugin.description().posterior_layout.as_deref())?;
    let generated = plugin
        .open_generator(&context(args.fuel), model, &inputs.race, &args.params, args.seed)
        .and_then(|mut generator| Ok((generator.generate(0, args.count)?, generator.usage())));
    let (block, usage) = generated.map_err(told)?;
    let mut table = Table::new(&["entry", ">start", ">mean finish", ">wins", ">retired", ">laps led", ">laps"]);
    for (entry, start) in inputs.race.start.iter().enumerate() {
        let driver = inputs.slate.driver.get(entry).cloned().unwrap_or_else(|| entry.to_string());
        table.row([driver, start.to_string()].into_iter().chain(entry_cells(&block, entry)));
    }
    print(&table, &usage);
    Ok(())
}

fn entry_cells(block: &ScenarioBlock, entry: usize) -> [String; 5] {
    let of = |column: &[u16]| -> Vec<u16> { column.iter().copied().skip(entry).step_by(block.entries).collect() };
    let mean = |values: &[u16]| {
        let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
        format!("{:.1}", sum / count(values.len()))
    };
    let finish = of(&block.finish);
    let wins = finish.iter().filter(|place| **place == 1).count();
    let retired = block.retired.iter().skip(entry).step_by(block.entries).filter(|flag| **flag == 1).count();
    [
        mean(&finish),
        percent(wins, block.scenarios),
        percent(retired, block.scenarios),
        mean(&of(&block.laps_led)),
        mean(&of(&block.laps_completed)),
    ]
}

fn fit(args: &RunArgs, inputs: &Inputs, plugin: &LoadedPlugin) -> Result<()> {
    let (model, usage) = fitted(args, inputs, plugin).map_err(told)?;
    let mut table = Table::new(&["block", ">columns", ">mean", ">sd between draws"]);
    let mut first = 0;
    for block in &model.parameters {
        let columns = first..first + block.columns();
        first = columns.end;
        let (mean, deviation) = summary(&model, columns);
        table.row([block.name.clone(), block.columns().to_string(), format!("{mean:.3}"), format!("{deviation:.3}")]);
    }
    println!("  {} draws of the layout {}", model.draws, model.layout);
    print(&table, &usage);
    if let Some(path) = &args.model_out {
        let text = serde_json::to_string(&model)?;
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// One chain, to its end.
fn fitted(args: &RunArgs, inputs: &Inputs, plugin: &LoadedPlugin) -> Result<(Posterior, Usage), PluginFailure> {
    let mut chain = plugin.open_chain(&context(args.fuel), &inputs.history, &args.params, args.seed, 0)?;
    let mut values = Vec::new();
    loop {
        let progress = chain.step(STEP_ITERATIONS)?;
        values.extend(chain.take_draws()?);
        if progress.is_done() {
            break;
        }
    }
    let parameters = chain.layout().to_vec();
    let columns: usize = parameters.iter().map(Parameter::columns).sum();
    let model = Posterior {
        layout: plugin.description().posterior_layout.clone().unwrap_or_default(),
        parameters,
        drivers: inputs.history.drivers.clone(),
        teams: inputs.history.teams.clone(),
        chains: 1,
        draws: values.len() / columns.max(1),
        values,
    };
    Ok((model, chain.usage()))
}

/// Mean over all columns and draws, and the mean over columns of the standard deviation between draws.
fn summary(model: &Posterior, columns: std::ops::Range<usize>) -> (f64, f64) {
    let draws = count(model.draws);
    let of = |column: usize| model.values.iter().skip(column).step_by(model.columns());
    let width = count(columns.len());
    let (mut means, mut deviations) = (0.0, 0.0);
    for column in columns {
        let mean = of(column).sum::<f64>() / draws;
        means += mean / width;
        deviations += (of(column).map(|value| (value - mean).powi(2)).sum::<f64>() / draws).sqrt() / width;
    }
    (means, deviations)
}

fn print(table: &Table, usage: &Usage) {
    println!("{}", table.lines().join("\n"));
    println!(
        "  {} calls, {} units of fuel, {:.1} ms of CPU, {} KiB of memory",
        usage.calls,
        usage.fuel,
        usage.cpu_ms,
        usage.memory_peak_bytes >> 10
    );
}

fn percent(part: usize, whole: usize) -> String {
    format!("{:.1} %", 100.0 * count(part) / count(whole.max(1)))
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run fit 53 bits")]
const fn count(value: usize) -> f64 {
    value as f64
}
