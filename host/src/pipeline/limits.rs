//! What a job may ask for at most, and how tasks are cut. Every limit has a name, a unit and a default.

use serde::{Deserialize, Serialize};

/// Limits of job specifications and budgets of tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PipelineConfig {
    /// Markov chains of a fit.
    pub chains_max: u32,
    /// Races held out by a `calibrate` job.
    pub holdout_races_max: u32,
    /// Races forecast by an `evaluate` job.
    pub evaluate_races_max: u32,
    /// Scenarios of one forecast.
    pub forecast_scenarios_max: u32,
    /// Scenarios that a job keeps.
    pub n_scenarios_max: u32,
    /// Fresh scenarios for the validation of a portfolio.
    pub validation_scenarios_max: u32,
    /// Further seeds on whose scenarios a choice is repeated.
    pub sensitivity_seeds_max: u32,
    /// Scenario constraints of a job, and lineup constraints of a job.
    pub constraints_max: usize,
    /// Lineups of a portfolio.
    pub lineups_max: u32,
    /// Lineups that are judged together or have exposures to keep.
    pub joint_lineups_max: u32,
    /// Rules for lineups of a job.
    pub lineup_rules_max: usize,
    /// Exposures of a job.
    pub exposures_max: usize,
    /// Entrants of a contest whose payout is expected.
    pub entrants_max: u32,
    /// Rows of a contest's prizes.
    pub prizes_max: usize,
    /// Scenarios drawn per scenario wanted before a job gives up on constraints that veto too much.
    pub draws_per_scenario_max: u32,
    /// Fuel of one plugin in one task; about 100 s of numeric code.
    pub task_fuel: u64,
    /// Fuel of a candidate that runs beside a plugin, in one task; past it the comparison ends and the job goes on.
    pub shadow_fuel: u64,
    /// Time of a task that runs a candidate, in seconds; past it the comparison ends and the job goes on.
    pub shadow_s: u64,
    /// Lineups that a search shows its constraints and that a candidate is shown afterwards; later ones are left out.
    pub shadow_lineups_max: usize,
    /// Scenarios that a preview draws.
    pub preview_scenarios: u32,
    /// Iterations of a chain that a preview runs where no past job says what they cost.
    pub preview_iterations: u32,
    /// Fuel of one plugin in a preview.
    pub preview_fuel: u64,
    /// The longest that a plugin may take in a preview, in seconds.
    pub preview_s: u64,
    /// Pause between two checkpoints of a chain, in milliseconds; what a crash costs at most.
    pub checkpoint_ms: u64,
    /// Aim for the duration of one step of a chain, in milliseconds: how often progress is reported.
    pub step_ms: u64,
    /// R-hat above which a fit counts as degraded.
    pub r_hat_max: f64,
    /// Bulk effective draws of a main parameter below which a fit counts as degraded.
    pub ess_bulk_min: f64,
    /// Share of divergent transitions above which a fit counts as degraded.
    pub divergent_share_max: f64,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            chains_max: 16,
            holdout_races_max: 40,
            evaluate_races_max: 120,
            forecast_scenarios_max: 20_000,
            n_scenarios_max: 200_000,
            validation_scenarios_max: 200_000,
            sensitivity_seeds_max: 10,
            constraints_max: 16,
            lineups_max: 1_000,
            joint_lineups_max: 150,
            lineup_rules_max: 64,
            exposures_max: 256,
            entrants_max: 20_000,
            prizes_max: 64,
            draws_per_scenario_max: 20,
            task_fuel: 1_000_000_000_000,
            shadow_fuel: 200_000_000_000,
            shadow_s: 120,
            shadow_lineups_max: 10_000,
            preview_scenarios: 256,
            preview_iterations: 60,
            preview_fuel: 200_000_000_000,
            preview_s: 10,
            checkpoint_ms: 1_000,
            step_ms: 100,
            r_hat_max: 1.05,
            ess_bulk_min: 200.0,
            divergent_share_max: 0.01,
        }
    }
}
