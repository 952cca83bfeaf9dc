//! Jobs as clients see them.

use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{error::ApiError, state::ApiState, time::rfc3339};
use crate::{
    domain::{
        ids::{JobId, ScheduleId},
        job::{Component, JobKind, JobState},
        problem::Problem,
    },
    jobs::{
        Outlook, Span,
        attempts::AttemptRow,
        costs::JobCosts,
        query::{JobRow, StageRow},
        state::{AttemptOutcome, StageState},
    },
    results::cost::{CostEstimate, CostFigures, JobCost},
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
    /// What the team files it under.
    pub tags: Vec<String>,
    /// Where it stands; `succeeded`, `partial`, `failed` and `cancelled` are final.
    pub state: JobState,
    /// Whether somebody has cancelled it; a running job stops within moments.
    pub cancel_requested: bool,
    /// How much is done, 0..=100.
    #[schema(minimum = 0, maximum = 100)]
    pub progress_percent: f64,
    /// Place among the queued jobs of all teams, in the order in which the workers will begin them, from 1; absent once it has begun,
    /// and in the answer to a submission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// Estimated time to the end, in seconds: the likely one of `eta`.
    pub eta_s: Option<f64>,
    /// When it will begin and end; absent while there is too little history to tell, and after the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta: Option<EtaView>,
    /// How long its phases took, or have taken so far.
    pub timing: TimingView,
    /// What it consists of, in order.
    pub stages: Vec<StageView>,
    /// How the parts of the result went; empty before there is one.
    pub components: Vec<Component>,
    /// What it was expected to cost, and has cost so far; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<JobCost>,
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
    /// The schedule that made it; absent where a client submitted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleId>,
    /// Whether it stays however old it gets.
    pub keep: bool,
    /// What its client had better know, though it runs: deprecated plugins, for example.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
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

/// What is foreseen for a job, from the times of past jobs of its kind and from the whole queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct EtaView {
    /// Until its first task is claimed; absent once that has happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begins: Option<SpanView>,
    /// Until its end.
    pub ends: SpanView,
}

/// A time from now, in seconds, and how sure it is: four of five come between `low_s` and `high_s`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({ "low_s": 21.4, "likely_s": 30.2, "high_s": 44.0 })))]
pub struct SpanView {
    /// Hardly sooner.
    pub low_s: f64,
    /// Most likely.
    pub likely_s: f64,
    /// Hardly later.
    pub high_s: f64,
}

/// How long the phases of a job took.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimingView {
    /// From the submission to the first claim of a task, or until now, in seconds.
    pub wait_s: f64,
    /// From the first claim to the end, or until now, in seconds; absent before it.
    pub run_s: Option<f64>,
    /// A worker's first sign of life; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub first_heartbeat_at: Option<String>,
    /// For how long a task has been claimed whose worker has given no sign of life since, in seconds; absent where there is none.
    /// Longer than a heartbeat (5 s by default) means that a worker is in trouble; its lease will run out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unheard_s: Option<f64>,
    /// When everything was there for the final stage to put the result together.
    #[schema(format = DateTime)]
    pub assembled_from_at: Option<String>,
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
    /// When its tasks could first be claimed.
    #[schema(format = DateTime)]
    pub opened_at: Option<String>,
    /// When the first of them was.
    #[schema(format = DateTime)]
    pub claimed_at: Option<String>,
    /// When the last of them was done, or the job ended during the stage.
    #[schema(format = DateTime)]
    pub finished_at: Option<String>,
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

