//! Schedules: make, look at, change and delete them, and fire one at once. They fire by themselves elsewhere.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    audit::audit,
    body::{JsonBytes, decode, parse},
    caller::{Reader, Submitter, check_owner},
    error::ApiError,
    idempotency::{self, IdempotencyKey},
    job_making::{Making, MakingAnswer, MakingHeaders},
    job_plan::plan_job,
    page::{Page, PageQuery, bad_cursor, page_items},
    params::{Id, Query},
    respond::{ProblemDocument, RequestId, located},
    schedule_bodies::{ScheduleChange, ScheduleRequest, ScheduleView},
    state::ApiState,
};
use crate::{
    auth::{Action, Principal},
    domain::ids::{InvalidId, ScheduleId},
    jobs::{
        NewJob,
        schedules::{self, Schedule, ScheduleCursor, Terms},
    },
};

/// Routes of schedules.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(show, change, delete)).routes(routes!(run))
}

/// Make a schedule.
///
/// Its job is planned now as a check, and anew each time it fires; a time is fired once, however many servers there are. A job that
/// would do the same as one that has not ended is skipped. Five failures in a row disable the schedule.
#[utoipa::path(
    post, path = "/v1/schedules", tag = "schedules", request_body = ScheduleRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request, so that it can be repeated safely.")),
    responses(
        (status = 201, description = "The schedule is stored.", body = ScheduleView, headers(
            ("Location" = String, description = "The schedule."),
            ("Idempotency-Replayed" = bool, description = "`true` where an earlier request with this key made the schedule.")
        )),
        (status = 409, description = "The team has a schedule of this name.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 429, description = "The team has as many schedules as it may.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn create(
    State(state): State<ApiState>,
    Submitter(principal): Submitter,
    axum::Extension(request_id): axum::Extension<RequestId>,
    key: IdempotencyKey,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, ApiError> {
    let asked = key.of_request("POST /v1/schedules", &[&bytes]);
    if let Some(earlier) = idempotency::made_before(&state, &principal, asked.as_ref()).await? {
        return created(&state, &principal, &stored_schedule_id(&earlier)?).await.map(idempotency::replayed);
    }
    let terms = terms_of(&state, &principal, decode(parse(&bytes)?)?).await?;
    let mut tx = state.db().write().await?;
    let most = state.config().schedules_per_team_max;
    let id = schedules::insert_in(&mut tx, &principal.team, &terms, most).await?;
    if let Some(earlier) = idempotency::record_in(&mut tx, &state, &principal, asked.as_ref(), id.as_str()).await? {
        tx.rollback().await?;
        return created(&state, &principal, &stored_schedule_id(&earlier)?).await.map(idempotency::replayed);
    }
    tx.commit().await?;
    audit(&state, &principal, Action::ScheduleCreated, &id, &request_id).await;
    created(&state, &principal, &id).await
}

/// The request as it is stored, once everything about it is in order.
async fn terms_of(state: &ApiState, principal: &Principal, request: ScheduleRequest) -> Result<Terms, ApiError> {
    let now_us = state.db().now_us().await?;
    let recurrence = request.recurrence(now_us, state.config())?;
    plan(state, principal, &request.job).await?;
    Ok(Terms {
        key: principal.key.clone(),
        name: request.name.trim().to_owned(),
        cron: request.cron,
        time_zone: request.time_zone,
        catch_up: request.catch_up,
        request: request.job,
        next_fire_us: if request.enabled { recurrence.after(now_us) } else { None },
    })
}

/// Plans the job of a schedule; a mistake is found by its place in the schedule.
async fn plan(state: &ApiState, principal: &Principal, job: &serde_json::Value) -> Result<NewJob, ApiError> {
    let body = job.to_string();
    let planned = plan_job(state.planner(), state.config(), &principal.team, &principal.key, body.as_bytes()).await;
    planned.map_err(|error| error.below("/job"))
}

fn stored_schedule_id(text: &str) -> Result<ScheduleId, ApiError> {
    text.parse().map_err(|error: InvalidId| ApiError::internal(&error))
}

async fn created(state: &ApiState, principal: &Principal, id: &ScheduleId) -> Result<Response, ApiError> {
    let view = ScheduleView::from(find(state, principal, id).await?);
    Ok(located(StatusCode::CREATED, format!("/v1/schedules/{id}"), view))
}

/// The team's schedules, newest first.
#[utoipa::path(
    get, path = "/v1/schedules", tag = "schedules", params(PageQuery),
    responses((status = 200, body = Page<ScheduleView>, headers(("Link" = String, description = "The next page, where there is one."))))
)]
async fn list(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let limit = page_items(query.limit, state.config())?;
    let after = query.cursor.as_deref().map(read_cursor).transpose()?;
    // One more than asked for tells whether there is a next page.
    let mut found = schedules::list(state.db(), &principal.team, after.as_ref(), limit + 1).await?;
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| has_more);
    let next_cursor = last.map(|schedule| format!("{}.{}", schedule.created_us, schedule.id));
    Ok(Page { items: found.into_iter().map(ScheduleView::from).collect(), next_cursor }.into_response_for(&uri))
}

