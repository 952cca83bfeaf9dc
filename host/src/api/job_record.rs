//! What a job has done, as evidence: its result under the server's signature, and its replay.

use axum::{Json, extract::State, response::Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    caller::Reader,
    error::ApiError,
    job_making::{Making, MakingAnswer, MakingHeaders, made_again},
    jobs::{check_has_result, find},
    params::Id,
    respond::ProblemDocument,
    state::ApiState,
};
use crate::{
    auth::signing::{self, Envelope, PublicKey},
    domain::{ids::JobId, problem::Problem},
    jobs,
    results::RESULT_MEDIA_TYPE,
};

/// Routes of records.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(record)).routes(routes!(replay)).routes(routes!(keys))
}

/// The signed result of a job.
///
/// The result, its run record included, as the bytes that the node signed which put it together: a DSSE 1.0 envelope. Keep it where
/// others should be able to tell that the server made it and that nobody changed it; `paddock job verify` opens it.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/record", tag = "jobs", params(("id" = JobId, Path)),
    responses(
        (status = 200, body = Envelope),
        (status = 409, description = "It has no result (yet), or an earlier version left it unsigned.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn record(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Id(id): Id<JobId>,
) -> Result<Json<Envelope>, ApiError> {
    check_has_result(&find(&state, &principal, &id).await?)?;
    let missing = || ApiError::internal(&format!("job {id} has ended well and has no result"));
    let found = jobs::query::signed_result(state.db(), &id).await?.ok_or_else(missing)?;
    let signature = found.signature.ok_or_else(|| unsigned(&id))?;
    let signature = serde_json::from_str(&signature).map_err(|error| ApiError::internal(&error))?;
    Ok(Json(Envelope::new(RESULT_MEDIA_TYPE, found.result.as_bytes(), signature)))
}

fn unsigned(job: &JobId) -> Problem {
    Problem::new(
        "unsigned-result",
        "The result is not signed",
        format!("The job {job} was run by a version of paddock that did not sign results."),
        "Run it again with POST /v1/jobs/{id}/rerun.",
    )
}

/// Repeat a job and hold it against the first run.
///
/// A new job with the same plan. Its result's `replay` says whether every component made the same in every task, and if not, which
/// output differs first; a replay that differs ends as `partial`. The answer is that of a submission.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/replay", tag = "jobs",
    params(("id" = JobId, Path), MakingHeaders),
    responses(
        MakingAnswer,
        (status = 409, description = "The job has no result to repeat (yet), or a replay of it has not ended.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn replay(State(state): State<ApiState>, making: Making, Id(id): Id<JobId>) -> Result<Response, ApiError> {
    let original = find(&state, &making.principal, &id).await?;
    let job = async {
        check_has_result(&original)?;
        let result = jobs::query::result(state.db(), &id).await?.result.unwrap_or_default();
        made_again(&state, &making.principal, &id, |plan| state.planner().replay(&id, &plan, &result)).await
    };
    Ok(making.make(&state, "POST /v1/jobs/{id}/replay", &[id.as_str().as_bytes()], job).await?.response)
}

/// Public keys.
#[derive(Debug, Serialize, ToSchema)]
struct SigningKeys {
    /// Newest first, at most 100.
    items: Vec<PublicKey>,
}

/// The keys that results are signed with.
///
/// One per node that has ever signed. Keep the one you trust: `paddock job verify --public-key` then believes no other.
#[utoipa::path(get, path = "/v1/signing-keys", tag = "jobs", responses((status = 200, body = SigningKeys)))]
async fn keys(State(state): State<ApiState>, _: Reader) -> Result<Json<SigningKeys>, ApiError> {
    Ok(Json(SigningKeys { items: signing::signing_keys(state.db()).await? }))
}
