//! Two ended jobs side by side.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    audit::audit,
    caller::Reader,
    error::ApiError,
    jobs::find,
    respond::{ProblemDocument, RequestId},
    state::ApiState,
};
use crate::{
    auth::{Action, Principal},
    domain::{
        ids::JobId,
        job::{Component, JobKind, JobState},
        problem::Problem,
    },
    jobs::{
        self,
        query::{JobResult, JobRow},
    },
    results::compare::{self, Comparison, Side},
};

/// Routes that compare jobs.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(compare_jobs))
}

/// Two jobs and how they differ.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "this": { "job": "job_0123456789abcdef0123456789abcdef", "kind": "calibrate", "name": null, "state": "succeeded", "components": [] },
    "other": { "job": "job_fedcba9876543210fedcba9876543210", "kind": "calibrate", "name": null, "state": "succeeded", "components": [] },
    "identical": false,
    "result_hash": { "this": "5d41...", "other": "7215..." },
    "request": { "items": [{ "place": "/seed", "this": 1, "other": 2 }], "left_out": 0 },
    "plugins": [],
    "inputs": { "items": [], "left_out": 0 },
    "seeds": { "items": [{ "place": "/fits/0/seed", "this": 17, "other": 23 }], "left_out": 0 },
    "figures": { "items": [{ "place": "/fit/max_rhat", "this": 1.01, "other": 1.02, "difference": 0.01 }], "left_out": 0 },
    "details": { "items": [], "left_out": 0 },
    "costs": { "items": [{ "place": "/run/stages/fit/busy_ms", "this": 4100.0, "other": 4300.0, "difference": 200.0 }], "left_out": 0 }
})))]
struct JobComparison {
    /// The job of the path.
    this: ComparedJob,
    /// The one that it is compared with.
    other: ComparedJob,
    /// How they differ.
    #[serde(flatten)]
    comparison: Comparison,
}

/// One of the two jobs.
#[derive(Debug, Serialize, ToSchema)]
struct ComparedJob {
    /// The job.
    job: JobId,
    /// What it did.
    kind: JobKind,
    /// Its name, where it was given one.
    name: Option<String>,
    /// How it ended.
    state: JobState,
    /// How each part of the result went.
    components: Vec<Component>,
    /// Why it has no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// Compare two jobs that have ended.
///
/// What differs in specification, plugin versions, inputs and seeds; the numbers of both results with their difference; lineups
/// that both have and that only one has; what each cost. Results that are the same to the last bit are said to be `identical`.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/compare/{other}", tag = "jobs",
    params(("id" = JobId, Path), ("other" = JobId, Path, description = "The job to compare with.")),
    responses(
        (status = 200, body = JobComparison),
        (status = 409, description = "One of them has not ended.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn compare_jobs(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Path((this, other)): Path<(String, String)>,
) -> Result<Json<JobComparison>, ApiError> {
    let this = Ended::read(&state, &principal, &this).await?;
    let other = Ended::read(&state, &principal, &other).await?;
    for job in [&this, &other] {
        audit(&state, &principal, Action::ResultRead, &job.row.id, &request_id).await;
    }
    let compared = tokio::task::spawn_blocking(move || {
        let comparison = compare::compare(this.side(), other.side());
        JobComparison { this: this.row.into(), other: other.row.into(), comparison }
    });
    compared.await.map(Json).map_err(|error| ApiError::internal(&error))
}

/// A job that has ended, with what it was to do and what came of it.
struct Ended {
    row: JobRow,
    plan: Value,
    result: JobResult,
}

impl Ended {
    /// The caller's job with this id, once it has ended.
    async fn read(state: &ApiState, principal: &Principal, id: &str) -> Result<Self, ApiError> {
        let id: JobId = id.parse().map_err(|_| ApiError::not_found("job"))?;
        let row = find(state, principal, &id).await?;
        if !row.state.is_terminal() {
            return Err(not_ended(&row).into());
        }
        let plan = jobs::query::plan(state.db(), &id).await?;
        let result = jobs::query::result(state.db(), &id).await?;
        Ok(Self { row, plan, result })
    }

    fn side(&self) -> Side<'_> {
        Side { plan: &self.plan, result: self.result.result.as_ref() }
    }
}

fn not_ended(row: &JobRow) -> Problem {
    Problem::new(
        "job-not-finished",
        "The job has no result yet",
        format!("The job {} is {} and {:.0} % done.", row.id, row.state.as_str(), row.progress * 100.0),
        "Compare the jobs when both have ended.",
    )
}

impl From<JobRow> for ComparedJob {
    fn from(row: JobRow) -> Self {
        Self {
            job: row.id,
            kind: row.kind,
            name: row.name,
            state: row.state,
            components: row.components,
            problem: row.problem,
        }
    }
}
