//! Forecasts a race that has been run from a fit that has not seen it, and scores the forecast.

use super::{
    digest::{Digest, Made},
    outputs::{Done, ForecastDone, Simulated, cost},
    pinned::fingerprint,
    posterior::fitted_posterior,
    task::Task,
};
use crate::{catalog::race_setup, domain::problem::Problem, jobs::TaskFailure, score::forecast::score_race};

/// The forecasts, as a component of the result.
pub const FORECAST: &str = "forecast";

/// Runs forecast `index` of the job. No constraint takes part: it is the model that is judged.
///
/// # Errors
/// Where the generator fails or the task must stop.
pub fn run_forecast(task: &Task<'_>, index: usize) -> Result<Done<Simulated>, TaskFailure> {
    let plan = task.spec.forecast(index)?;
    let posterior = fitted_posterior(task, plan.fit)?;
    let race = task.race(&plan.race)?;
    let actual: Option<Vec<u16>> =
        race.entries.iter().map(|entry| entry.result.as_ref().map(|result| result.finish)).collect();
    let actual = actual.ok_or_else(|| Problem::internal("A race to be scored has no results."))?;
    let setup = race_setup(&race, &posterior.drivers, &posterior.teams);
    let plugin = &task.spec.generator;
    let (call, lines) = task.call(plugin, 0);
    let loaded = task.load(plugin)?;
    let mut generator = loaded.open_generator(&call, &posterior, &setup, &plugin.params, plan.seed)?;
    let block = generator.generate(0, plan.scenarios)?;
    lines.flush(task.context);
    let mut drawn = Digest::default();
    drawn.scenarios(&block);
    let report = score_race(&block.finish, block.scenarios, &actual, plan.seed)
        .map_err(|error| Problem::internal(format!("A forecast cannot be scored: {error}.")))?;
    let made = vec![drawn.made_by(&plugin.label), Made::new(FORECAST, fingerprint(&report))];
    let work = Simulated::Forecast(ForecastDone { race: plan.race.key.clone(), report });
    Ok(Done::new(work, task.wall_ms(), vec![cost(&plugin.label, generator.usage())]).made(made))
}
