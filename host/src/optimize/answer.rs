//! What a search answers: a lineup with its proof, or why there is none.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::infeasible::Infeasible;
use crate::domain::{interrupt::StopReason, lineup::Lineup, problem::Problem};

/// How far a search got.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Proof {
    /// Every feasible lineup was evaluated or excluded by a bound: no allowed lineup is better.
    Optimal,
    /// The deadline came first: the lineup is the best one found, and none is better than the bound.
    Interrupted {
        /// No feasible lineup has a higher value, in points.
        upper_bound: f64,
    },
}

/// What backs a lineup. The counters are of the search that found it and vary a little with timing; the lineup does not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Certificate {
    /// How far the search got.
    #[serde(flatten)]
    pub proof: Proof,
    /// Partial lineups visited.
    pub nodes: u64,
    /// Feasible lineups visited; `pruned` of them were excluded by a bound, the others evaluated exactly.
    pub leaves: u64,
    /// Feasible lineups excluded by a bound.
    pub pruned: u64,
    /// Wall time of the search in milliseconds.
    pub elapsed_ms: f64,
}

/// The best lineup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Solved {
    /// Its entries.
    pub lineup: Lineup,
    /// Its objective in points, see [`best_lineup`](super::best_lineup).
    pub value: f64,
    /// Why it is the best.
    pub certificate: Certificate,
}

/// A lineup constraint failed itself; whether that fails the job is the caller's policy.
#[derive(Debug, thiserror::Error)]
#[error("the lineup constraint failed: {0}")]
pub struct JudgeFailure(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchFailure {
    /// No lineup satisfies the constraints: relax what the reason names.
    #[error(transparent)]
    Infeasible(#[from] Infeasible),
    /// The request makes no sense for this slate: correct the field.
    #[error("{field}: {detail}")]
    Invalid {
        /// Field of the job specification.
        field: &'static str,
        /// What is wrong with it, with numbers.
        detail: String,
    },
    /// The task must stop; nothing was found that is worth returning.
    #[error("the search was stopped: {0:?}")]
    Stopped(StopReason),
    /// The constraint failed: blame it, or go on without it.
    #[error(transparent)]
    Judge(#[from] JudgeFailure),
}

impl SearchFailure {
    /// The failure as users read it. A stop is the worker's business and reads as an internal error here.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        match self {
            Self::Infeasible(reason) => reason.to_problem(),
            Self::Invalid { field, detail } => {
                Problem::invalid(format!("/{field}"), detail.clone(), "Correct the value and submit again.")
            }
            Self::Judge(failure) => Problem::new(
                "constraint-failed",
                "A lineup constraint failed",
                failure.to_string(),
                "Correct the constraint, leave it out, or let its failure skip it (`on_failure`: `skip`).",
            ),
            Self::Stopped(_) => Problem::internal(self.to_string()),
        }
    }
}
