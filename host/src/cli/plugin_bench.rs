//! `paddock plugin bench`: what a plugin's calls cost on the bundled season, and how far that is from the limits.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value};

use super::{
    table::Table,
    workbench::{ComponentArgs, InputArgs, context, model_of, params_object, told},
};
use crate::{
    domain::plugin::{Usage, World},
    plugins::{Inputs, LoadedPlugin, PluginFailure},
};

/// Fuel of the whole measurement: as good as without end.
const FUEL: u64 = u64::MAX / 2;

/// What to measure.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(flatten)]
    component: ComponentArgs,
    #[command(flatten)]
    inputs: InputArgs,
    /// Parameters, a JSON object; the schema's defaults where absent.
    #[arg(long, default_value = "{}", value_parser = params_object)]
    params: Map<String, Value>,
    /// Scenarios or lineups of one call, or iterations of one step.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// Time to spend on each function, in seconds.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
}

/// Runs the command.
///
/// # Errors
/// Where the component is not taken or a call fails.
pub fn run(args: &BenchArgs) -> Result<()> {
    let (wasm, inputs) = (args.component.read()?, args.inputs.load()?);
    let workbench = args.component.workbench()?;
    let admitted = workbench.admit(&wasm)?;
    let mut table = Table::new(&["call", ">calls/s", ">CPU ms", ">fuel", ">memory KiB", ">copied bytes"]);
    let measured = measure(args, &inputs, &admitted.plugin)?;
    for Row { name, calls, wall, cost, memory_bytes } in &measured {
        let calls_f64 = f64::from(*calls);
        table.row([
            name.clone(),
            format!("{:.1}", calls_f64 / wall.as_secs_f64()),
            format!("{:.3}", cost.cpu_ms / calls_f64),
            (cost.fuel / u64::from(*calls)).to_string(),
            (memory_bytes >> 10).to_string(),
            (cost.copied_bytes / u64::from(*calls)).to_string(),
        ]);
    }
    println!("{} compiled in {:.0} ms; each call handles {}", admitted.plugin.label(), admitted.compile_ms, args.count);
    println!("{}", table.lines().join("\n"));
    let limits = workbench.runtime.limits();
    let fuel = measured.iter().map(|row| row.cost.fuel / u64::from(row.calls)).max().unwrap_or(0);
    let memory = measured.iter().map(|row| row.memory_bytes).max().unwrap_or(0);
    println!(
        "  a session of the conformance suite may use {} units of fuel, a call here {fuel}",
        limits.conformance.fuel_per_session
    );
    println!("  a guest may have {} KiB of memory, this one had {} KiB", limits.memory_bytes_max >> 10, memory >> 10);
    Ok(())
}

/// What the calls of one function have cost.
struct Row {
    name: String,
    calls: u32,
    wall: Duration,
    cost: Usage,
    memory_bytes: u64,
}

fn measure(args: &BenchArgs, inputs: &Inputs, plugin: &LoadedPlugin) -> Result<Vec<Row>> {
    let description = plugin.description();
    let time = Duration::from_secs_f64(args.seconds.clamp(0.01, 600.0));
    let count = args.count as usize;
    let mut rows = Vec::new();
    match description.world {
        World::Constraint => {
            if description.judges_scenarios {
                let block = inputs.scenarios(count, 0);
                let judge = || plugin.open_scenario_judge(&context(FUEL), &inputs.race, &args.params);
                let mut judge = opened(&mut rows, "scenario-judge.open", time, judge, |judge| judge.usage())?;
                rows.push(calls(
                    "scenario-judge.judge",
                    time,
                    &mut judge,
                    |judge| judge.judge(&block),
                    |judge| judge.usage(),
                )?);
            }
            if description.judges_lineups {
                let lineups = inputs.lineups(count, 0);
                let judge = || plugin.open_lineup_judge(&context(FUEL), &inputs.slate, &args.params);
                let mut judge = opened(&mut rows, "lineup-judge.open", time, judge, |judge| judge.usage())?;
                rows.push(calls(
                    "lineup-judge.judge",
                    time,
                    &mut judge,
                    |judge| judge.judge(&lineups),
                    |judge| judge.usage(),
                )?);
            }
        }
        World::Generator => {
            let model = model_of(inputs, description.posterior_layout.as_deref())?;
            let open = || plugin.open_generator(&context(FUEL), model, &inputs.race, &args.params, 0);
            let mut generator = opened(&mut rows, "generator.open", time, open, |generator| generator.usage())?;
            let mut next = 0;
            let draw = |generator: &mut crate::plugins::GeneratorSession| {
                next += u64::from(args.count);
                generator.generate(next, args.count)
            };
            rows.push(calls("generator.generate", time, &mut generator, draw, |generator| generator.usage())?);
        }
        World::Calibrator => {
            let open = || plugin.open_chain(&context(FUEL), &inputs.history, &args.params, 0, 0);
            opened(&mut rows, "chain.open", time, open, |chain| chain.usage())?;
            rows.push(whole_chains(args, time, open)?);
        }
    }
    Ok(rows)
}

/// Opens a session again and again, and hands over the last.
fn opened<S>(
    rows: &mut Vec<Row>,
    name: &str,
    time: Duration,
    open: impl Fn() -> Result<S, PluginFailure>,
    usage: impl Fn(&S) -> Usage,
) -> Result<S> {
    let started = Instant::now();
    let mut session = open().map_err(told)?;
    let (mut calls, mut cost) = (1, usage(&session));
    while started.elapsed() < time {
        session = open().map_err(told)?;
        cost.add(&usage(&session));
        calls += 1;
    }
    let memory_bytes = cost.memory_peak_bytes;
    rows.push(Row { name: format!("{name} (fresh guest)"), calls, wall: started.elapsed(), cost, memory_bytes });
    Ok(session)
}

/// Calls a function of a session again and again.
fn calls<S, R>(
    name: &str,
    time: Duration,
    session: &mut S,
    mut call: impl FnMut(&mut S) -> Result<R, PluginFailure>,
    usage: impl Fn(&S) -> Usage,
) -> Result<Row> {
    // The first call may fill caches of the guest.
    call(session).map_err(told)?;
    let before = usage(session);
    let (started, mut calls) = (Instant::now(), 0);
    while calls == 0 || started.elapsed() < time {
        call(session).map_err(told)?;
        calls += 1;
    }
    let after = usage(session);
    let cost = Usage {
        fuel: after.fuel - before.fuel,
        cpu_ms: after.cpu_ms - before.cpu_ms,
        copied_bytes: after.copied_bytes - before.copied_bytes,
        ..after
    };
    Ok(Row { name: name.to_owned(), calls, wall: started.elapsed(), cost, memory_bytes: after.memory_peak_bytes })
}

/// Steps of chains, each to its end.
fn whole_chains(
    args: &BenchArgs,
    time: Duration,
    open: impl Fn() -> Result<crate::plugins::ChainSession, PluginFailure>,
) -> Result<Row> {
    let (started, mut calls, mut cost) = (Instant::now(), 0, Usage::default());
    while calls == 0 || started.elapsed() < time {
        let mut chain = open().map_err(told)?;
        loop {
            let progress = chain.step(args.count).map_err(told)?;
            calls += 1;
            if progress.is_done() {
                break;
            }
        }
        cost.add(&chain.usage());
    }
    let memory_bytes = cost.memory_peak_bytes;
    Ok(Row { name: "chain.step".to_owned(), calls, wall: started.elapsed(), cost, memory_bytes })
}
