//! What a finished job tells: the `result` of each job kind, as the pipeline writes it and the API shows it, and two of them
//! compared.
//!
//! Draws and scenario blocks are too large for JSON; they are artifacts (Arrow IPC), named here by content hash.

pub mod compare;
pub mod cost;
mod fit;
mod flat;
pub mod lineup_file;
mod portfolio;
mod preview;
mod replay;
mod run;
mod shadow;
mod shadow_summary;
mod simulation;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::{
    fit::{FitSummary, ForecastSummary, ModelSummary, ParameterSummary, RaceForecast},
    portfolio::{
        DriverExposure, LineupDriver, LineupVeto, PortfolioLineup, PortfolioSummary, PortfolioWorth, WinningClass, Wins,
    },
    preview::{JobPreview, PreviewStage},
    replay::{EnvironmentDifference, OutputDifference, ReplayReport},
    run::{ComponentCost, OutputRecord, PluginRecord, RESULT_MEDIA_TYPE, RunRecord, StageCost},
    shadow::{
        CostComparison, DifferentVerdict, DrawComparison, FinishDifference, RaceScores, ScoreComparison, ShadowPart,
        ShadowReport, VerdictComparison, VerdictPair,
    },
    shadow_summary::{ShadowSummary, summaries},
    simulation::{DriverOutlook, SimulationSummary, VetoCount},
};

/// Result of a `calibrate` job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CalibrateResult {
    /// The fitted model.
    pub model: ModelSummary,
    /// How the fit went.
    pub fit: FitSummary,
    /// How well a fit without the hold-out races forecast them; absent where no hold-out was asked for.
    pub forecast: Option<ForecastSummary>,
    /// Candidates that ran beside the job's plugins; no part of what the job is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<ShadowReport>,
    /// Whether this repeats another job to the last bit, where it is the replay of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayReport>,
    /// What ran.
    pub run: RunRecord,
}

/// Result of a `simulate` job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SimulateResult {
    /// Race, for example `2025-10`.
    pub race: String,
    /// The model that the scenarios were drawn from.
    pub model: ModelSummary,
    /// The scenarios.
    pub simulation: SimulationSummary,
    /// Candidates that ran beside the job's plugins; no part of what the job is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<ShadowReport>,
    /// Whether this repeats another job to the last bit, where it is the replay of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayReport>,
    /// What ran.
    pub run: RunRecord,
}

/// Result of an `optimize` job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OptimizeResult {
    /// The model that the scenarios were drawn from.
    pub model: ModelSummary,
    /// How the model was fitted, where this job did it.
    pub fit: Option<FitSummary>,
    /// How well a fit without the hold-out races forecast them, where this job fitted and held races out.
    pub forecast: Option<ForecastSummary>,
    /// The scenarios that the lineups were chosen on.
    pub simulation: SimulationSummary,
    /// The fresh scenarios that the lineups were scored again on, where asked for.
    pub validation: Option<SimulationSummary>,
    /// The lineups.
    pub portfolio: PortfolioSummary,
    /// Candidates that ran beside the job's plugins; no part of what the job is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<ShadowReport>,
    /// Whether this repeats another job to the last bit, where it is the replay of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayReport>,
    /// What ran.
    pub run: RunRecord,
}

/// Result of an `evaluate` job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EvaluateResult {
    /// How well the races were forecast, each by a fit of earlier races only.
    pub forecast: ForecastSummary,
    /// How the fits went, oldest first.
    pub fits: Vec<FitSummary>,
    /// Candidates that ran beside the job's plugins; no part of what the job is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<ShadowReport>,
    /// Whether this repeats another job to the last bit, where it is the replay of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayReport>,
    /// What ran.
    pub run: RunRecord,
}
