//! Says what a job would do and cost, and what a small sample of its scenarios looks like, without making a job.

use serde_json::{Value, json};

use super::{
    Pipeline,
    beside::shadows,
    estimate::{Age, Basis, figure},
    pinned::{ModelSource, PinnedSpec},
    plan::plan,
    sample::{self, Samples},
    stages::stages,
};
use crate::{
    domain::{ids::TeamId, problem::Problem, spec::JobSpec},
    jobs::{NewStage, Newcomer},
    results::{JobPreview, PreviewStage, cost::CostEstimate},
};

/// Checks `spec`, estimates its cost, and draws a sample where its model is there already.
///
/// # Errors
/// As planning the job, and where a plugin fails on the sample.
pub async fn preview(pipeline: &Pipeline, team: &TeamId, spec: JobSpec) -> Result<JobPreview, Problem> {
    let kind = spec.kind();
    let pinned = plan(pipeline, team, spec).await?;
    let stages = stages(&pinned);
    let (sample, samples) = sample_scenarios(pipeline, team, &pinned).await?;
    let estimate = estimate(pipeline, team, &pinned, &stages, samples).await?;
    let stages = stages.into_iter().map(|stage| PreviewStage { name: stage.name, tasks: stage.tasks.len() });
    Ok(JobPreview {
        kind,
        is_feasible: true,
        stages: stages.collect(),
        plugins: pinned.plugins().map(|plugin| plugin.label.clone()).collect(),
        shadows: shadows(&pinned).iter().map(|shadow| shadow.candidate.label.clone()).collect(),
        history_races: pinned.history.len(),
        sample,
        estimate,
        warnings: pinned.warnings,
    })
}

async fn sample_scenarios(
    pipeline: &Pipeline,
    team: &TeamId,
    pinned: &PinnedSpec,
) -> Result<(Value, Samples), Problem> {
    let skipped = |why: &str| Ok((json!({ "skipped": why }), Samples::default()));
    match (&pinned.model, pinned.simulations.first()) {
        (Some(ModelSource::Stored(model)), Some(simulation)) => {
            sample::scenarios(pipeline, team, model, pinned, simulation).await
        }
        (_, Some(_)) => skipped("the job fits its model first; there is nothing to draw from yet"),
        (_, None) => skipped("the job draws no scenarios for lineups"),
    }
}

async fn estimate(
    pipeline: &Pipeline,
    team: &TeamId,
    pinned: &PinnedSpec,
    stages: &[NewStage],
    mut samples: Samples,
) -> Result<CostEstimate, Problem> {
    let unreadable = |error| Problem::internal(format!("The costs of past jobs cannot be read: {error}."));
    let basis = Basis::read(pipeline, team, pinned, stages, Age::Now).await.map_err(unreadable)?;
    if basis.lacks_calibrator() {
        samples.plugins.extend(sample::chain(pipeline, team, pinned).await?);
    }
    let newcomer = Newcomer { team, kind: pinned.request.kind(), stages };
    let prospect = pipeline.outlooks.of_newcomer(newcomer).await.map_err(unreadable)?;
    let queue_wait_s = Some(figure(&prospect.begins_s, prospect.jobs));
    Ok(CostEstimate { queue_wait_s, ..basis.estimate(&samples, &prospect) })
}