impl JobView {
    /// The job, with what is foreseen for it.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn of(state: &ApiState, row: JobRow) -> Result<Self, ApiError> {
        let mut views = Self::of_all(state, vec![row]).await?;
        views.pop().ok_or_else(|| ApiError::internal(&"a job has no view"))
    }

    /// The jobs, with what is foreseen for those that have not ended.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn of_all(state: &ApiState, rows: Vec<JobRow>) -> Result<Vec<Self>, ApiError> {
        let live: Vec<JobId> = rows.iter().filter(|row| !row.state.is_terminal()).map(|row| row.id.clone()).collect();
        if live.is_empty() {
            return Ok(rows.into_iter().map(|row| Self::new(row, None)).collect());
        }
        let outlooks = state.outlooks().of(&live).await?;
        let view = |row: JobRow| {
            // It may have begun between the two looks: then what was foreseen for its beginning is of no use.
            let outlook = outlooks.get(&row.id).filter(|_| !row.state.is_terminal()).copied();
            let has_begun = row.state != JobState::Queued;
            let outlook = outlook.filter(|outlook| !(has_begun && outlook.position.is_some()));
            Self::new(row, outlook)
        };
        Ok(rows.into_iter().map(view).collect())
    }

    /// The job, with this outlook.
    pub fn new(row: JobRow, outlook: Option<Outlook>) -> Self {
        let timing = TimingView::of(&row);
        let cost = cost(&row);
        Self {
            id: row.id,
            kind: row.kind,
            name: row.name,
            tags: row.tags,
            state: row.state,
            cancel_requested: row.cancel_requested,
            progress_percent: percent(row.progress),
            position: outlook.and_then(|outlook| outlook.position),
            eta_s: outlook.and_then(|outlook| outlook.ends_s).map(|ends| rounded(ends.likely)),
            eta: outlook.and_then(EtaView::of),
            timing,
            stages: row.stages.into_iter().map(StageView::from).collect(),
            components: row.components,
            cost,
            problem: row.problem,
            failed_attempts: row.failed_attempts.into_iter().map(AttemptView::from).collect(),
            deadline_s: row.deadline_s,
            priority: row.priority,
            queued_ahead: row.queued_ahead,
            schedule: row.schedule,
            keep: row.is_kept,
            warnings: row.warnings,
            spec: row.request,
            created_at: rfc3339(row.created_us),
            started_at: row.started_us.map(rfc3339),
            finished_at: row.finished_us.map(rfc3339),
        }
    }
}

impl EtaView {
    fn of(outlook: Outlook) -> Option<Self> {
        Some(Self { begins: outlook.begins_s.map(SpanView::from), ends: outlook.ends_s?.into() })
    }
}

impl From<Span> for SpanView {
    fn from(span: Span) -> Self {
        Self { low_s: rounded(span.low), likely_s: rounded(span.likely), high_s: rounded(span.high) }
    }
}

impl TimingView {
    fn of(row: &JobRow) -> Self {
        Self {
            wait_s: seconds(row.wait_us),
            run_s: row.run_us.map(seconds),
            first_heartbeat_at: row.pulse.first_heartbeat_us.map(rfc3339),
            unheard_s: row.pulse.unheard_us.map(seconds),
            assembled_from_at: row.stages.last().and_then(|stage| stage.opened_us).map(rfc3339),
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
            opened_at: row.opened_us.map(rfc3339),
            claimed_at: row.claimed_us.map(rfc3339),
            finished_at: row.finished_us.map(rfc3339),
        }
    }
}

/// What a job was expected to cost, and has cost; `None` where there is nothing of both.
pub fn cost(row: &JobRow) -> Option<JobCost> {
    let JobCosts { expected, fuel, cpu_us } = &row.costs;
    let actual = CostFigures {
        fuel: fuel.map(|fuel| fuel as f64),
        cpu_s: cpu_us.map(seconds),
        // Lists know nothing of costs: their jobs shall not look as if they had cost time alone.
        wall_s: row.run_us.map(seconds).filter(|_| cpu_us.is_some()),
    };
    // An estimate of another version may have another shape, and is not worth an error.
    let estimate = expected.as_ref().and_then(|expected| CostEstimate::deserialize(expected).ok());
    let has_any = estimate.is_some() || actual != CostFigures::default();
    has_any.then(|| JobCost::new(estimate, actual, row.state.is_terminal()))
}

/// One decimal: enough for a bar, and the same number twice means that nothing moved.
fn percent(fraction: f64) -> f64 {
    (fraction.clamp(0.0, 1.0) * 1000.0).round() / 10.0
}

/// Microseconds as seconds.
pub fn seconds(us: i64) -> f64 {
    us.max(0) as f64 / 1e6
}

/// A tenth of a second is more than an estimate knows.
fn rounded(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}
