//! Splits a pinned specification into stages of tasks. The order of the stages is the order of the pipeline.

use serde_json::Value;

use super::{
    beside::Beside,
    pinned::{PinnedPlugin, PinnedSpec, TaskInput},
};
use crate::{domain::spec::JobSpec, jobs::NewStage};

/// Scenarios that one task keeps: a fraction of a second of work, so that a lost lease costs little.
pub const BLOCK_SCENARIOS: u32 = 2_500;

/// Chains of every fit.
pub const FIT: &str = "fit";
/// Posterior and diagnostics of every fit.
pub const POSTERIOR: &str = "posterior";
/// Blocks of every simulation, and the forecasts.
pub const SIMULATE: &str = "simulate";
/// The lineups.
pub const OPTIMIZE: &str = "optimize";
/// Chains of a candidate.
pub const SHADOW_FIT: &str = "shadow-fit";
/// Posteriors of a candidate.
pub const SHADOW_POSTERIOR: &str = "shadow-posterior";
/// Forecasts and verdicts of candidates.
pub const SHADOW: &str = "shadow";
/// The result.
pub const REPORT: &str = "report";

/// Seconds on one core of a small server with the built-in plugins, measured once: a stage's weight is what it takes there. Only
/// proportions matter: they shape the progress bar, and forecasts learn how much longer things take here.
mod seconds {
    /// Of an iteration of a chain, per race of its history.
    pub const PER_ITERATION_AND_RACE: f64 = 0.000_12;
    /// Of the join of a fit's chains.
    pub const PER_POSTERIOR: f64 = 1.5;
    /// Of a scenario, drawn and judged.
    pub const PER_SCENARIO: f64 = 0.000_5;
    /// Of a lineup, per scenario that it is chosen on.
    pub const PER_LINEUP_AND_SCENARIO: f64 = 0.000_1;
    /// Of a forecast by a candidate, or of a block that it judges.
    pub const PER_SHADOW_TASK: f64 = 1.0;
    /// Of the result.
    pub const PER_REPORT: f64 = 2.0;
}

/// The stages of a job.
#[must_use]
pub fn stages(spec: &PinnedSpec) -> Vec<NewStage> {
    let mut stages = Vec::new();
    let mut push = |name: &str, weight: f64, tasks: Vec<TaskInput>| {
        if !tasks.is_empty() {
            stages.push(NewStage { name: name.to_owned(), weight, tasks: tasks.iter().map(to_json).collect() });
        }
    };
    push(FIT, fit_seconds(spec), fit_chains(spec));
    let posteriors: Vec<_> = (0..spec.fits.len()).map(|fit| TaskInput::AssemblePosterior { fit }).collect();
    push(POSTERIOR, seconds::PER_POSTERIOR * posteriors.len() as f64, posteriors);
    push(SIMULATE, seconds::PER_SCENARIO * scenarios(spec), simulations(spec));
    if let JobSpec::Optimize(request) = &spec.request {
        let choices = f64::from(request.scenarios.n_scenarios) * f64::from(request.lineups);
        push(OPTIMIZE, seconds::PER_LINEUP_AND_SCENARIO * choices, vec![TaskInput::ChooseLineups]);
    }
    if let Some(beside) = Beside::of(spec) {
        let plan = &beside.spec;
        if beside.has_fits {
            push(SHADOW_FIT, fit_seconds(plan), shadow_chains(plan));
            let posteriors: Vec<_> = (0..plan.fits.len()).map(|fit| TaskInput::ShadowPosterior { fit }).collect();
            push(SHADOW_POSTERIOR, seconds::PER_POSTERIOR * posteriors.len() as f64, posteriors);
        }
    }
    let shadowed = shadow_tasks(spec);
    push(SHADOW, seconds::PER_SHADOW_TASK * shadowed.len() as f64, shadowed);
    push(REPORT, seconds::PER_REPORT, vec![TaskInput::Report]);
    stages
}

fn fit_seconds(spec: &PinnedSpec) -> f64 {
    seconds::PER_ITERATION_AND_RACE * race_iterations(spec)
}

