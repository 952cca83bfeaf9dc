//! Job specifications: what a client asks for. Every field has a default or is required; unknown fields are errors.
//!
//! Ranges are checked against the configured limits where a spec enters the service, not here.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    ids::{ModelId, RaceId, SlateId},
    job::JobKind,
    lineup_rule::{ExposureSpec, LineupRule},
    payout::PayoutSpec,
};

/// What a job shall do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobSpec {
    /// Fit a model to past races.
    Calibrate(CalibrateSpec),
    /// Draw scenarios of a race from a model and veto the implausible ones.
    Simulate(SimulateSpec),
    /// Choose lineups for a slate.
    Optimize(Box<OptimizeSpec>),
    /// Backtest a calibrator on past races.
    Evaluate(EvaluateSpec),
}

impl JobSpec {
    /// What kind of job this is.
    #[must_use]
    pub const fn kind(&self) -> JobKind {
        match self {
            Self::Calibrate(_) => JobKind::Calibrate,
            Self::Simulate(_) => JobKind::Simulate,
            Self::Optimize(_) => JobKind::Optimize,
            Self::Evaluate(_) => JobKind::Evaluate,
        }
    }
}

/// A plugin and the parameters to run it with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginUse {
    /// Name of the plugin, `[team/]name[@version or alias]`; the team where another one shares it.
    pub plugin: String,
    /// Version or alias where the name does not say it; what `stable` stands for, or the newest one, where nothing does. Pinned when
    /// the job is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Parameters, valid against the plugin's schema.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// A candidate to run beside it on the same inputs, which changes nothing about the result: a plugin as above, or `@version` or
    /// `@alias` of this one. What the alias says where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<String>,
}

impl PluginUse {
    /// The newest version of this plugin, with its default parameters.
    #[must_use]
    pub fn named(plugin: &str) -> Self {
        Self { plugin: plugin.to_owned(), version: None, params: Map::new(), shadow: None }
    }
}

/// What to do with a job when a constraint itself fails (traps, runs out of fuel, answers nonsense).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The job fails and names the constraint.
    #[default]
    FailClosed,
    /// The constraint is left out, and its component is `degraded`.
    Skip,
}

/// A constraint, its parameters and what its failure means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConstraintUse {
    /// Name of the plugin, `[team/]name[@version or alias]`; the team where another one shares it.
    pub plugin: String,
    /// Version or alias where the name does not say it; what `stable` stands for, or the newest one, where nothing does. Pinned when
    /// the job is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Parameters, valid against the plugin's schema.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// A candidate to run beside it on the same inputs, which changes nothing about the result: a plugin as above, or `@version` or
    /// `@alias` of this one. What the alias says where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<String>,
    /// Policy when the constraint fails.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// Which past races to learn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HistorySpec {
    /// Only races before this key (`2025-10`); absent = all races with results.
    pub before: Option<String>,
    /// How many of the latest such races to use.
    pub trailing_races: u32,
    /// Age in races at which a race counts half; the newest counts in full.
    pub half_life_races: f64,
}

impl Default for HistorySpec {
    fn default() -> Self {
        Self { before: None, trailing_races: 108, half_life_races: 36.0 }
    }
}

fn default_calibrator() -> PluginUse {
    PluginUse::named("calibrator-attrition")
}

fn default_generator() -> PluginUse {
    PluginUse::named("generator-race")
}

fn default_constraints() -> Vec<ConstraintUse> {
    vec![ConstraintUse {
        plugin: "constraint-race-physics".to_owned(),
        version: None,
        params: Map::new(),
        shadow: None,
        on_failure: OnFailure::default(),
    }]
}

/// Fit a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrateSpec {
    /// Races to learn from.
    pub history: HistorySpec,
    /// Calibrator.
    pub calibrator: PluginUse,
    /// Generator that turns the posterior into forecasts for the hold-out scores.
    pub generator: PluginUse,
    /// Markov chains.
    pub chains: u32,
    /// Latest races of the history that are forecast by a fit without them; 0 = no hold-out scores.
    pub holdout_races: u32,
    /// Scenarios per forecast.
    pub forecast_scenarios: u32,
    /// Seed of everything random.
    pub seed: u64,
}

impl Default for CalibrateSpec {
    fn default() -> Self {
        Self {
            history: HistorySpec::default(),
            calibrator: default_calibrator(),
            generator: default_generator(),
            chains: 4,
            holdout_races: 8,
            forecast_scenarios: 2000,
            seed: 1,
        }
    }
}

/// Draw and veto scenarios.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulateSpec {
    /// Model to draw from.
    pub model: ModelId,
    /// Race to simulate.
    pub race: RaceId,
    /// What to draw, and how.
    #[serde(default)]
    pub scenarios: ScenarioSpec,
}

