//! Deliveries of a webhook: what was sent and what came of it, dead letters, tests.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    audit::audit,
    caller::{Publisher, Reader},
    error::ApiError,
    idempotency::{self, IdempotencyKey},
    page::{Page, page_items, read_cursor},
    params::{Id, Ids, Query},
    respond::{ProblemDocument, RequestId},
    state::ApiState,
    webhook_views::DeliveryView,
};
use crate::{
    auth::Action,
    catalog::{ListCursor, Listed},
    domain::ids::{DeliveryId, InvalidId, WebhookId},
    webhooks::{DeliveryCursor, DeliveryState, deliveries, endpoints},
};

/// Routes of deliveries.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(test)).routes(routes!(list)).routes(routes!(redeliver))
}

/// Send a webhook a test.
///
/// A message of the type `webhook.ping` is sent, once. What came of it is in the list of deliveries.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/test", tag = "webhooks",
    params(
        ("id" = WebhookId, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request, so that it can be repeated safely.")
    ),
    responses(
        (status = 202, description = "It is on its way.", body = DeliveryView, headers(
            ("Idempotency-Replayed" = bool, description = "`true` where an earlier request with this key made the test.")
        )),
        (status = 409, description = "The webhook is disabled.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn test(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    key: IdempotencyKey,
    Id(id): Id<WebhookId>,
) -> Result<Response, ApiError> {
    endpoints::find(state.db(), &principal.team, &id).await?;
    let asked = key.of_request("POST /v1/webhooks/{id}/test", &[id.as_str().as_bytes()]);
    if let Some(earlier) = idempotency::made_before(&state, &principal, asked.as_ref()).await? {
        return made_before(&state, &id, &earlier).await;
    }
    let mut tx = state.db().write().await?;
    let delivery = deliveries::ping_in(&mut tx, &principal.team, &id).await?;
    let made = delivery.id.as_str();
    if let Some(earlier) = idempotency::record_in(&mut tx, &state, &principal, asked.as_ref(), made).await? {
        tx.rollback().await?;
        return made_before(&state, &id, &earlier).await;
    }
    tx.commit().await?;
    audit(&state, &principal, Action::WebhookTested, id.as_str(), &request_id).await;
    Ok((StatusCode::ACCEPTED, Json(DeliveryView::from(delivery))).into_response())
}

async fn made_before(state: &ApiState, webhook: &WebhookId, earlier: &str) -> Result<Response, ApiError> {
    let id: DeliveryId = earlier.parse().map_err(|error: InvalidId| ApiError::internal(&error))?;
    let view = DeliveryView::from(deliveries::find(state.db(), webhook, &id).await?);
    Ok(idempotency::replayed((StatusCode::ACCEPTED, Json(view)).into_response()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeliveriesQuery {
    /// Only deliveries in this state; `dead` are the dead letters.
    state: Option<DeliveryState>,
    /// Items of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What a webhook was and will be sent, newest first.
#[utoipa::path(
    get, path = "/v1/webhooks/{id}/deliveries", tag = "webhooks", params(("id" = WebhookId, Path), DeliveriesQuery),
    responses((status = 200, body = Page<DeliveryView>, headers(("Link" = String, description = "The next page, where there is one."))))
)]
async fn list(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Id(id): Id<WebhookId>,
    uri: Uri,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Response, ApiError> {
    let limit = page_items(query.limit, state.config())?;
    let after = read_cursor(query.cursor.as_deref())?;
    let after = after.map(|cursor| DeliveryCursor { created_us: cursor.order, id: cursor.id });
    let of = (&principal.team, &id);
    let (items, next) = deliveries::list(state.db(), of, query.state, after.as_ref(), limit).await?;
    let next = next.map(|cursor| ListCursor { order: cursor.created_us, id: cursor.id });
    Ok(Page::of(Listed { items, next }, DeliveryView::from).into_response_for(&uri))
}

/// Send a delivery again.
///
/// Whatever came of it before, it is due now, under the same id. One that has ended has its whole schedule before it again.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/deliveries/{delivery}/redeliver", tag = "webhooks",
    params(("id" = WebhookId, Path), ("delivery" = DeliveryId, Path)),
    responses(
        (status = 202, description = "It is on its way.", body = DeliveryView),
        (status = 409, description = "The webhook is disabled.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn redeliver(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Ids(id, delivery): Ids<WebhookId, DeliveryId>,
) -> Result<Response, ApiError> {
    let found = deliveries::redeliver(state.db(), &principal.team, &id, &delivery).await?;
    audit(&state, &principal, Action::WebhookRedelivered, delivery.as_str(), &request_id).await;
    Ok((StatusCode::ACCEPTED, Json(DeliveryView::from(found))).into_response())
}
