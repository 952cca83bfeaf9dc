//! Splits a pinned specification into stages of tasks. The order of the stages is the order of the pipeline.

use serde_json::Value;

use super::pinned::{PinnedSpec, TaskInput};
use crate::jobs::NewStage;

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
/// The result.
pub const REPORT: &str = "report";

/// The stages of a job. Weights are the share of the wall time seen with the built-in plugins; they only shape the progress bar.
#[must_use]
pub fn stages(spec: &PinnedSpec) -> Vec<NewStage> {
    let mut stages = Vec::new();
    let mut push = |name: &str, weight: f64, tasks: Vec<TaskInput>| {
        if !tasks.is_empty() {
            stages.push(NewStage { name: name.to_owned(), weight, tasks: tasks.iter().map(to_json).collect() });
        }
    };
    push(FIT, 60.0, fit_chains(spec));
    push(POSTERIOR, 3.0, (0..spec.fits.len()).map(|fit| TaskInput::AssemblePosterior { fit }).collect());
    push(SIMULATE, 15.0, simulations(spec));
    let chooses = matches!(spec.request, crate::domain::spec::JobSpec::Optimize(_));
    push(OPTIMIZE, 20.0, if chooses { vec![TaskInput::ChooseLineups] } else { Vec::new() });
    push(REPORT, 2.0, vec![TaskInput::Report]);
    stages
}

/// Chain by chain over all fits, so that the first chains of every fit are not the last to run.
fn fit_chains(spec: &PinnedSpec) -> Vec<TaskInput> {
    let chains = |(fit, plan): (usize, &super::pinned::FitPlan)| {
        (0..plan.chains).map(move |chain| TaskInput::FitChain { fit, chain }).collect::<Vec<_>>()
    };
    spec.fits.iter().enumerate().flat_map(chains).collect()
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
