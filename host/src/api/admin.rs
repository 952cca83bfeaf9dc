//! What an operator may ask of the server itself.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{caller::Operator, respond::RequestId, state::ApiState};
use crate::auth::{self, Action, AuditEntry};

/// Routes of the operator.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(drain))
}

/// What the server is doing.
#[derive(Debug, Serialize, ToSchema)]
struct Draining {
    /// `draining`.
    #[schema(examples("draining"))]
    status: &'static str,
}

/// Drain the server.
///
/// As after SIGTERM: `/readyz` fails, nothing further is claimed, running tasks write a checkpoint and are given back without
/// counting an attempt, and the process ends, within `drain_grace_s`. Whatever starts it again goes on with them.
#[utoipa::path(
    post, path = "/v1/admin/drain", tag = "operator",
    responses((status = 202, description = "It has begun to stop.", body = Draining))
)]
async fn drain(
    State(state): State<ApiState>,
    Operator(principal): Operator,
    axum::Extension(request_id): axum::Extension<RequestId>,
) -> (StatusCode, Json<Draining>) {
    let entry = AuditEntry {
        principal: &principal,
        action: Action::DrainRequested,
        subject: "server",
        request_id: &request_id.0,
    };
    // Written before it begins: afterwards the database may be closed at any time.
    auth::record_or_log(state.db(), entry).await;
    tracing::info!(key.id = %principal.key, "an operator asked the server to drain");
    state.begin_draining();
    (StatusCode::ACCEPTED, Json(Draining { status: "draining" }))
}
