//! Who the key belongs to.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{caller::Reader, error::ApiError, state::ApiState};
use crate::{
    auth::{self, Scope},
    domain::ids::{KeyId, TeamId},
};

pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(me))
}

/// The team and the key of the caller.
#[derive(Debug, Serialize, ToSchema)]
struct Me {
    /// Team that the key belongs to.
    team: TeamId,
    /// Name of the team.
    #[schema(examples("pit-wall"))]
    team_name: String,
    /// Id of the key (not the key).
    key: KeyId,
    /// What the key may do.
    scopes: Vec<Scope>,
}

/// Whose key is this?
#[utoipa::path(get, path = "/v1/me", tag = "team", responses((status = 200, body = Me)))]
async fn me(State(state): State<ApiState>, Reader(principal): Reader) -> Result<Json<Me>, ApiError> {
    let team_name = auth::team_name(state.db(), &principal.team).await?;
    Ok(Json(Me { team: principal.team, team_name, key: principal.key, scopes: principal.scopes }))
}
