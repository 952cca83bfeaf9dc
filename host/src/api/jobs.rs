//! Jobs: submit, look, cancel, fetch the result. The worker is met in the database only.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
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
    idempotency::{self, IdempotencyKey},
    job_plan::plan_job,
    job_requests::JobRequest,
    job_views::{JobView, cost},
    params::Id,
    prefer::PreferWait,
    quota,
    respond::{ProblemDocument, RequestId, located},
    state::ApiState,
};
use crate::{
    auth::{Action, Principal},
    catalog::plugins,
    domain::{
        ids::{JobId, PluginId},
        job::{Component, JobKind, JobState},
        problem::Problem,
    },
    jobs::{
        self, NewJob,
        cancel::CancelOutcome,
        intake::{Admission, Submission},
        query::JobRow,
    },
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
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request, so that it can be repeated safely."),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: answer when the job has ended, after N seconds at most.")
    ),
    responses(
        (status = 202, description = "The job is queued.", body = JobView, headers(
            ("Location" = String, description = "The job."),
            ("Retry-After" = u64, description = "Seconds between two looks."),
            ("RateLimit-Policy" = String, description = "The team's quotas (IETF draft httpapi-ratelimit-headers)."),
            ("RateLimit" = String, description = "What is left of them."),
            ("Idempotency-Replayed" = bool, description = "`true` where an earlier request with this key made the job.")
        )),
        (status = 409, description = "A job of the team that has not ended would do the same.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 429, description = "The team has used up a quota; the problem says what would free it, Retry-After when.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn submit(
    State(state): State<ApiState>,
    Submitter(principal): Submitter,
    axum::Extension(request_id): axum::Extension<RequestId>,
    key: IdempotencyKey,
    wait: PreferWait,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, ApiError> {
    let keyed = key.of_request("POST /v1/jobs", &[&bytes]);
    if let Some(earlier) = idempotency::made_before(&state, &principal, keyed.as_ref()).await? {
        return accepted(&state, &principal, &stored_id(&earlier)?, wait).await.map(idempotency::replayed);
    }
    let job = plan(&state, &principal, &bytes).await?;
    enqueue(&state, &principal, Submission { job, keyed }, wait, &request_id).await
}

/// Stores the job, if it may come in, together with what its request is known by, and answers.
pub(super) async fn enqueue(
    state: &ApiState,
    principal: &Principal,
    submission: Submission,
    wait: PreferWait,
    request_id: &RequestId,
) -> Result<Response, ApiError> {
    match state.intake().submit(submission).await? {
        Admission::Queued(id, quota) => {
            audit(state, principal, Action::JobSubmitted, &id, request_id).await;
            Ok(quota::told(accepted(state, principal, &id, wait).await?, &quota))
        }
        Admission::MadeBefore(id) => accepted(state, principal, &id, wait).await.map(idempotency::replayed),
        Admission::KeyOfOtherRequest => Err(idempotency::reused().into()),
        Admission::Twin(twin) => Err(duplicate(&twin).into()),
        Admission::OverQuota(quota) => Err(quota::refusal(&quota)),
        Admission::TooCostly(quota, expected_us) => Err(quota::too_costly(&quota, expected_us)),
    }
}

/// Run a job again.
///
/// A new job with the same plan, down to plugin versions and seeds, so its result is the same; to run the specification against
/// what is newest, submit it again instead. The answer is that of a submission.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/rerun", tag = "jobs",
    params(
        ("id" = JobId, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request, so that it can be repeated safely."),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: answer when the job has ended, after N seconds at most.")
    ),
    responses(
        (status = 202, description = "The new job is queued.", body = JobView, headers(
            ("Location" = String, description = "The new job."),
            ("Retry-After" = u64, description = "Seconds between two looks."),
            ("RateLimit-Policy" = String, description = "The team's quotas (IETF draft httpapi-ratelimit-headers)."),
            ("RateLimit" = String, description = "What is left of them."),
            ("Idempotency-Replayed" = bool, description = "`true` where an earlier request with this key made the job.")
        )),
        (status = 409, description = "The job, or one that does the same, has not ended.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 429, description = "The team has used up a quota; the problem says what would free it, Retry-After when.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn rerun(
    State(state): State<ApiState>,
    Submitter(principal): Submitter,
    axum::Extension(request_id): axum::Extension<RequestId>,
    key: IdempotencyKey,
    wait: PreferWait,
    Id(id): Id<JobId>,
) -> Result<Response, ApiError> {
    find(&state, &principal, &id).await?;
    let keyed = key.of_request("POST /v1/jobs/{id}/rerun", &[id.as_str().as_bytes()]);
    if let Some(earlier) = idempotency::made_before(&state, &principal, keyed.as_ref()).await? {
        return accepted(&state, &principal, &stored_id(&earlier)?, wait).await.map(idempotency::replayed);
    }
    let mut job = jobs::rerun::plan_of(state.db(), &id, principal.key.clone()).await?;
    refuse_quarantined(&state, &principal, &job.spec).await?;
    job.expected = state.planner().expected(&job.team, &job.spec, &job.stages).await;
    enqueue(&state, &principal, Submission { job, keyed }, wait, &request_id).await
}

/// A plan that was made before a plugin of it was quarantined must not bring it back.
pub(super) async fn refuse_quarantined(state: &ApiState, principal: &Principal, plan: &Value) -> Result<(), ApiError> {
    let mut pinned = Vec::new();
    collect_plugins(plan, &mut pinned);
    match plugins::quarantine_among(state.db(), &principal.team, &pinned).await? {
        Some(refusal) => Err(refusal.into()),
        None => Ok(()),
    }
}

/// The ids of plugins that a plan names, wherever it does.
fn collect_plugins(plan: &Value, found: &mut Vec<PluginId>) {
    match plan {
        Value::Object(fields) => {
            found.extend(fields.get("id").and_then(|id| id.as_str()?.parse().ok()));
            fields.values().for_each(|field| collect_plugins(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_plugins(item, found)),
        _ => {}
    }
}

fn duplicate(twin: &JobId) -> Problem {
    Problem::new(
        "duplicate-job",
        "The same job is queued or running",
        format!("The job {twin} of your team has the same specification and has not ended."),
        format!("Follow /v1/jobs/{twin}, or send the request with an Idempotency-Key of its own to run it twice."),
    )
}

async fn plan(state: &ApiState, principal: &Principal, bytes: &[u8]) -> Result<NewJob, ApiError> {
    plan_job(state.planner(), state.config(), &principal.team, &principal.key, bytes).await
}

pub(super) fn stored_id(text: &str) -> Result<JobId, ApiError> {
    text.parse().map_err(|error| ApiError::internal(&error))
}

pub(super) async fn accepted(
    state: &ApiState,
    principal: &Principal,
    id: &JobId,
    wait: PreferWait,
) -> Result<Response, ApiError> {
    wait.until_ended(state, id).await?;
    // Not looked ahead for: many jobs may come at once, and each would change the outlook of the others.
    let view = JobView::new(find(state, principal, id).await?, None);
    let mut response = located(StatusCode::ACCEPTED, format!("/v1/jobs/{id}"), view);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(POLL_S));
    Ok(wait.applied(response))
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
