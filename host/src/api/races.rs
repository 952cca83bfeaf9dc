//! Races: import files of results and entry lists, list and read what is there.

use axum::{Json, extract::State, http::Uri, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    body::CsvText,
    caller::{Reader, Submitter},
    error::ApiError,
    import::{column_map, read_file},
    page::{Page, PageQuery, page_items, read_cursor},
    params::{Id, Query},
    respond::RequestId,
    state::ApiState,
};
use crate::{
    auth::{self, Action, AuditEntry},
    catalog::{
        self, RaceSummary,
        race_file::{RaceDraft, read_races},
        race_warning::RaceWarning,
    },
    domain::{ids::RaceId, race::Race},
};

/// Routes of races.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(import, list)).routes(routes!(show))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ImportQuery {
    /// JSON object of header names by what they hold, for columns that are not found by their usual names.
    #[param(example = r#"{"finish": "Fin Pos"}"#)]
    columns: Option<String>,
}

/// What an import did.
#[derive(Debug, Serialize, ToSchema)]
struct RaceImport {
    /// Races that were not there before.
    inserted: usize,
    /// Races that were there with other content; models and slates that used the old content keep what they found.
    replaced: usize,
    /// Races that were there already.
    unchanged: usize,
    /// Keys of the file's races, in race order.
    races: Vec<String>,
    /// What is unusual but happens in real sources.
    warnings: Vec<RaceWarning>,
}

/// Import races.
///
/// CSV with a header, one row per entry: results of past races, or entry lists of races to come (no finish positions). A file is
/// taken as a whole or not at all; importing it again changes nothing.
#[utoipa::path(
    post, path = "/v1/races", tag = "races", params(ImportQuery),
    request_body(content = String, content_type = "text/csv", description = "The file, UTF-8."),
    responses((status = 200, description = "The races are stored.", body = RaceImport))
)]
async fn import(
    State(state): State<ApiState>,
    Submitter(principal): Submitter,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Query(query): Query<ImportQuery>,
    CsvText(text): CsvText,
) -> Result<Json<RaceImport>, ApiError> {
    let map = column_map(query.columns.as_deref())?;
    let limits = state.catalog().clone();
    let file = read_file(move || read_races(text.as_bytes(), &map, &limits)).await?;
    let stored = catalog::insert_races(state.db(), &principal.team, &file.races).await?;
    let subject = format!("{} races", file.races.len());
    let entry = AuditEntry {
        principal: &principal,
        action: Action::RacesImported,
        subject: &subject,
        request_id: &request_id.0,
    };
    auth::record_or_log(state.db(), entry).await;
    Ok(Json(RaceImport {
        inserted: stored.inserted,
        replaced: stored.replaced,
        unchanged: stored.unchanged,
        races: file.races.iter().map(RaceDraft::key).collect(),
        warnings: file.warnings,
    }))
}

/// The team's races, latest first.
#[utoipa::path(
    get, path = "/v1/races", tag = "races", params(PageQuery),
    responses((status = 200, body = Page<RaceSummary>, headers(("Link" = String, description = "The next page, where there is one."))))
)]
async fn list(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let limit = page_items(query.limit, state.config())?;
    let after = read_cursor(query.cursor.as_deref())?;
    let listed = catalog::list_races(state.db(), &principal.team, after.as_ref(), limit).await?;
    Ok(Page::of(listed, |race: RaceSummary| race).into_response_for(&uri))
}

/// A race with its entries.
#[utoipa::path(get, path = "/v1/races/{id}", tag = "races", params(("id" = RaceId, Path)), responses((status = 200, body = Race)))]
async fn show(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Id(id): Id<RaceId>,
) -> Result<Json<Race>, ApiError> {
    Ok(Json(catalog::race(state.db(), &principal.team, &id).await?))
}