/// How to draw scenarios.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScenarioSpec {
    /// Generator.
    pub generator: PluginUse,
    /// Scenario constraints, applied in order; a scenario is counted under the first reason that vetoes it.
    pub constraints: Vec<ConstraintUse>,
    /// Scenarios to keep; vetoed ones are replaced by fresh ones.
    pub n_scenarios: u32,
    /// Seed of everything random.
    pub seed: u64,
}

impl Default for ScenarioSpec {
    fn default() -> Self {
        Self { generator: default_generator(), constraints: default_constraints(), n_scenarios: 10_000, seed: 1 }
    }
}

/// What a lineup is chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Objective {
    /// Mean score over scenarios, in points.
    Mean,
    /// Upper conditional value at risk: the mean of the best `ceil(alpha * S)` of S scores, in points.
    UpperCvar {
        /// Share of scenarios in the tail, in (0, 1].
        alpha: f64,
    },
    /// Share of scenarios in which the score is at least so many points, compared in thousandths of a point.
    Probability {
        /// Points to reach.
        at_least: f64,
    },
    /// Quantile of the score: the smallest score that at least this share of scenarios does not exceed, in points.
    Quantile {
        /// Share of scenarios, in (0, 1).
        share: f64,
    },
}

impl Default for Objective {
    fn default() -> Self {
        Self::UpperCvar { alpha: 0.05 }
    }
}

/// What the lineups of a portfolio are worth together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Together {
    /// The mean over scenarios of the best lineup's score, in points.
    ExpectedMaximum,
    /// The share of scenarios in which any lineup has at least so many points.
    AnyReaches {
        /// Points to reach.
        at_least: f64,
    },
    /// The mean over scenarios of what the lineups win together in a contest against a field of opponents, less their fees, in US
    /// dollars. Lineups that tie share the prizes of their places; one's own lineups take places from each other too.
    ExpectedPayout {
        /// The contest.
        contest: PayoutSpec,
    },
}

/// Choose lineups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OptimizeSpec {
    /// Slate to choose from.
    pub slate: SlateId,
    /// Model to draw from; absent = fit one first, as `calibrate` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// How to fit a model where none is given.
    #[serde(default)]
    pub calibrate: CalibrateSpec,
    /// How to draw scenarios.
    #[serde(default)]
    pub scenarios: ScenarioSpec,
    /// What a lineup is chosen for.
    #[serde(default)]
    pub objective: Objective,
    /// What the lineups are judged by together, each worth what it adds to the others; absent = each is judged alone, by the
    /// objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
    /// Lineups in the portfolio.
    #[serde(default = "one")]
    pub lineups: u32,
    /// Entries in which any two lineups must differ at least.
    #[serde(default = "one")]
    pub min_differences: u32,
    /// How many of the lineups drivers may and must be in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exposures: Vec<ExposureSpec>,
    /// What every lineup must satisfy besides salary, locks and excludes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<LineupRule>,
    /// Drivers that every lineup has.
    #[serde(default)]
    pub locks: Vec<String>,
    /// Drivers that no lineup has.
    #[serde(default)]
    pub excludes: Vec<String>,
    /// Least salary of a lineup in contest dollars.
    #[serde(default)]
    pub salary_min_usd: u32,
    /// Most salary of a lineup in contest dollars; the contest's cap where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salary_max_usd: Option<u32>,
    /// Lineup constraints.
    #[serde(default)]
    pub lineup_constraints: Vec<ConstraintUse>,
    /// Fresh scenarios on which the chosen lineups are scored again; 0 = no tail validation.
    #[serde(default = "default_validation_scenarios")]
    pub validation_scenarios: u32,
    /// Further seeds whose scenarios the first choice is repeated on, to see how much of it hangs on the seed.
    #[serde(default)]
    pub sensitivity_seeds: u32,
}

const fn one() -> u32 {
    1
}

const fn default_validation_scenarios() -> u32 {
    5_000
}

/// Backtest a calibrator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateSpec {
    /// First race to forecast (`2023-01`); absent = as many as `races_max` allows, counted from the end.
    pub from: Option<String>,
    /// Most races to forecast.
    pub races_max: u32,
    /// History before each forecast; its `before` bounds the last race to forecast.
    pub history: HistorySpec,
    /// Races forecast from one fit before the model is fitted again, 1..; the fit always uses only earlier races.
    pub refit_every: u32,
    /// Calibrator.
    pub calibrator: PluginUse,
    /// Generator.
    pub generator: PluginUse,
    /// Markov chains per fit.
    pub chains: u32,
    /// Scenarios per forecast.
    pub forecast_scenarios: u32,
    /// Seed of everything random.
    pub seed: u64,
}

impl Default for EvaluateSpec {
    fn default() -> Self {
        Self {
            from: None,
            races_max: 12,
            history: HistorySpec::default(),
            refit_every: 4,
            calibrator: default_calibrator(),
            generator: default_generator(),
            chains: 2,
            forecast_scenarios: 2000,
            seed: 1,
        }
    }
}
