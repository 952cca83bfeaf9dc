//! Jobs: submit, look, cancel, fetch the result. The worker is met in the database only.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::schema::{OneOfBuilder, Ref, Schema},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    audit::audit,
    body::JsonBytes,
    caller::{Reader, Submitter, check_owner},
    error::ApiError,
    job_making::{Making, MakingAnswer, MakingHeaders, made_again},
    job_plan::plan_job,
    job_requests::JobRequest,
    job_views::{JobView, cost},
    params::Id,
    prefer::PreferWait,
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
    jobs::{self, cancel::CancelOutcome, query::JobRow},
    results::{JobPreview, cost::JobCost},
};

/// Pause between two looks at a job that a client is asked for, in seconds.
const POLL_S: u64 = 1;

/// Routes of jobs.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(submit))
        .routes(routes!(preview))
        .routes(routes!(show))
        .routes(routes!(cancel))
        .routes(routes!(rerun))
        .routes(routes!(result))
}

/// Submit a job.
///
/// The job is queued before the answer; `Location` is where to look, `Retry-After` how long to wait between looks. With an
/// `Idempotency-Key`, sending the same request again answers with the job that the first one made. Without one, a job that would
/// do the same as one that has not ended is refused. With `Prefer: wait=N` the answer waits for the end of the job.
#[utoipa::path(
    post, path = "/v1/jobs", tag = "jobs", request_body = JobRequest,
    params(MakingHeaders),
    responses(
        MakingAnswer,
        (status = 409, description = "A job of the team that has not ended would do the same.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn submit(
    State(state): State<ApiState>,
    making: Making,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, ApiError> {
    let job = plan_job(state.planner(), state.config(), &making.principal.team, &making.principal.key, &bytes);
    Ok(making.make(&state, "POST /v1/jobs", &[&bytes], job).await?.response)
}

/// Run a job again.
///
/// A new job with the same plan, down to plugin versions and seeds, so its result is the same; to run the specification against
/// what is newest, submit it again instead. The answer is that of a submission.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/rerun", tag = "jobs",
    params(("id" = JobId, Path), MakingHeaders),
    responses(
        MakingAnswer,
        (status = 409, description = "The job, or one that does the same, has not ended.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn rerun(State(state): State<ApiState>, making: Making, Id(id): Id<JobId>) -> Result<Response, ApiError> {
    find(&state, &making.principal, &id).await?;
    let job = made_again(&state, &making.principal, &id, Ok);
    Ok(making.make(&state, "POST /v1/jobs/{id}/rerun", &[id.as_str().as_bytes()], job).await?.response)
}

/// What would this job take?
///
/// Checks the specification like a submission, says whether it is feasible, and estimates what it would cost and how long it would
/// wait: from past jobs, scaled to the work asked for, or from a small sample where there are none. No job is made.
#[utoipa::path(
    post, path = "/v1/jobs/preview", tag = "jobs", request_body = JobRequest,
    responses((status = 200, description = "The specification is valid.", body = JobPreview))
)]
async fn preview(
    State(state): State<ApiState>,
    Submitter(principal): Submitter,
    JsonBytes(bytes): JsonBytes,
) -> Result<Json<JobPreview>, ApiError> {
    let request = JobRequest::read(&bytes, state.config())?;
    Ok(Json(state.planner().preview(&principal.team, request.spec).await?))
}

/// A job.
#[utoipa::path(
    get, path = "/v1/jobs/{id}", tag = "jobs",
    params(
        ("id" = JobId, Path),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: answer when the job has ended, after N seconds at most.")
    ),
    responses((status = 200, body = JobView))
)]
async fn show(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Id(id): Id<JobId>,
    wait: PreferWait,
) -> Result<Response, ApiError> {
    let mut row = find(&state, &principal, &id).await?;
    if !row.state.is_terminal() {
        wait.until_ended(&state, &id).await?;
        row = find(&state, &principal, &id).await?;
    }
    Ok(wait.applied(Json(JobView::of(&state, row).await?).into_response()))
}

