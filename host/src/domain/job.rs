//! Jobs, stages and tasks: states and what moves between them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Fits a model.
    Calibrate,
    /// Draws and vetoes scenarios.
    Simulate,
    /// Chooses lineups.
    Optimize,
    /// Scores a calibrator on past races.
    Evaluate,
}

impl JobKind {
    /// The name used in the database and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calibrate => "calibrate",
            Self::Simulate => "simulate",
            Self::Optimize => "optimize",
            Self::Evaluate => "evaluate",
        }
    }
}

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// No task has been claimed yet. Leaves when a worker claims one (running) or somebody cancels (cancelled).
    Queued,
    /// A task has been claimed. Leaves when the last stage finishes (succeeded or partial), a task fails for good (failed), or
    /// somebody cancels (cancelled). A crash of the worker does not leave it: the lease runs out and the task is claimed again.
    Running,
    /// Every component is ok. Terminal.
    Succeeded,
    /// There is a result, but at least one component of it is degraded, failed or skipped. Terminal.
    Partial,
    /// There is no result; the problem says why. Terminal.
    Failed,
    /// Somebody cancelled it. Terminal.
    Cancelled,
}

impl JobState {
    /// The name used in the database and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Succeeded, Self::Partial, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|state| state.as_str() == name)
    }

    /// Whether the job can never change again.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// How well one component of a result (calibration, a constraint, validation ...) went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComponentStatus {
    /// As it should be.
    Ok,
    /// Usable, but something is wrong with it; the reason says what.
    Degraded,
    /// It failed; the rest of the result stands without it.
    Failed,
    /// It was left out on purpose; the reason says why.
    Skipped,
}

/// One component of a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Component {
    /// Name, for example `calibration` or `constraint:constraint-race-physics`.
    pub name: String,
    /// How it went.
    pub status: ComponentStatus,
    /// Why it is not `ok`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Whether it ran beside the result and is no part of it, as the shadow of a plugin: how it went changes nothing about the job.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub is_beside: bool,
}
