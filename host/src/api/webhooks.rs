//! Webhooks: make, look, change, remove, enable again, rotate the secret. The sender is met in the database only.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    audit::audit,
    body::{self, JsonBytes},
    caller::{Publisher, Reader},
    error::ApiError,
    idempotency::{self, IdempotencyKey},
    page::{Page, PageQuery, page_items, read_cursor},
    params::{Id, Query},
    respond::{ProblemDocument, RequestId, located},
    state::ApiState,
    webhook_views::{WebhookChangesRequest, WebhookRequest, WebhookView, WebhookWithSecret},
};
use crate::{
    auth::{Action, Principal},
    catalog::{ListCursor, Listed},
    domain::{ids::WebhookId, problem::Problem},
    webhooks::{Webhook, endpoints},
};

/// Routes of webhooks.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(show, change, remove))
        .routes(routes!(rotate))
        .routes(routes!(enable))
}

/// Make a webhook.
///
/// From now on the team's events are sent to its URL: a `POST` with a JSON body and the headers `webhook-id`, `webhook-timestamp`
/// and `webhook-signature` of Standard Webhooks 1.0. Any answer but 2xx is tried again over three days; redirects are not
/// followed, and 410 disables the webhook. The same message can arrive twice, under the same `webhook-id`.
#[utoipa::path(
    post, path = "/v1/webhooks", tag = "webhooks", request_body = WebhookRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request, so that it can be repeated safely.")),
    responses(
        (status = 201, description = "The webhook is told what happens from now on.", body = WebhookWithSecret, headers(
            ("Location" = String, description = "The webhook."),
            ("Idempotency-Replayed" = bool, description = "`true` where an earlier request with this key made the webhook.")
        )),
        (status = 409, description = "The team has as many webhooks as it may.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn create(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    key: IdempotencyKey,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, ApiError> {
    let asked = key.of_request("POST /v1/webhooks", &[&bytes]);
    if let Some(earlier) = idempotency::made_before(&state, &principal, asked.as_ref()).await? {
        return made_before(&state, &principal, StatusCode::CREATED, &earlier).await;
    }
    let request: WebhookRequest = body::decode(body::parse(&bytes)?)?;
    let new = request.checked(state.webhooks(), state.config())?;
    let mut tx = state.db().write().await?;
    let (webhook, created) = endpoints::create_in(&mut tx, &principal.team, &new, state.webhooks()).await?;
    let made = made_text(&webhook.id, &created.secret_id);
    if let Some(earlier) = idempotency::record_in(&mut tx, &state, &principal, asked.as_ref(), &made).await? {
        tx.rollback().await?;
        return made_before(&state, &principal, StatusCode::CREATED, &earlier).await;
    }
    tx.commit().await?;
    audit(&state, &principal, Action::WebhookCreated, webhook.id.as_str(), &request_id).await;
    Ok(with_location(StatusCode::CREATED, WebhookWithSecret::new(webhook, Some(&created.secret))))
}

/// What an `Idempotency-Key` stands for: a webhook, and which secret was made for it.
fn made_text(webhook: &WebhookId, secret_id: &str) -> String {
    format!("{webhook} {secret_id}")
}

/// Answers as the request did that came first. Whoever did not get that answer needs the secret from this one.
async fn made_before(
    state: &ApiState,
    principal: &Principal,
    status: StatusCode,
    earlier: &str,
) -> Result<Response, ApiError> {
    let (id, secret_id) =
        earlier.split_once(' ').ok_or_else(|| ApiError::internal(&"a webhook's key is unreadable"))?;
    let id = id.parse().map_err(|error| ApiError::internal(&error))?;
    let webhook = endpoints::find(state.db(), &principal.team, &id).await?;
    let secret = endpoints::secret(state.db(), &id, secret_id).await?;
    Ok(idempotency::replayed(with_location(status, WebhookWithSecret::new(webhook, secret.as_ref()))))
}

fn with_location(status: StatusCode, view: WebhookWithSecret) -> Response {
    located(status, format!("/v1/webhooks/{}", view.id()), view)
}

/// The team's webhooks, newest first.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks", params(PageQuery),
    responses((status = 200, body = Page<WebhookView>, headers(("Link" = String, description = "The next page, where there is one."))))
)]
async fn list(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let limit = page_items(query.limit, state.config())?;
    let after = read_cursor(query.cursor.as_deref())?;
    let after = after.as_ref().map(|cursor| (cursor.order, cursor.id.as_str()));
    let (items, has_more) = endpoints::list(state.db(), &principal.team, after, limit).await?;
    let last = items.last().filter(|_| has_more);
    let next = last.map(|last: &Webhook| ListCursor { order: last.created_us, id: last.id.to_string() });
    Ok(Page::of(Listed { items, next }, WebhookView::from).into_response_for(&uri))
}

