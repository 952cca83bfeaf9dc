//! Fits and forecasts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::ids::ModelId,
    score::forecast::{ForecastReport, RankScores},
};

/// The model that a job fitted or used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelSummary {
    /// The model in the catalog.
    pub id: ModelId,
    /// Posterior layout, for example `attrition-plackett-luce/1`.
    pub layout: String,
    /// Posterior draws, over all chains.
    pub draws: usize,
    /// SHA-256 of the draws as Arrow IPC.
    pub artifact: String,
}

/// Posterior of one scalar and how well its chains agree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ParameterSummary {
    /// Name, with its index where it is part of a vector, for example `driver[3]`.
    pub name: String,
    /// Posterior mean.
    pub mean: f64,
    /// Posterior standard deviation.
    pub sd: f64,
    /// Rank-normalised split R-hat, about 1 where chains agree; absent where a draw is not finite.
    pub r_hat: Option<f64>,
    /// Bulk effective sample size in draws.
    pub ess_bulk: Option<f64>,
    /// Tail effective sample size in draws.
    pub ess_tail: Option<f64>,
}

/// How a fit went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FitSummary {
    /// Calibrator, `name@version`.
    pub plugin: String,
    /// Races of the history.
    pub races: usize,
    /// Markov chains.
    pub chains: usize,
    /// Posterior draws over all chains.
    pub draws: usize,
    /// Divergent transitions after warm-up over all chains.
    pub divergences: u32,
    /// Gradient evaluations over all chains.
    pub gradients: u64,
    /// Largest R-hat over all scalars.
    pub max_rhat: f64,
    /// Smallest bulk effective sample size over the main scalars, in draws.
    pub min_ess_bulk: f64,
    /// Smallest tail effective sample size over the main scalars, in draws.
    pub min_ess_tail: f64,
    /// What is wrong with the fit; empty where the chains agree and the draws are enough.
    pub warnings: Vec<String>,
    /// The main parameters that are scalars, and the scalar with the largest R-hat.
    pub parameters: Vec<ParameterSummary>,
}

/// One forecast race.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RaceForecast {
    /// Race, for example `2025-10`.
    pub race: String,
    /// Scores of the forecast.
    pub scores: RankScores,
}

/// How well races were forecast by fits that had not seen them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ForecastSummary {
    /// Means over the races, beside the uniform forecast's.
    #[serde(flatten)]
    pub report: ForecastReport,
    /// Each race, oldest first.
    pub per_race: Vec<RaceForecast>,
}
