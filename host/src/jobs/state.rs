//! The states of stages and the outcomes of attempts, as the database and the API name them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The state of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageState {
    /// An earlier stage is not done. Leaves when that one succeeds (open), or with its job (cancelled).
    Waiting,
    /// Its tasks can be claimed. Leaves when the last one succeeds (succeeded), or with its job (failed, cancelled).
    Open,
    /// All its tasks have an output. Terminal.
    Succeeded,
    /// The job failed while it was open. Terminal.
    Failed,
    /// The job ended before its turn, or was cancelled during it. Terminal.
    Cancelled,
}

/// How an attempt at a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// It has not ended.
    Running,
    /// The task has its output.
    Succeeded,
    /// It failed in a way that may differ next time. Counts.
    Retried,
    /// It failed in a way that would repeat; the job failed with it. Counts.
    Failed,
    /// The job was cancelled, or failed because of another task.
    Cancelled,
    /// The job's deadline passed.
    Deadline,
    /// The process was draining and gave the task back. Does not count.
    Released,
    /// The worker died or stopped renewing its lease. Counts.
    Lost,
}

impl AttemptOutcome {
    const ALL: [Self; 8] = [
        Self::Running,
        Self::Succeeded,
        Self::Retried,
        Self::Failed,
        Self::Cancelled,
        Self::Deadline,
        Self::Released,
        Self::Lost,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Retried => "retried",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline",
            Self::Released => "released",
            Self::Lost => "lost",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}