/// Stop a job.
///
/// Cancelling twice changes nothing. A running job stops within moments; the answer shows the job as it is now.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = JobId, Path)),
    responses(
        (status = 200, description = "It is or will be cancelled.", body = JobView),
        (status = 409, description = "It has ended already.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn cancel(
    State(state): State<ApiState>,
    Submitter(principal): Submitter,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Id(id): Id<JobId>,
) -> Result<Json<JobView>, ApiError> {
    find(&state, &principal, &id).await?;
    match jobs::cancel::cancel(state.db(), &id).await? {
        CancelOutcome::AlreadyEnded(JobState::Cancelled) => {}
        CancelOutcome::AlreadyEnded(ended) => return Err(already_ended(ended).into()),
        CancelOutcome::Cancelled | CancelOutcome::Requested => {
            audit(&state, &principal, Action::JobCancelled, &id, &request_id).await;
        }
    }
    let row = find(&state, &principal, &id).await?;
    JobView::of(&state, row).await.map(Json)
}

fn already_ended(state: JobState) -> Problem {
    let detail = format!("The job is {} and cannot change any more.", state.as_str());
    Problem::new("job-ended", "The job has ended already", detail, "There is nothing to cancel.")
}

/// What a job found.
#[derive(Debug, Serialize, ToSchema)]
struct JobResult {
    /// The job.
    job: JobId,
    /// What it did.
    kind: JobKind,
    /// `succeeded`, or `partial` where a component is not `ok`.
    state: JobState,
    /// How each part of the result went.
    components: Vec<Component>,
    /// What it was expected to cost, and has cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<JobCost>,
    /// The result; its fields depend on the kind.
    #[schema(schema_with = result_of_any_kind)]
    result: Value,
}

/// The results that the description has under these names, one per kind.
fn result_of_any_kind() -> Schema {
    let names = ["CalibrateResult", "SimulateResult", "OptimizeResult", "EvaluateResult"];
    let kinds = names.into_iter().fold(OneOfBuilder::new(), |kinds, name| kinds.item(Ref::from_schema_name(name)));
    Schema::OneOf(kinds.build())
}

/// The result of a job.
///
/// Only a job with a result is answered 200. One that failed is answered with its own problem, one that has not ended with 409.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/result", tag = "jobs", params(("id" = JobId, Path)),
    responses(
        (status = 200, body = JobResult),
        (status = 409, description = "It has not ended, or was cancelled.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "It failed because of its input or a plugin.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn result(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Id(id): Id<JobId>,
) -> Result<Json<JobResult>, ApiError> {
    let row = find(&state, &principal, &id).await?;
    check_has_result(&row)?;
    let found = jobs::query::result(state.db(), &id).await?;
    let missing = || ApiError::internal(&format!("job {id} is {} without a result", row.state.as_str()));
    let result = found.result.ok_or_else(missing)?;
    audit(&state, &principal, Action::ResultRead, &id, &request_id).await;
    let cost = cost(&row);
    Ok(Json(JobResult { job: row.id, kind: row.kind, state: found.state, components: found.components, cost, result }))
}

pub(super) fn check_has_result(row: &JobRow) -> Result<(), ApiError> {
    match row.state {
        JobState::Succeeded | JobState::Partial => Ok(()),
        JobState::Queued | JobState::Running => {
            let detail = format!("The job is {} and {:.0} % done.", row.state.as_str(), row.progress * 100.0);
            let problem = Problem::new(
                "job-not-finished",
                "The job has no result yet",
                detail,
                "Ask again after the time in Retry-After.",
            );
            Err(ApiError::new(problem).retry_after(POLL_S))
        }
        JobState::Cancelled => Err(Problem::new(
            "job-cancelled",
            "The job was cancelled",
            "It has no result.",
            "Submit it again if it is wanted.",
        )
        .into()),
        JobState::Failed => {
            Err(row.problem.clone().unwrap_or_else(|| Problem::internal("The job failed without a reason.")).into())
        }
    }
}

/// The job, if it is the caller's.
pub(super) async fn find(state: &ApiState, principal: &Principal, id: &JobId) -> Result<JobRow, ApiError> {
    let row = jobs::query::get(state.db(), id).await?;
    check_owner(principal, &row.team)?;
    Ok(row)
}
