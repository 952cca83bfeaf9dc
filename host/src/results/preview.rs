//! What a preview tells of a job that nobody has submitted.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::cost::CostEstimate;
use crate::domain::job::JobKind;

/// What a job would do and cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobPreview {
    /// What it would do.
    pub kind: JobKind,
    /// Whether it can be done; where it cannot, the answer is the problem of a submission.
    pub is_feasible: bool,
    /// Its stages, in order.
    pub stages: Vec<PreviewStage>,
    /// Its plugins, in the order of their use.
    pub plugins: Vec<String>,
    /// Candidates that would run beside them.
    pub shadows: Vec<String>,
    /// Races that it would learn from.
    pub history_races: usize,
    /// What its client had better know, though it would run.
    pub warnings: Vec<String>,
    /// A few scenarios and how many of them the constraints veto, by reason; `skipped` says why where none were drawn.
    #[schema(value_type = Object)]
    pub sample: Value,
    /// What it would cost.
    pub estimate: CostEstimate,
}

/// A stage of a job that nobody has submitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreviewStage {
    /// Name.
    pub name: String,
    /// Tasks it would consist of.
    pub tasks: usize,
}
