//! The run record of a job, and the signature of its result.

use serde_json::{Value, json};

use super::{
    pinned::{PinnedSpec, fingerprint},
    task::Task,
};
use crate::{
    domain::{ids::JobId, job::Component, problem::Problem, spec::JobSpec},
    jobs::{self, JobsError, TaskFailure, TaskOutput, costs::Spent},
    results::{ComponentCost, OutputRecord, PluginRecord, RESULT_MEDIA_TYPE, ReplayReport, RunRecord, StageCost},
};

/// Version of the plugin contract that the run record names.
const CONTRACT: &str = "paddock:plugin@0.1.0";

/// The comparison with the job that is repeated, as a component of the result.
pub const REPLAY: &str = "replay";

/// What the stages of a job have left for its record.
#[derive(Debug, Default)]
pub struct Account {
    /// Stages, in order.
    pub stages: Vec<StageCost>,
    /// Cost per component in each stage, by its name.
    pub costs: Vec<(String, ComponentCost)>,
    /// What each component made, in the order of the work.
    pub outputs: Vec<OutputRecord>,
}

impl Account {
    /// Adds what a component cost in a task of the stage.
    pub fn add_cost(&mut self, stage: &str, cost: &ComponentCost) {
        match self.costs.iter_mut().find(|(known, of)| known == stage && of.plugin == cost.plugin) {
            Some((_, known)) => known.usage.add(&cost.usage),
            None => self.costs.push((stage.to_owned(), cost.clone())),
        }
    }

    /// Cost per component over all stages.
    fn components(&self) -> Vec<ComponentCost> {
        let mut all: Vec<ComponentCost> = Vec::new();
        for (_, cost) in &self.costs {
            match all.iter_mut().find(|known| known.plugin == cost.plugin) {
                Some(known) => known.usage.add(&cost.usage),
                None => all.push(cost.clone()),
            }
        }
        all
    }
}

/// The record of the job that `task` reports.
pub fn record(task: &Task<'_>, account: &Account) -> RunRecord {
    let spec = task.spec;
    let plugins = spec.plugins().map(|plugin| PluginRecord {
        plugin: plugin.label.clone(),
        hash: plugin.hash.clone(),
        world: plugin.world,
        params: plugin.params.clone(),
    });
    RunRecord {
        job: task.claimed.job.clone(),
        paddock: env!("CARGO_PKG_VERSION").to_owned(),
        contract: CONTRACT.to_owned(),
        engine: task.pipeline.plugins.engine_key().to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        request: spec.request.clone(),
        inputs: inputs_hash(spec),
        seed: seed_of(&spec.request),
        plugins: plugins.collect(),
        stages: account.stages.clone(),
        components: account.components(),
        outputs: account.outputs.clone(),
    }
}

/// One hash over all races and the slate, in the order of their use.
fn inputs_hash(spec: &PinnedSpec) -> String {
    let simulated = spec.simulations.iter().map(|plan| &plan.race);
    let forecast = spec.forecasts.iter().map(|plan| &plan.race);
    let races: Vec<&str> =
        spec.history.iter().chain(simulated).chain(forecast).map(|race| race.hash.as_str()).collect();
    fingerprint(&(races, spec.slate.as_ref().map(|slate| slate.hash.as_str())))
}

fn seed_of(request: &JobSpec) -> u64 {
    match request {
        JobSpec::Calibrate(spec) => spec.seed,
        JobSpec::Simulate(spec) => spec.scenarios.seed,
        JobSpec::Optimize(spec) => spec.scenarios.seed,
        JobSpec::Evaluate(spec) => spec.seed,
    }
}

/// Holds the run against that of the job which it repeats, where it does.
///
/// # Errors
/// `original-gone` where that job was pruned since, `no-record` where its result has none; else where the database fails.
pub fn replayed(task: &Task<'_>, now: &RunRecord) -> Result<Option<ReplayReport>, TaskFailure> {
    let Some(original) = task.spec.replays.clone() else { return Ok(None) };
    let db = task.pipeline.db.clone();
    let found = task.pipeline.errands.run({
        let original = original.clone();
        async move { jobs::query::result(&db, &original).await }
    });
    let result = match found {
        Ok(found) => found.result.unwrap_or_default(),
        Err(JobsError::UnknownJob(_)) => return Err(TaskFailure::fatal(original_gone(&original))),
        Err(error) => return Err(TaskFailure::retry(Problem::internal(format!("{error}.")))),
    };
    let then = record_of(&result).ok_or_else(|| TaskFailure::fatal(no_record(&original)))?;
    Ok(Some(ReplayReport::compare(&then, now)))
}

/// The run record within a result; `None` where another version wrote it in a shape that this one cannot read.
#[must_use]
pub fn record_of(result: &Value) -> Option<RunRecord> {
    serde_json::from_value(result.get("run")?.clone()).ok()
}

fn original_gone(original: &JobId) -> Problem {
    Problem::new(
        "original-gone",
        "The job to be repeated is gone",
        format!("The job {original} was pruned while this replay ran; there is nothing to hold it against."),
        "Compare with the record of the job, if you kept it; GET /v1/jobs/{id}/record gives it while the job is there.",
    )
}

/// A result that says too little of its run.
#[must_use]
pub fn no_record(original: &JobId) -> Problem {
    Problem::new(
        "no-record",
        "The result has no record of its outputs",
        format!("The job {original} was run by a version of paddock that kept no hashes of what its components made."),
        "Run it again with POST /v1/jobs/{id}/rerun and compare the two with GET /v1/jobs/{id}/compare/{other}.",
    )
}

/// How the replay went, as a component of the result: one that made something else is no success.
#[must_use]
pub fn replay_reason(report: &ReplayReport) -> Option<String> {
    let first = report.first_difference.as_ref()?;
    let (stage, task, component) = (&first.stage, first.task, &first.component);
    let changed: Vec<_> = report.environment.iter().map(|field| field.what.as_str()).collect();
    let because = if changed.is_empty() { String::new() } else { format!("; not as it was: {}", changed.join(", ")) };
    Some(format!(
        "{} of {} outputs differ from those of {}, first what {component} made in task {task} of the stage {stage}{because}",
        report.different, report.outputs, report.of
    ))
}

/// The final output of a job: its result with this node's signature, and what its plugins have cost.
pub fn signed(task: &Task<'_>, result: Value, components: &[Component], spent: &[Spent]) -> TaskOutput {
    let signature = task.pipeline.signer.sign(RESULT_MEDIA_TYPE, result.to_string().as_bytes());
    let value = json!({ "result": result, "components": components, "signature": signature, "spent": spent });
    TaskOutput { value }
}
