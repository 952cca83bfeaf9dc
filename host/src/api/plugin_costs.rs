//! What a version of a plugin has cost in the team's jobs, and how often it failed in them.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{caller::Reader, error::ApiError, plugin_views::find, state::ApiState, time::rfc3339};
use crate::{
    catalog::plugins::{self, Stops},
    jobs::costs::{self, CostRow},
    results::cost::quantile,
};

/// Units of work that figures are told for.
const PER_UNITS: u32 = 1_000;

/// Routes of costs.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// What a version has cost.
#[derive(Debug, Serialize, ToSchema)]
struct PluginCosts {
    /// `name@version`, behind the owner's name where another team shares it.
    plugin: String,
    /// SHA-256 of the component.
    hash: String,
    /// Units of work that the figures below are for.
    per_units: u32,
    /// One element for each stage that it has taken part in, from the newest jobs with a result: 1,000 stages of jobs at most.
    stages: Vec<StageCosts>,
    /// How often it failed itself in the team's jobs, by code of the problem.
    failures: Vec<FailureCount>,
}

/// What a version has cost in a stage.
#[derive(Debug, Serialize, ToSchema)]
struct StageCosts {
    /// Stage of the jobs.
    stage: String,
    /// What counts as work: `race_iterations` (iterations of all chains, times the races that each learns from), `scenarios` (drawn or
    /// judged) or `lineups` (chosen).
    unit: String,
    /// Jobs.
    jobs: usize,
    /// Tasks of the stage in them.
    tasks: u64,
    /// Units of work in them.
    units: f64,
    /// Calls into it.
    calls: u64,
    /// Fuel per 1,000 units; deterministic, so what spreads is the work.
    fuel: Spread,
    /// CPU time per 1,000 units, in milliseconds.
    cpu_ms: Spread,
    /// Bytes copied between host and guest per 1,000 units.
    copied_bytes: Spread,
    /// Most memory that it ever had at a time, in bytes.
    memory_peak_bytes: u64,
    /// End of the first of the jobs.
    #[schema(format = DateTime)]
    first_at: String,
    /// End of the last of them.
    #[schema(format = DateTime)]
    last_at: String,
}

/// How a figure spreads over jobs.
#[derive(Debug, Serialize, ToSchema)]
struct Spread {
    /// Half of the jobs are below.
    median: f64,
    /// Nine of ten jobs are below.
    p90: f64,
}

/// How often a version failed in one way.
#[derive(Debug, Serialize, ToSchema)]
struct FailureCount {
    /// Code of the problem, for example `plugin-trapped` or `plugin-out-of-fuel`.
    code: String,
    /// Jobs that met it.
    jobs: u64,
    /// When the last of them did.
    #[schema(format = DateTime)]
    last_at: String,
}

/// What a version costs.
///
/// From the team's own jobs, for each stage: fuel, CPU time, memory and copied bytes by the work that was done, and how often the
/// version failed. Estimates of jobs stand on the same figures.
#[utoipa::path(
    get, path = "/v1/plugins/{name}/{version}/costs", tag = "plugins",
    params(("name" = String, Path, example = "constraint-race-physics"), ("version" = String, Path, example = "0.1.0")),
    responses((status = 200, body = PluginCosts))
)]
async fn show(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<PluginCosts>, ApiError> {
    let plugin = find(&state, &principal.team, &name, &version).await?;
    let rows = costs::history(state.db(), &principal.team, plugin.id.as_str()).await?;
    let stops = plugins::stops(state.db(), &principal.team, &plugin.id).await?;
    Ok(Json(PluginCosts {
        plugin: plugin.label(),
        hash: plugin.hash,
        per_units: PER_UNITS,
        stages: by_stage(&rows),
        failures: stops.into_iter().map(FailureCount::from).collect(),
    }))
}

impl From<Stops> for FailureCount {
    fn from(stops: Stops) -> Self {
        Self { code: stops.code, jobs: stops.jobs, last_at: rfc3339(stops.last_us) }
    }
}

fn by_stage(rows: &[CostRow]) -> Vec<StageCosts> {
    let mut stages: Vec<(&str, &str)> = rows.iter().map(|row| (row.stage.as_str(), row.unit.as_str())).collect();
    stages.sort_unstable();
    stages.dedup();
    let costs = |(stage, unit): (&str, &str)| {
        let rows: Vec<&CostRow> = rows.iter().filter(|row| row.stage == stage && row.unit == unit).collect();
        StageCosts::of(stage, unit, &rows)
    };
    stages.into_iter().map(costs).collect()
}

impl StageCosts {
    fn of(stage: &str, unit: &str, rows: &[&CostRow]) -> Self {
        let ends = || rows.iter().map(|row| row.ended_us);
        Self {
            stage: stage.to_owned(),
            unit: unit.to_owned(),
            jobs: rows.len(),
            tasks: rows.iter().map(|row| u64::from(row.tasks)).sum(),
            units: rows.iter().map(|row| row.units).sum(),
            calls: rows.iter().map(|row| row.usage.calls).sum(),
            fuel: Spread::of(rows, |row| row.usage.fuel as f64),
            cpu_ms: Spread::of(rows, |row| row.usage.cpu_ms),
            copied_bytes: Spread::of(rows, |row| row.usage.copied_bytes as f64),
            memory_peak_bytes: rows.iter().map(|row| row.usage.memory_peak_bytes).max().unwrap_or(0),
            first_at: rfc3339(ends().min().unwrap_or(0)),
            last_at: rfc3339(ends().max().unwrap_or(0)),
        }
    }
}

impl Spread {
    fn of(rows: &[&CostRow], cost: impl Fn(&CostRow) -> f64) -> Self {
        let mut sorted: Vec<f64> = rows.iter().map(|row| cost(row) / row.units * f64::from(PER_UNITS)).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share| quantile(&sorted, share).unwrap_or(0.0);
        Self { median: at(0.5), p90: at(0.9) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plugin::Usage;

    fn row(stage: &str, units: f64, fuel: u64) -> CostRow {
        let usage = Usage { fuel, calls: 2, memory_peak_bytes: fuel, ..Usage::default() };
        CostRow { stage: stage.to_owned(), unit: "scenarios".to_owned(), units, tasks: 3, usage, ended_us: 5 }
    }

    #[test]
    fn figures_are_per_thousand_units_stage_by_stage() {
        let rows = [row("simulate", 500.0, 50), row("simulate", 1_000.0, 300), row("optimize", 10.0, 1)];
        let found = by_stage(&rows);
        let [optimize, simulate] = &found[..] else { panic!("{found:?}") };
        assert_eq!((optimize.jobs, optimize.fuel.median), (1, 100.0));
        assert_eq!((simulate.jobs, simulate.tasks, simulate.calls, simulate.units), (2, 6, 4, 1_500.0));
        assert_eq!((simulate.fuel.median, simulate.memory_peak_bytes), (200.0, 300));
        assert!((simulate.fuel.p90 - 280.0).abs() < 1e-9, "{simulate:?}");
    }
}