/// A webhook.
#[utoipa::path(get, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = WebhookId, Path)), responses((status = 200, body = WebhookView)))]
async fn show(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Id(id): Id<WebhookId>,
) -> Result<Json<WebhookView>, ApiError> {
    Ok(Json(endpoints::find(state.db(), &principal.team, &id).await?.into()))
}

/// Change a webhook.
///
/// What is still to be sent goes to the new URL. Another choice of events counts for what happens from now on.
#[utoipa::path(
    patch, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = WebhookId, Path)), request_body = WebhookChangesRequest,
    responses((status = 200, body = WebhookView))
)]
async fn change(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Id(id): Id<WebhookId>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Json<WebhookView>, ApiError> {
    let request: WebhookChangesRequest = body::decode(body::parse(&bytes)?)?;
    let changes = request.checked(state.webhooks(), state.config())?;
    let webhook = endpoints::update(state.db(), &principal.team, &id, changes).await?;
    audit(&state, &principal, Action::WebhookChanged, id.as_str(), &request_id).await;
    Ok(Json(webhook.into()))
}

/// Remove a webhook.
///
/// Nothing is sent to it from now on, and its deliveries are gone.
#[utoipa::path(
    delete, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = WebhookId, Path)),
    responses((status = 204, description = "It is gone."))
)]
async fn remove(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Id(id): Id<WebhookId>,
) -> Result<StatusCode, ApiError> {
    endpoints::delete(state.db(), &principal.team, &id).await?;
    audit(&state, &principal, Action::WebhookDeleted, id.as_str(), &request_id).await;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RotateQuery {
    /// How long the secrets before stay valid, in seconds; 0 ends them at once, for a secret that has leaked.
    overlap_s: Option<u64>,
}

/// Give a webhook a new secret.
///
/// While the one before stays valid, every message carries a signature of each, so that the receiver can change over when it
/// likes.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/rotate", tag = "webhooks",
    params(
        ("id" = WebhookId, Path), RotateQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request, so that it can be repeated safely.")
    ),
    responses(
        (status = 200, description = "The webhook with its new secret.", body = WebhookWithSecret, headers(
            ("Idempotency-Replayed" = bool, description = "`true` where an earlier request with this key made the secret.")
        )),
        (status = 409, description = "As many secrets are valid as may be.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn rotate(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    key: IdempotencyKey,
    Id(id): Id<WebhookId>,
    uri: Uri,
    Query(query): Query<RotateQuery>,
) -> Result<Response, ApiError> {
    let webhook = endpoints::find(state.db(), &principal.team, &id).await?;
    let query_text = uri.query().unwrap_or_default().as_bytes();
    let asked = key.of_request("POST /v1/webhooks/{id}/rotate", &[id.as_str().as_bytes(), query_text]);
    if let Some(earlier) = idempotency::made_before(&state, &principal, asked.as_ref()).await? {
        return made_before(&state, &principal, StatusCode::OK, &earlier).await;
    }
    let overlap_s = checked_overlap(&state, query.overlap_s)?;
    let mut tx = state.db().write().await?;
    let created = endpoints::rotate_in(&mut tx, &principal.team, &id, overlap_s, state.webhooks()).await?;
    let made = made_text(&id, &created.secret_id);
    if let Some(earlier) = idempotency::record_in(&mut tx, &state, &principal, asked.as_ref(), &made).await? {
        tx.rollback().await?;
        return made_before(&state, &principal, StatusCode::OK, &earlier).await;
    }
    tx.commit().await?;
    audit(&state, &principal, Action::WebhookRotated, id.as_str(), &request_id).await;
    Ok(with_location(StatusCode::OK, WebhookWithSecret::new(webhook, Some(&created.secret))))
}

fn checked_overlap(state: &ApiState, asked_s: Option<u64>) -> Result<u64, ApiError> {
    let config = state.webhooks();
    let overlap_s = asked_s.unwrap_or(config.rotation_overlap_s);
    if overlap_s <= config.rotation_overlap_s_max {
        return Ok(overlap_s);
    }
    let range = format!("0..={} seconds", config.rotation_overlap_s_max);
    let detail = format!("An overlap of {overlap_s} s was asked for.");
    Err(Problem::invalid("overlap_s", detail, format!("Ask for {range}.")).with_limit(range).into())
}

/// Tell a disabled webhook again what happens.
///
/// What happened while it was disabled is not sent; dead letters are, one by one, on demand.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/enable", tag = "webhooks", params(("id" = WebhookId, Path)),
    responses((status = 200, body = WebhookView))
)]
async fn enable(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Id(id): Id<WebhookId>,
) -> Result<Json<WebhookView>, ApiError> {
    let webhook = endpoints::enable(state.db(), &principal.team, &id).await?;
    audit(&state, &principal, Action::WebhookEnabled, id.as_str(), &request_id).await;
    Ok(Json(webhook.into()))
}
