//! Candidates beside the promoted version of a plugin: where their answers differ on the same inputs, and what each cost. No part of
//! what a job is for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{plugin::Usage, problem::Problem},
    results::FitSummary,
    score::{forecast::RankScores, paired::PairedDifference},
};

/// Which plugin of a job a candidate ran beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShadowPart {
    /// The calibrator: it fitted the same races, and the same races were forecast from its fits.
    Calibrator,
    /// The generator: it forecast the same races from the same fits.
    Generator,
    /// A constraint on scenarios: it judged every scenario that was drawn for the choice.
    Constraint,
    /// A constraint on lineups: it judged the lineups that the search showed its constraints.
    LineupConstraint,
}

/// A candidate beside a plugin of the job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShadowReport {
    /// Which plugin of the job.
    pub part: ShadowPart,
    /// The plugin that made the result, `name@version`.
    pub promoted: String,
    /// SHA-256 of its component.
    pub promoted_hash: String,
    /// The candidate, `name@version`.
    pub candidate: String,
    /// SHA-256 of its component.
    pub candidate_hash: String,
    /// Why there is nothing, or not everything, to compare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Problem>,
    /// Verdicts side by side, for constraints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdicts: Option<VerdictComparison>,
    /// Forecast scores side by side, for calibrators and generators of jobs that forecast past races.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<ScoreComparison>,
    /// How the candidate's fits went, for calibrators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fits: Vec<FitSummary>,
    /// What each cost on the same inputs.
    pub cost: CostComparison,
}

/// Verdicts of two constraints on the same scenarios or lineups.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct VerdictComparison {
    /// Scenarios or lineups that both judged.
    pub judged: u64,
    /// Those of which both said the same, down to the reason.
    pub agreed: u64,
    /// `agreed / judged`, in [0, 1].
    pub agreement: f64,
    /// How often each pair of verdicts was given; pairs that never were are left out.
    pub matrix: Vec<VerdictPair>,
    /// The first of those on which they differ.
    pub examples: Vec<DifferentVerdict>,
}

/// A cell of the confusion matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerdictPair {
    /// Code of the promoted version's reason; null where it keeps.
    pub promoted: Option<String>,
    /// Code of the candidate's reason; null where it keeps.
    pub candidate: Option<String>,
    /// How often.
    pub count: u64,
}

/// Something that two constraints judge differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DifferentVerdict {
    /// The scenario's number, by which its generator draws it again, or the lineup's place among those judged.
    pub number: u64,
    /// Code of the promoted version's reason; null where it keeps.
    pub promoted: Option<String>,
    /// Code of the candidate's reason; null where it keeps.
    pub candidate: Option<String>,
}

/// Forecast scores of the same races, lower is better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScoreComparison {
    /// CRPS, candidate minus promoted, in positions.
    pub crps: PairedDifference,
    /// Log score, candidate minus promoted, in nats.
    pub log_score: PairedDifference,
    /// Each race, oldest first.
    pub per_race: Vec<RaceScores>,
}

/// Scores of one race.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RaceScores {
    /// Race, for example `2025-10`.
    pub race: String,
    /// Of the promoted version.
    pub promoted: RankScores,
    /// Of the candidate.
    pub candidate: RankScores,
}

/// What two plugins cost on the same inputs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct CostComparison {
    /// The promoted version.
    pub promoted: Usage,
    /// The candidate.
    pub candidate: Usage,
    /// How much more fuel the candidate took, in percent; absent where there is nothing to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel_percent: Option<f64>,
    /// How much more CPU time it took, in percent, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
}

impl CostComparison {
    /// Of what each cost.
    #[must_use]
    pub fn of(promoted: Usage, candidate: Usage) -> Self {
        let percent = |from: f64, to: f64| (from > 0.0 && to > 0.0).then(|| (to / from - 1.0) * 100.0);
        Self {
            promoted,
            candidate,
            fuel_percent: percent(promoted.fuel as f64, candidate.fuel as f64),
            cpu_percent: percent(promoted.cpu_ms, candidate.cpu_ms),
        }
    }
}
