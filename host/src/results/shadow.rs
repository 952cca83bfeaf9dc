//! Candidates beside the promoted version of a plugin: where their answers differ on the same inputs, and what each cost. No part of
//! what a job is for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{plugin::Usage, problem::Problem},
    results::FitSummary,
    score::{
        forecast::RankScores,
        paired::{PairedDifference, paired_difference},
    },
};

/// Which plugin of a job a candidate ran beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShadowPart {
    /// The calibrator: it fitted the same races, and the same races were forecast from its fits.
    Calibrator,
    /// The generator: it forecast the same races from the same fits, and drew the scenarios of the choice too.
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
    /// Scenarios side by side, for generators of jobs that simulate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draws: Option<DrawComparison>,
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

impl VerdictComparison {
    /// Of how often each pair of verdicts was given, without examples.
    #[must_use]
    pub fn of(matrix: Vec<VerdictPair>) -> Self {
        let judged: u64 = matrix.iter().map(|pair| pair.count).sum();
        // By code: versions may number their reasons differently.
        let agreed: u64 = matrix.iter().filter(|pair| pair.promoted == pair.candidate).map(|pair| pair.count).sum();
        let agreement = agreed as f64 / judged.max(1) as f64;
        Self { judged, agreed, agreement, matrix, examples: Vec::new() }
    }
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

/// Scenarios of two generators with the same numbers, before any constraint has judged them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DrawComparison {
    /// Scenarios that both drew.
    pub scenarios: u64,
    /// Those in which everybody finishes where the other generator has them.
    pub identical: u64,
    /// Finish positions of each driver, the largest difference first.
    pub drivers: Vec<FinishDifference>,
}

/// Where two generators have a driver finish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FinishDifference {
    /// Driver.
    pub driver: String,
    /// Mean finish position in the promoted version's scenarios.
    pub promoted: f64,
    /// Mean finish position in the candidate's.
    pub candidate: f64,
    /// Lower end of the 95 % interval of candidate minus promoted, by Student's t over the scenarios; absent for a single one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
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

impl ScoreComparison {
    /// Of races that both have forecast; `None` where there are none.
    #[must_use]
    pub fn of(per_race: Vec<RaceScores>) -> Option<Self> {
        let pairs = |score: fn(&RankScores) -> f64| {
            per_race.iter().map(|race| (score(&race.promoted), score(&race.candidate))).collect::<Vec<_>>()
        };
        let crps = paired_difference(&pairs(|scores| scores.crps))?;
        let log_score = paired_difference(&pairs(|scores| scores.log_score))?;
        Some(Self { crps, log_score, per_race })
    }
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
