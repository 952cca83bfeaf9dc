//! Says what a job would do, and what a small sample of its scenarios looks like, without making a job.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Pipeline,
    beside::shadows,
    columns::decode_posterior,
    pinned::{ModelSource, PinnedPlugin, PinnedSpec, SimulationPlan},
    plan::plan,
    stages::stages,
    veto::{VetoCounts, merge_verdicts},
};
use crate::{
    catalog,
    domain::{
        ids::{ModelId, TeamId},
        interrupt::Interrupt,
        model::Posterior,
        problem::Problem,
        race::Race,
        spec::JobSpec,
    },
    plugins::{CallContext, LoadedPlugin, NoLog, PluginFailure},
};

/// Scenarios of the sample.
const SAMPLE_SCENARIOS: u32 = 256;

/// The longest that a sample may take, in seconds.
const SAMPLE_S: u64 = 10;

/// Checks `spec`, and draws a sample where its model is there already.
///
/// # Errors
/// As planning the job, and where a plugin fails on the sample.
pub async fn preview(pipeline: &Pipeline, team: &TeamId, spec: JobSpec) -> Result<Value, Problem> {
    let kind = spec.kind().as_str();
    let pinned = plan(pipeline, team, spec).await?;
    let stages: Vec<Value> =
        stages(&pinned).iter().map(|stage| json!({ "name": stage.name, "tasks": stage.tasks.len() })).collect();
    let plugins: Vec<&str> = pinned.plugins().map(|plugin| plugin.label.as_str()).collect();
    let candidates: Vec<&str> = shadows(&pinned).iter().map(|shadow| shadow.candidate.label.as_str()).collect();
    let mut told = json!({
        "kind": kind,
        "is_feasible": true,
        "stages": stages,
        "plugins": plugins,
        "shadows": candidates,
        "history_races": pinned.history.len(),
        "warnings": pinned.warnings,
    });
    told["sample"] = match (&pinned.model, pinned.simulations.first()) {
        (Some(ModelSource::Stored(model)), Some(simulation)) => {
            let sample = Sample::prepare(pipeline, team, model, &pinned, simulation).await?;
            let drawn = tokio::task::spawn_blocking(move || sample.draw()).await;
            drawn.map_err(|_| Problem::internal("Drawing a sample ended unexpectedly."))??
        }
        (_, Some(_)) => json!({ "skipped": "the job fits its model first; there is nothing to draw from yet" }),
        (_, None) => json!({ "skipped": "the job draws no scenarios for lineups" }),
    };
    Ok(told)
}

/// What a sample is drawn from.
struct Sample {
    posterior: Posterior,
    race: Race,
    seed: u64,
    wanted: u64,
    generator: (LoadedPlugin, PinnedPlugin),
    constraints: Vec<(LoadedPlugin, PinnedPlugin)>,
    fuel: u64,
}

impl Sample {
    async fn prepare(
        pipeline: &Pipeline,
        team: &TeamId,
        model: &ModelId,
        pinned: &PinnedSpec,
        simulation: &SimulationPlan,
    ) -> Result<Self, Problem> {
        let model = catalog::model(&pipeline.db, team, model).await.map_err(|error| error.to_problem())?;
        let unreadable = |error: String| Problem::internal(format!("The model cannot be read: {error}."));
        let hash = model.artifact.parse().map_err(|error| unreadable(format!("{error}")))?;
        let bytes = pipeline.artifacts.get(&hash).await.map_err(|error| unreadable(error.to_string()))?;
        let posterior = decode_posterior(&bytes).map_err(|error| unreadable(error.to_string()))?;
        let race = catalog::race(&pipeline.db, team, &simulation.race.id).await.map_err(|error| error.to_problem())?;
        let mut constraints = Vec::with_capacity(pinned.constraints.len());
        for constraint in &pinned.constraints {
            constraints.push((pipeline.load(&constraint.hash).await?, constraint.clone()));
        }
        Ok(Self {
            posterior,
            race,
            seed: simulation.seed,
            wanted: u64::from(simulation.scenarios),
            generator: (pipeline.load(&pinned.generator.hash).await?, pinned.generator.clone()),
            constraints,
            fuel: pipeline.config.task_fuel,
        })
    }

    fn call(&self) -> CallContext {
        let deadline = Instant::now() + Duration::from_secs(SAMPLE_S);
        CallContext { interrupt: Arc::new(Interrupt::with_deadline(deadline)), fuel: self.fuel, log: Arc::new(NoLog) }
    }

    fn draw(&self) -> Result<Value, Problem> {
        self.draw_and_judge().map_err(|failure| failure.to_problem())
    }

    fn draw_and_judge(&self) -> Result<Value, PluginFailure> {
        let setup = catalog::race_setup(&self.race, &self.posterior.drivers, &self.posterior.teams);
        let (loaded, plugin) = &self.generator;
        let mut generator = loaded.open_generator(&self.call(), &self.posterior, &setup, &plugin.params, self.seed)?;
        let block = generator.generate(0, SAMPLE_SCENARIOS)?;
        let mut usage = generator.usage();
        let mut first = vec![(0_u16, 0_u8); block.scenarios];
        for (index, (loaded, plugin)) in self.constraints.iter().enumerate() {
            let mut judge = loaded.open_scenario_judge(&self.call(), &setup, &plugin.params)?;
            merge_verdicts(&mut first, index, &judge.judge(&block)?);
            usage.add(&judge.usage());
        }
        let mut vetoes = VetoCounts::default();
        for &(constraint, verdict) in first.iter().filter(|(_, verdict)| *verdict > 0) {
            let plugin = &self.constraints[usize::from(constraint) - 1].1;
            vetoes.count(&plugin.label, &plugin.veto_reasons[usize::from(verdict) - 1].code);
        }
        let scale = self.wanted as f64 / f64::from(SAMPLE_SCENARIOS);
        let kept_share = 1.0 - vetoes.total() as f64 / f64::from(SAMPLE_SCENARIOS);
        Ok(json!({
            "scenarios": SAMPLE_SCENARIOS,
            "vetoed": vetoes.total(),
            "veto_rate": 1.0 - kept_share,
            "vetoes": vetoes,
            "estimate": {
                "scenarios_drawn": (self.wanted as f64 / kept_share.max(f64::EPSILON)).ceil(),
                "fuel": (usage.fuel as f64 * scale / kept_share.max(f64::EPSILON)).ceil(),
                "cpu_s": usage.cpu_ms * scale / kept_share.max(f64::EPSILON) / 1e3,
            },
        }))
    }
}
