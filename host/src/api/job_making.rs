//! What all routes have in common that make a job, whether they submit, repeat or fire it: a request under a known key makes nothing
//! new, a job comes in or is refused, and the answer shows it.

use axum::{
    Extension,
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use serde_json::Value;
use utoipa::{IntoParams, IntoResponses};

use super::{
    audit::audit,
    caller::Submitter,
    error::ApiError,
    idempotency::{self, IdempotencyKey},
    job_views::JobView,
    jobs::find,
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
        problem::Problem,
    },
    jobs::{
        self, NewJob,
        intake::{Admission, Submission},
    },
};

/// Pause between two looks at a job that a client is asked for, in seconds.
const POLL_S: u64 = 1;

/// The headers of a request that makes a job, for the description.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by `Making`; these fields describe them")]
pub struct MakingHeaders {
    /// Names this request, so that it can be repeated safely.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
    /// `wait=N`: answer when the job has ended, after N seconds at most.
    #[param(rename = "Prefer")]
    prefer: Option<String>,
}

/// How such a request is answered, for the description.
#[derive(IntoResponses)]
#[expect(dead_code, clippy::large_enum_variant, reason = "never made: `Making` answers, these variants describe it")]
pub enum MakingAnswer {
    /// The job is queued.
    #[response(status = 202, headers(
        ("Location" = String, description = "The job."),
        ("Retry-After" = u64, description = "Seconds between two looks."),
        ("RateLimit-Policy" = String, description = "The team's quotas (IETF draft httpapi-ratelimit-headers)."),
        ("RateLimit" = String, description = "What is left of them."),
        ("Idempotency-Replayed" = bool, description = "`true` where an earlier request with this key made the job.")
    ))]
    Queued(JobView),
    /// The team has used up a quota; the problem says what would free it, Retry-After when.
    #[response(status = 429, content_type = "application/problem+json")]
    OverQuota(ProblemDocument),
}

/// A request that makes a job: whose it is, under which key, and how long its answer may wait.
pub struct Making {
    /// Whose job it is.
    pub principal: Principal,
    /// The request, for the audit trail.
    pub request_id: RequestId,
    key: IdempotencyKey,
    wait: PreferWait,
}

impl FromRequestParts<ApiState> for Making {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let Submitter(principal) = Submitter::from_request_parts(parts, state).await?;
        let request_id = Extension::<RequestId>::from_request_parts(parts, state).await;
        let Extension(request_id) = request_id.map_err(|error| ApiError::internal(&error))?;
        let key = IdempotencyKey::from_request_parts(parts, state).await?;
        let wait = PreferWait::from_request_parts(parts, state).await?;
        Ok(Self { principal, request_id, key, wait })
    }
}

/// What came of it.
pub struct Made {
    /// The answer.
    pub response: Response,
    /// Whether this request made the job, and no earlier one.
    pub is_new: bool,
}

impl Making {
    /// Answers with the job that an earlier request of this key made, or else stores `job` if it may come in. `parts` are what makes
    /// the request to `route` what it is.
    ///
    /// # Errors
    /// As `job`; `idempotency-key-reused`, `duplicate-job` or `over-quota` where it may not come in.
    pub async fn make(
        &self,
        state: &ApiState,
        route: &str,
        parts: &[&[u8]],
        job: impl Future<Output = Result<NewJob, ApiError>>,
    ) -> Result<Made, ApiError> {
        let keyed = self.key.of_request(route, parts);
        if let Some(earlier) = idempotency::made_before(state, &self.principal, keyed.as_ref()).await? {
            return self.made_before(state, &earlier.parse().map_err(|error| ApiError::internal(&error))?).await;
        }
        let submission = Submission { job: job.await?, keyed };
        match state.intake().submit(submission).await? {
            Admission::Queued(id, quota) => {
                audit(state, &self.principal, Action::JobSubmitted, &id, &self.request_id).await;
                Ok(Made { response: quota::told(self.accepted(state, &id).await?, &quota), is_new: true })
            }
            Admission::MadeBefore(id) => self.made_before(state, &id).await,
            Admission::KeyOfOtherRequest => Err(idempotency::reused().into()),
            Admission::Twin(twin) => Err(duplicate(&twin).into()),
            Admission::OverQuota(quota) => Err(quota::refusal(&quota)),
            Admission::TooCostly(quota, expected_us) => Err(quota::too_costly(&quota, expected_us)),
        }
    }

    async fn made_before(&self, state: &ApiState, id: &JobId) -> Result<Made, ApiError> {
        Ok(Made { response: idempotency::replayed(self.accepted(state, id).await?), is_new: false })
    }

    async fn accepted(&self, state: &ApiState, id: &JobId) -> Result<Response, ApiError> {
        self.wait.until_ended(state, id).await?;
        // Not looked ahead for: many jobs may come at once, and each would change the outlook of the others.
        let view = JobView::new(find(state, &self.principal, id).await?, None);
        let mut response = located(StatusCode::ACCEPTED, format!("/v1/jobs/{id}"), view);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(POLL_S));
        Ok(self.wait.applied(response))
    }
}

/// The job to be made of the plan of an earlier one, as `change` makes it.
///
/// # Errors
/// As `change`, and where a plugin of the plan has been quarantined since.
pub async fn made_again(
    state: &ApiState,
    principal: &Principal,
    id: &JobId,
    change: impl FnOnce(Value) -> Result<Value, Problem>,
) -> Result<NewJob, ApiError> {
    let mut job = jobs::rerun::plan_of(state.db(), id, principal.key.clone()).await?;
    refuse_quarantined(state, principal, &job.spec).await?;
    job.spec = change(job.spec)?;
    job.expected = state.planner().expected(&job.team, &job.spec, &job.stages).await;
    Ok(job)
}

/// A plan that was made before a plugin of it was quarantined must not bring it back.
async fn refuse_quarantined(state: &ApiState, principal: &Principal, plan: &Value) -> Result<(), ApiError> {
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