fn read_cursor(text: &str) -> Result<ScheduleCursor, ApiError> {
    let parts = text.split_once('.').and_then(|(time, id)| Some((time.parse().ok()?, id.parse().ok()?)));
    parts.map(|(created_us, id)| ScheduleCursor { created_us, id }).ok_or_else(bad_cursor)
}

/// A schedule.
#[utoipa::path(
    get, path = "/v1/schedules/{id}", tag = "schedules", params(("id" = ScheduleId, Path)),
    responses((status = 200, body = ScheduleView))
)]
async fn show(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Id(id): Id<ScheduleId>,
) -> Result<Json<ScheduleView>, ApiError> {
    find(&state, &principal, &id).await.map(|schedule| Json(schedule.into()))
}

/// Change a schedule.
///
/// What is absent stays as it is. From then on the schedule and its jobs are the key's that changed it, its failures no longer count,
/// and it fires at its next time from now.
#[utoipa::path(
    patch, path = "/v1/schedules/{id}", tag = "schedules", request_body = ScheduleChange, params(("id" = ScheduleId, Path)),
    responses(
        (status = 200, body = ScheduleView),
        (status = 409, description = "The name is taken, or somebody else changed it at the same time.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn change(
    State(state): State<ApiState>,
    Submitter(principal): Submitter,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Id(id): Id<ScheduleId>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Json<ScheduleView>, ApiError> {
    let found = find(&state, &principal, &id).await?;
    let change: ScheduleChange = decode(parse(&bytes)?)?;
    let terms = terms_of(&state, &principal, change.applied_to(&found)).await?;
    schedules::update(state.db(), &found, &terms).await?;
    audit(&state, &principal, Action::ScheduleChanged, &id, &request_id).await;
    find(&state, &principal, &id).await.map(|schedule| Json(schedule.into()))
}

/// Delete a schedule.
///
/// The jobs that it has made stay.
#[utoipa::path(
    delete, path = "/v1/schedules/{id}", tag = "schedules", params(("id" = ScheduleId, Path)),
    responses((status = 204, description = "It is gone."))
)]
async fn delete(
    State(state): State<ApiState>,
    Submitter(principal): Submitter,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Id(id): Id<ScheduleId>,
) -> Result<StatusCode, ApiError> {
    find(&state, &principal, &id).await?;
    schedules::delete(state.db(), &id).await?;
    audit(&state, &principal, Action::ScheduleDeleted, &id, &request_id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Fire a schedule now.
///
/// Makes its job at once, on behalf of the key that asks; its next times stay as they are, and a disabled schedule can be fired too.
/// The answer is that of a submission.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/run", tag = "schedules",
    params(("id" = ScheduleId, Path), MakingHeaders),
    responses(
        MakingAnswer,
        (status = 409, description = "A job of the team that has not ended would do the same.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "The job cannot be planned as things are.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn run(State(state): State<ApiState>, making: Making, Id(id): Id<ScheduleId>) -> Result<Response, ApiError> {
    let principal = &making.principal;
    let schedule = find(&state, principal, &id).await?;
    let job = async {
        let job = plan(&state, principal, &schedule.terms.request).await?;
        Ok(NewJob { schedule: Some(id.clone()), ..job })
    };
    let made = making.make(&state, "POST /v1/schedules/{id}/run", &[id.as_str().as_bytes()], job).await?;
    if made.is_new {
        audit(&state, principal, Action::ScheduleFired, &id, &making.request_id).await;
    }
    Ok(made.response)
}

/// The schedule, if it is the caller's.
async fn find(state: &ApiState, principal: &Principal, id: &ScheduleId) -> Result<Schedule, ApiError> {
    let schedule = schedules::get(state.db(), id).await?;
    check_owner(principal, &schedule.team)?;
    Ok(schedule)
}
