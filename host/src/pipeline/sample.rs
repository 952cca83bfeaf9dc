//! Small parts of a job's work, done for its preview: what its scenarios look like, and what its plugins cost where no past job says.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Pipeline,
    columns::decode_posterior,
    pinned::{FitPlan, PinnedPlugin, PinnedSpec, SimulationPlan},
    stages::{BLOCK_SCENARIOS, FIT, SIMULATE},
    veto::{VetoCounts, merge_verdicts},
    work::scenario_draws,
};
use crate::{
    catalog,
    domain::{
        history::History,
        ids::{ModelId, TeamId},
        interrupt::Interrupt,
        model::Posterior,
        plugin::Usage,
        problem::Problem,
        race::Race,
    },
    plugins::{CallContext, LoadedPlugin, NoLog, Outcome, PluginFailure},
    results::cost::Figure,
};

/// What a plugin is expected to cost in a stage, from a sample of its work.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// `name@version`.
    pub plugin: String,
    /// Name of the stage.
    pub stage: &'static str,
    /// Fuel.
    pub fuel: Figure,
    /// CPU time in seconds.
    pub cpu_s: Figure,
}

/// What samples have shown of a job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// What its plugins cost.
    pub plugins: Vec<Sampled>,
    /// Scenarios that are drawn for each that would be if none were vetoed.
    pub redraws: f64,
}

impl Sampled {
    /// A plugin that is opened `opened` times and does `times` as much as was measured between `before` and `after`.
    fn scaled(plugin: &str, stage: &'static str, (before, after): (&Usage, &Usage), opened: f64, times: f64) -> Self {
        let total = |of: fn(&Usage) -> f64| Figure::sample(of(before) * opened + (of(after) - of(before)) * times);
        let (fuel, cpu_s) = (total(|usage| usage.fuel as f64), total(|usage| usage.cpu_ms / 1e3));
        Self { plugin: plugin.to_owned(), stage, fuel, cpu_s }
    }
}

/// Limits of a sample.
fn call(pipeline: &Pipeline) -> CallContext {
    let deadline = Instant::now() + Duration::from_secs(pipeline.config.preview_s);
    let interrupt = Arc::new(Interrupt::with_deadline(deadline));
    CallContext { interrupt, fuel: pipeline.config.preview_fuel, log: Arc::new(NoLog) }
}

/// Runs what takes a while on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PluginFailure> + Send + 'static,
) -> Result<Result<T, PluginFailure>, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Problem::internal("A sample ended unexpectedly."))
}

/// Why a sample that was broken off says nothing, where that is no fault of the plugin's.
fn broken_off(failure: &PluginFailure) -> Option<&'static str> {
    let is_limit = failure.is_stop() || matches!(failure.outcome, Outcome::OutOfFuel { .. });
    is_limit.then_some("a sample did not come to its end within `preview_s` and `preview_fuel`")
}

/// Draws scenarios of a simulation from a model of the catalog: what the preview tells of them, and what the plugins cost.
///
/// # Errors
/// Where something cannot be read, or a plugin fails.
pub async fn scenarios(
    pipeline: &Pipeline,
    team: &TeamId,
    model: &ModelId,
    pinned: &PinnedSpec,
    simulation: &SimulationPlan,
) -> Result<(Value, Samples), Problem> {
    let sample = ScenarioSample::prepare(pipeline, team, model, pinned, simulation).await?;
    blocking(move || sample.draw()).await?.or_else(|failure| match broken_off(&failure) {
        Some(reason) => Ok((json!({ "skipped": reason }), Samples::default())),
        None => Err(failure.to_problem()),
    })
}

/// What scenarios are drawn from.
struct ScenarioSample {
    pipeline: Pipeline,
    posterior: Posterior,
    race: Race,
    seed: u64,
    work: BlockWork,
    generator: (LoadedPlugin, PinnedPlugin),
    constraints: Vec<(LoadedPlugin, PinnedPlugin)>,
}

impl ScenarioSample {
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
            pipeline: pipeline.clone(),
            posterior,
            race,
            seed: simulation.seed,
            work: BlockWork::of(pinned),
            generator: (pipeline.load(&pinned.generator.hash).await?, pinned.generator.clone()),
            constraints,
        })
    }

    fn draw(&self) -> Result<(Value, Samples), PluginFailure> {
        let count = self.pipeline.config.preview_scenarios;
        let call = || call(&self.pipeline);
        let setup = catalog::race_setup(&self.race, &self.posterior.drivers, &self.posterior.teams);
        let (loaded, plugin) = &self.generator;
        let mut generator = loaded.open_generator(&call(), &self.posterior, &setup, &plugin.params, self.seed)?;
        let opened = generator.usage();
        let block = generator.generate(0, count)?;
        let mut costs = vec![(plugin, opened, generator.usage())];
        let mut first = vec![(0_u16, 0_u8); block.scenarios];
        for (index, (loaded, plugin)) in self.constraints.iter().enumerate() {
            let mut judge = loaded.open_scenario_judge(&call(), &setup, &plugin.params)?;
            let opened = judge.usage();
            merge_verdicts(&mut first, index, &judge.judge(&block)?);
            costs.push((plugin, opened, judge.usage()));
        }
        let mut vetoes = VetoCounts::default();
        for &(constraint, verdict) in first.iter().filter(|(_, verdict)| *verdict > 0) {
            let plugin = &self.constraints[usize::from(constraint) - 1].1;
            vetoes.count(&plugin.label, &plugin.veto_reasons[usize::from(verdict) - 1].code);
        }
        let kept_share = 1.0 - vetoes.total() as f64 / f64::from(count);
        // Where nothing is kept, a job gives up; this then says that one in a thousand is.
        let redraws = 1.0 / kept_share.max(1e-3);
        let drawn = self.work.draws * redraws;
        let scaled = costs.iter().map(|(plugin, opened, after)| {
            Sampled::scaled(&plugin.label, SIMULATE, (opened, after), self.work.blocks, drawn / f64::from(count))
        });
        let told = json!({
            "scenarios": count,
            "vetoed": vetoes.total(),
            "veto_rate": 1.0 - kept_share,
            "vetoes": vetoes,
            "scenarios_drawn": drawn.ceil(),
        });
        Ok((told, Samples { plugins: merged(scaled), redraws }))
    }
}

