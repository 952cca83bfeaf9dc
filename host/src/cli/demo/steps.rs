//! The demo's pipeline: import, fit, then simulate, veto and optimize; each step through the public API, each shown as it runs.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{DemoArgs, inputs::Inputs, report};
use crate::{
    cli::{
        client::Client,
        watch::{self, StageTime},
    },
    domain::job::JobState,
    results::{CalibrateResult, ComponentCost, OptimizeResult},
};

/// Runs the pipeline and prints what comes of it.
///
/// # Errors
/// Where the server refuses a step, or a job does not succeed.
pub fn show(client: &Client, args: &DemoArgs, inputs: &Inputs) -> Result<()> {
    let started = Instant::now();
    println!("\nData: {}", inputs.description);
    let slate = import(client, inputs)?;
    println!("\nCalibrate: how do these drivers finish?");
    let fitted = run(client, &calibrate_spec(args))?;
    let calibrated: CalibrateResult = fitted.result()?;
    print_lines(&report::fit(&calibrated.fit));
    if let Some(forecast) = &calibrated.forecast {
        print_lines(&report::forecast(forecast));
    }
    println!("\nSimulate, veto, optimize: {} scenarios, {} lineups", args.scenarios, args.lineups);
    let chosen = run(client, &optimize_spec(args, &slate, calibrated.model.id.as_str()))?;
    let optimized: OptimizeResult = chosen.result()?;
    print_lines(&report::simulation(&optimized.simulation));
    println!("\nPortfolio");
    print_lines(&report::portfolio(&optimized.portfolio));
    println!("\nCost (everything together took {:.1} s)", started.elapsed().as_secs_f64());
    let times: Vec<StageTime> = fitted.times.into_iter().chain(chosen.times).collect();
    print_lines(&report::cost(&times, &joined(calibrated.run.components, optimized.run.components)));
    Ok(())
}

/// Imports the races and the slate; gives the slate's id.
fn import(client: &Client, inputs: &Inputs) -> Result<String> {
    let races = client.post_bytes("/v1/races", &[], "text/csv", &inputs.races)?;
    println!("  races: {} new, {} replaced, {} unchanged", races["inserted"], races["replaced"], races["unchanged"]);
    let query: Vec<(&str, &str)> = inputs.slate_query.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let slate = client.post_bytes("/v1/slates", &query, "text/csv", &inputs.slate)?;
    let entries = slate["slate"]["entries"].as_array().map_or(0, Vec::len);
    println!("  slate: {entries} drivers, {} of them matched by more than spelling", slate["names"]["approximate"]);
    let id = slate["slate"]["id"].as_str().context("the server's answer has no slate id")?;
    Ok(id.to_owned())
}

fn calibrate_spec(args: &DemoArgs) -> Value {
    json!({
        "kind": "calibrate",
        "name": "demo: fit",
        "history": { "trailing_races": args.races },
        "seed": args.seed,
    })
}

fn optimize_spec(args: &DemoArgs, slate: &str, model: &str) -> Value {
    json!({
        "kind": "optimize",
        "name": "demo: lineups",
        "slate": slate,
        "model": model,
        "scenarios": { "n_scenarios": args.scenarios, "seed": args.seed },
        "lineups": args.lineups,
        "min_differences": 2,
        "lineup_constraints": [{ "plugin": "constraint-team-limit" }],
    })
}

/// A job that has succeeded.
struct Finished {
    result: Value,
    times: Vec<StageTime>,
}

impl Finished {
    fn result<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(self.result.clone()).context("the server's result has an unknown shape")
    }
}

/// Submits a job, follows it and fetches its result.
fn run(client: &Client, spec: &Value) -> Result<Finished> {
    let submitted = client.post_json("/v1/jobs", spec)?;
    let id = submitted["id"].as_str().context("the server's answer has no job id")?;
    let watched = watch::watch(client, id)?;
    match (watched.job.state, watched.job.problem) {
        (JobState::Succeeded | JobState::Partial, _) => {}
        (_, Some(problem)) => bail!("{problem}"),
        (state, None) => bail!("the job is {}", state.as_str()),
    }
    for component in watched.job.components.iter().filter(|component| component.reason.is_some()) {
        println!("  {}: {}", component.name, component.reason.as_deref().unwrap_or_default());
    }
    let answer = client.get(&format!("/v1/jobs/{id}/result"))?;
    Ok(Finished { result: answer["result"].clone(), times: watched.times })
}

/// The costs of both jobs, by component.
fn joined(first: Vec<ComponentCost>, second: Vec<ComponentCost>) -> Vec<ComponentCost> {
    let mut joined: Vec<ComponentCost> = Vec::new();
    for cost in first.into_iter().chain(second) {
        match joined.iter_mut().find(|known| known.plugin == cost.plugin) {
            Some(known) => known.usage.add(&cost.usage),
            None => joined.push(cost),
        }
    }
    joined
}

fn print_lines(lines: &[String]) {
    for line in lines {
        println!("{line}");
    }
}
