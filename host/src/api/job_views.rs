//! Jobs as clients see them.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::time::rfc3339;
use crate::{
    domain::{
        ids::JobId,
        job::{Component, JobKind, JobState},
        problem::Problem,
    },
    jobs::{
        query::{AttemptRow, JobRow, StageRow},
        state::{AttemptOutcome, StageState},
    },
};

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobView {
    /// Id.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Its name, where it was given one.
    pub name: Option<String>,
    /// Where it stands; `succeeded`, `partial`, `failed` and `cancelled` are final.
    pub state: JobState,
    /// Whether somebody has cancelled it; a running job stops within moments.
    pub cancel_requested: bool,
    /// How much is done, 0..=100.
    #[schema(minimum = 0, maximum = 100)]
    pub progress_percent: f64,
    /// Estimated time to the end, in seconds; absent while it cannot be told.
    pub eta_s: Option<f64>,
    /// What it consists of, in order.
    pub stages: Vec<StageView>,
    /// How the parts of the result went; empty before there is one.
    pub components: Vec<Component>,
    /// Why there is no result; present exactly where the job failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// Attempts that did not end well, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_attempts: Vec<AttemptView>,
    /// The longest it may run, in seconds.
    pub deadline_s: Option<u64>,
    /// Orders the team's own jobs: higher ones begin first.
    pub priority: i64,
    /// Queued jobs of the team that will begin before this one; absent in lists and once it has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued_ahead: Option<u32>,
    /// What was asked for, with defaults filled in. The result's run record says which versions and hashes that meant.
    #[schema(value_type = Object)]
    pub spec: Value,
    /// When it was submitted.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When its first task was claimed.
    #[schema(format = DateTime)]
    pub started_at: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    pub finished_at: Option<String>,
}

/// A stage of a job.
#[derive(Debug, Serialize, ToSchema)]
pub struct StageView {
    /// Name.
    pub name: String,
    /// Where it stands.
    pub state: StageState,
    /// Tasks it consists of.
    pub tasks_total: u32,
    /// Tasks that have succeeded.
    pub tasks_done: u32,
    /// How much of it is done, 0..=100.
    #[schema(minimum = 0, maximum = 100)]
    pub progress_percent: f64,
    /// What it was doing last.
    pub note: String,
}

/// An attempt at a task that did not end well.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptView {
    /// Stage of the task.
    pub stage: String,
    /// Position of the task in its stage, from 0.
    pub index: u32,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Why.
    pub problem: Option<Problem>,
    /// When it began.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// When it ended.
    #[schema(format = DateTime)]
    pub finished_at: Option<String>,
}

impl From<AttemptRow> for AttemptView {
    fn from(row: AttemptRow) -> Self {
        Self {
            stage: row.stage,
            index: row.index,
            outcome: row.outcome,
            problem: row.problem,
            started_at: rfc3339(row.started_us),
            finished_at: row.finished_us.map(rfc3339),
        }
    }
}

/// A plan carries the specification that it was made from; the rest of it is long and of no use to a client.
fn asked_for(mut plan: Value) -> Value {
    plan.get_mut("request").map(Value::take).unwrap_or(plan)
}

impl From<JobRow> for JobView {
    fn from(row: JobRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            name: row.name,
            state: row.state,
            cancel_requested: row.cancel_requested,
            progress_percent: percent(row.progress),
            eta_s: row.eta_s,
            stages: row.stages.into_iter().map(StageView::from).collect(),
            components: row.components,
            problem: row.problem,
            failed_attempts: row.failed_attempts.into_iter().map(AttemptView::from).collect(),
            deadline_s: row.deadline_s,
            priority: row.priority,
            queued_ahead: row.queued_ahead,
            spec: asked_for(row.spec),
            created_at: rfc3339(row.created_us),
            started_at: row.started_us.map(rfc3339),
            finished_at: row.finished_us.map(rfc3339),
        }
    }
}

impl From<StageRow> for StageView {
    fn from(row: StageRow) -> Self {
        Self {
            name: row.name,
            state: row.state,
            tasks_total: row.tasks_total,
            tasks_done: row.tasks_done,
            progress_percent: percent(row.progress),
            note: row.note,
        }
    }
}

/// One decimal: enough for a bar, and the same number twice means that nothing moved.
fn percent(fraction: f64) -> f64 {
    (fraction.clamp(0.0, 1.0) * 1000.0).round() / 10.0
}