/// Iterations of all chains of all fits, each times the races that it learns from.
#[must_use]
pub fn race_iterations(spec: &PinnedSpec) -> f64 {
    let races = spec.fits.iter().map(|fit| f64::from(fit.chains) * fit.races.len() as f64);
    iterations(spec) * races.sum::<f64>()
}

/// Iterations of a chain where the calibrator has the parameters that samplers usually have, else a usual number of them.
fn iterations(spec: &PinnedSpec) -> f64 {
    const USUAL: f64 = 600.0;
    let params = spec.calibrator.as_ref().map(|calibrator| &calibrator.params);
    let number = |name| params.and_then(|params| params.get(name)?.as_f64());
    let iterations = number("draws").map_or(USUAL, |draws| draws + number("warmup").unwrap_or(0.0));
    iterations.max(1.0)
}

/// Scenarios of all simulations and forecasts.
fn scenarios(spec: &PinnedSpec) -> f64 {
    let simulated = spec.simulations.iter().map(|plan| plan.scenarios);
    simulated.chain(spec.forecasts.iter().map(|plan| plan.scenarios)).map(f64::from).sum()
}

/// Chain by chain over all fits, so that the first chains of every fit are not the last to run.
fn fit_chains(spec: &PinnedSpec) -> Vec<TaskInput> {
    let chains = |(fit, plan): (usize, &super::pinned::FitPlan)| {
        (0..plan.chains).map(move |chain| TaskInput::FitChain { fit, chain }).collect::<Vec<_>>()
    };
    spec.fits.iter().enumerate().flat_map(chains).collect()
}

fn shadow_chains(plan: &PinnedSpec) -> Vec<TaskInput> {
    let chains = |(fit, plan): (usize, &super::pinned::FitPlan)| {
        (0..plan.chains).map(move |chain| TaskInput::ShadowChain { fit, chain }).collect::<Vec<_>>()
    };
    plan.fits.iter().enumerate().flat_map(chains).collect()
}

/// What candidates do after the fits: forecasts, scenarios, and verdicts on what the job's own constraints saw.
pub fn shadow_tasks(spec: &PinnedSpec) -> Vec<TaskInput> {
    let forecasts = Beside::of(spec).map_or(0, |beside| beside.spec.forecasts.len());
    let mut tasks: Vec<_> = (0..forecasts).map(|forecast| TaskInput::ShadowForecast { forecast }).collect();
    let blocks = spec.simulations.first().map_or(0, |plan| plan.scenarios.div_ceil(BLOCK_SCENARIOS));
    if spec.generator.shadow.is_some() {
        tasks.extend((0..blocks).map(|block| TaskInput::ShadowDraws { block }));
    }
    let with_shadow = |plugins: &[PinnedPlugin]| {
        let found = plugins.iter().enumerate().filter(|(_, plugin)| plugin.shadow.is_some());
        found.map(|(index, _)| index).collect::<Vec<_>>()
    };
    for constraint in with_shadow(&spec.constraints) {
        tasks.extend((0..blocks).map(|block| TaskInput::ShadowScenarios { constraint, block }));
    }
    let lineups = with_shadow(&spec.lineup_constraints).into_iter();
    tasks.extend(lineups.map(|constraint| TaskInput::ShadowLineups { constraint }));
    tasks
}

fn simulations(spec: &PinnedSpec) -> Vec<TaskInput> {
    let mut tasks = Vec::new();
    for (simulation, plan) in spec.simulations.iter().enumerate() {
        for (block, first) in (0..plan.scenarios).step_by(BLOCK_SCENARIOS as usize).enumerate() {
            let scenarios = BLOCK_SCENARIOS.min(plan.scenarios - first);
            tasks.push(TaskInput::SimulateBlock { simulation, block: block as u32, scenarios });
        }
    }
    tasks.extend((0..spec.forecasts.len()).map(|forecast| TaskInput::Forecast { forecast }));
    tasks
}

/// A task's input is a closed enum of numbers and unit variants; serializing it cannot fail.
fn to_json(input: &TaskInput) -> Value {
    serde_json::to_value(input).unwrap_or(Value::Null)
}
