//! The lineups of a job as a file: for upload to the operator, as a table, or as Arrow.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    audit::audit,
    caller::Reader,
    error::ApiError,
    jobs::{check_has_result, find},
    params::{Id, Query},
    respond::{ProblemDocument, RequestId},
    state::ApiState,
};
use crate::{
    auth::Action,
    domain::{ids::JobId, problem::Problem},
    jobs,
    results::{
        OptimizeResult, PortfolioSummary,
        lineup_file::{LineupFile, LineupFileError, lineup_file},
    },
};

/// Media type of tables.
const CSV: &str = "text/csv; charset=utf-8";

/// Media type of Arrow IPC files, as IANA has it.
const ARROW: &str = "application/vnd.apache.arrow.file";

/// Routes of lineups.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(lineups))
}

/// In which form lineups are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// As in the result.
    Json,
    /// A table with a row per lineup.
    Csv,
    /// The table as an Arrow IPC file.
    Arrow,
    /// For upload to DraftKings.
    Draftkings,
    /// For upload to FanDuel.
    Fanduel,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct LineupsQuery {
    /// The form; where absent, that of the `Accept` header's first known media type (`text/csv`,
    /// `application/vnd.apache.arrow.file`), else JSON.
    #[param(inline)]
    format: Option<Format>,
}

/// The lineups of a job.
///
/// Only an `optimize` job that has a result has lineups. Upload forms name players by the operator's ids, which slates imported from
/// its salary files have.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/lineups", tag = "jobs", params(("id" = JobId, Path), LineupsQuery),
    responses(
        (status = 200, content(
            (PortfolioSummary = "application/json"),
            (String = "text/csv"),
            (Vec<u8> = "application/vnd.apache.arrow.file")
        )),
        (status = 409, description = "It has not ended, or was cancelled.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "It chose no lineups, or their players have no ids of the operator.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn lineups(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Id(id): Id<JobId>,
    Query(query): Query<LineupsQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let row = find(&state, &principal, &id).await?;
    check_has_result(&row)?;
    let result = jobs::query::result(state.db(), &id).await?.result.unwrap_or_default();
    let result: OptimizeResult = serde_json::from_value(result).map_err(|_| no_lineups(&id))?;
    audit(&state, &principal, Action::ResultRead, &id, &request_id).await;
    let (file, media_type, extension) = match query.format.unwrap_or_else(|| accepted(&headers)) {
        Format::Json => return Ok(Json(result.portfolio).into_response()),
        Format::Csv => (LineupFile::Csv, CSV, "csv"),
        Format::Arrow => (LineupFile::Arrow, ARROW, "arrow"),
        Format::Draftkings => (LineupFile::DraftKings, CSV, "csv"),
        Format::Fanduel => (LineupFile::FanDuel, CSV, "csv"),
    };
    let bytes = lineup_file(&result.portfolio, file).map_err(|error| refused(&error))?;
    let mut response = bytes.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(name) = HeaderValue::try_from(format!("attachment; filename=\"lineups-{id}.{extension}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// The first media type of the `Accept` header that lineups have.
fn accepted(headers: &HeaderMap) -> Format {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let media_types =
        accepted.flat_map(|value| value.split(',')).map(|range| range.split(';').next().unwrap_or_default());
    let format = |media_type: &str| match media_type.trim() {
        "text/csv" => Some(Format::Csv),
        ARROW => Some(Format::Arrow),
        "application/json" | "application/*" | "*/*" => Some(Format::Json),
        _ => None,
    };
    media_types.filter_map(format).next().unwrap_or(Format::Json)
}

fn no_lineups(id: &JobId) -> ApiError {
    let detail = format!("The job {id} chose no lineups.");
    Problem::new("no-lineups", "The job has no lineups", detail, "Ask for the lineups of an `optimize` job.").into()
}

fn refused(error: &LineupFileError) -> ApiError {
    match error {
        LineupFileError::NoId(_) => Problem::new(
            "no-player-ids",
            "Players cannot be named for the upload",
            format!("{error}."),
            "Import the slate from the operator's salary file, which has the ids, and run the job again.",
        )
        .into(),
        LineupFileError::Write(_) => ApiError::internal(error),
    }
}