/// A plugin that is there twice has both costs.
fn merged(sampled: impl Iterator<Item = Sampled>) -> Vec<Sampled> {
    let mut merged: Vec<Sampled> = Vec::new();
    for sampled in sampled {
        match merged.iter_mut().find(|known| known.plugin == sampled.plugin) {
            Some(known) => {
                known.fuel = Figure::sum(&[&known.fuel, &sampled.fuel]);
                known.cpu_s = Figure::sum(&[&known.cpu_s, &sampled.cpu_s]);
            }
            None => merged.push(sampled),
        }
    }
    merged
}

/// What a job's simulations come to.
struct BlockWork {
    /// Blocks, each of which opens its plugins.
    blocks: f64,
    /// Scenarios that are drawn where none is vetoed.
    draws: f64,
}

impl BlockWork {
    fn of(pinned: &PinnedSpec) -> Self {
        let blocks: u32 = pinned.simulations.iter().map(|plan| plan.scenarios.div_ceil(BLOCK_SCENARIOS)).sum();
        Self { blocks: f64::from(blocks), draws: scenario_draws(pinned) }
    }
}

/// Runs the first iterations of a chain of the job's longest fit. The later half of them counts: the first ones search for their
/// step size. A sample that does not come to an end within its limits says so, and nothing else.
///
/// # Errors
/// Where something cannot be read, or the calibrator fails.
pub async fn chain(pipeline: &Pipeline, team: &TeamId, pinned: &PinnedSpec) -> Result<Vec<Sampled>, Problem> {
    let plugin = pinned.calibrator()?.clone();
    let Some(fit) = pinned.fits.iter().max_by_key(|fit| fit.races.len()).cloned() else { return Ok(Vec::new()) };
    let ids: Vec<_> = pinned.history[fit.races.clone()].iter().map(|race| race.id.clone()).collect();
    let races = catalog::races_by_ids(&pipeline.db, team, &ids).await.map_err(|error| error.to_problem())?;
    let history = catalog::build_history(&races, fit.half_life_races);
    let loaded = pipeline.load(&plugin.hash).await?;
    let (label, all) = (plugin.label.clone(), pinned.fits.clone());
    let own = pipeline.clone();
    let run = blocking(move || {
        ChainSample { pipeline: &own, loaded: &loaded, plugin: &plugin, fit: &fit }.run(&history, &all)
    });
    match run.await? {
        Ok(sampled) => Ok(vec![sampled]),
        Err(failure) => match broken_off(&failure) {
            Some(reason) => {
                let unknown = Figure::none(reason);
                Ok(vec![Sampled { plugin: label, stage: FIT, fuel: unknown.clone(), cpu_s: unknown }])
            }
            None => Err(failure.to_problem()),
        },
    }
}

struct ChainSample<'a> {
    pipeline: &'a Pipeline,
    loaded: &'a LoadedPlugin,
    plugin: &'a PinnedPlugin,
    fit: &'a FitPlan,
}

impl ChainSample<'_> {
    fn run(&self, history: &History, fits: &[FitPlan]) -> Result<Sampled, PluginFailure> {
        let started = Instant::now();
        // Half of the time that is allowed: what is left is for the last step.
        let enough = Duration::from_secs(self.pipeline.config.preview_s) / 2;
        let (params, seed) = (&self.plugin.params, self.fit.seed);
        let mut session = self.loaded.open_chain(&call(self.pipeline), history, params, seed, 0)?;
        let opened = session.usage();
        let mut usages = vec![opened];
        let total = loop {
            let progress = session.step(1)?;
            session.take_draws()?;
            usages.push(session.usage());
            let is_enough =
                usages.len() > self.pipeline.config.preview_iterations as usize || started.elapsed() > enough;
            if progress.is_done() || is_enough {
                break f64::from(progress.iterations_total);
            }
        };
        let half = (usages.len() - 1) / 2;
        let iterations = (usages.len() - 1 - half) as f64;
        let chains: f64 = fits.iter().map(|fit| f64::from(fit.chains)).sum();
        let races = |fit: &FitPlan| f64::from(fit.chains) * fit.races.len() as f64;
        let work = fits.iter().map(races).sum::<f64>() / self.fit.races.len().max(1) as f64 * total;
        let mut sampled = Sampled::scaled(&self.plugin.label, FIT, (&opened, &opened), chains, 0.0);
        let later = Sampled::scaled(
            &self.plugin.label,
            FIT,
            (&usages[half], &usages[usages.len() - 1]),
            0.0,
            work / iterations,
        );
        sampled.fuel = Figure::sum(&[&sampled.fuel, &later.fuel]);
        sampled.cpu_s = Figure::sum(&[&sampled.cpu_s, &later.cpu_s]);
        Ok(sampled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_scaled_to_the_whole_and_opening_counts_once_for_each_block() {
        let usage = |fuel, cpu_ms| Usage { fuel, cpu_ms, ..Usage::default() };
        let scaled = Sampled::scaled("a@1.0.0", SIMULATE, (&usage(100, 10.0), &usage(600, 20.0)), 2.0, 4.0);
        assert_eq!((scaled.fuel, scaled.cpu_s), (Figure::sample(2_200.0), Figure::sample(0.06)));
    }
}
