//! Slates: import a contest's list of players and salaries for a race, list and read what is there.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    audit::audit,
    body::CsvText,
    caller::{Reader, Submitter},
    error::ApiError,
    idempotency::{self, IdempotencyKey},
    import::{column_map, read_file},
    job_labels::is_name,
    page::{Page, PageQuery, page_items, read_cursor},
    params::{Id, Query},
    respond::{RequestId, located},
    slate_race,
    state::ApiState,
};
use crate::{
    auth::{Action, Principal, idempotency::KeyedRequest},
    catalog::{
        self, NewSlate, SlateSummary,
        slate_file::{SlateFormat, read_slate},
        slate_match::{NameMatch, NameReport, match_slate},
    },
    domain::{
        contest::Contest,
        ids::{InvalidId, SlateId},
        problem::Problem,
        slate::Slate,
    },
};

/// Routes of slates.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(import, list)).routes(routes!(show))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ImportQuery {
    /// A name for people.
    #[param(example = "Sunday, main slate")]
    pub name: String,
    /// Key of the contest.
    #[param(example = "draftkings-nascar-classic-2021")]
    pub contest: String,
    /// The race: its id, or its key.
    #[param(example = "2026-08")]
    pub race: String,
    /// Name of the track. Where it is given, the race is one to come, and its entries are made from this file, which must have
    /// start positions; drivers of past races keep their teams.
    pub track: Option<String>,
    /// Kind of track, with `track`.
    #[param(example = "short")]
    pub track_type: Option<String>,
    /// Scheduled laps, with `track`.
    pub race_laps: Option<u16>,
    /// Name of the race, with `track`; the track's where absent.
    pub race_name: Option<String>,
    /// JSON object of header names by what they hold, for columns that are not found by their usual names.
    #[param(example = r#"{"salary": "Cost"}"#)]
    pub columns: Option<String>,
}

/// How the file's names were matched.
#[derive(Debug, Serialize, ToSchema)]
struct Names {
    /// Letter by letter.
    exact: usize,
    /// After normalising case, accents, punctuation and order.
    by_normal_form: usize,
    /// By similarity alone: look at these.
    approximate: usize,
    /// Not to any driver of past races; only where the race is made from the slate.
    new_drivers: usize,
    /// Each name that was not matched letter by letter.
    differing: Vec<NameMatch>,
}

impl From<NameReport> for Names {
    fn from(report: NameReport) -> Self {
        let (exact, by_normal_form, approximate) = (report.exact(), report.by_normal_form(), report.approximate());
        let new_drivers = report.unmatched().count();
        let is_exact = |name: &NameMatch| name.matched.as_deref() == Some(name.name.as_str());
        let differing = report.names.into_iter().filter(|name| !is_exact(name)).collect();
        Self { exact, by_normal_form, approximate, new_drivers, differing }
    }
}

/// What an import did.
#[derive(Debug, Serialize, ToSchema)]
struct SlateImport {
    /// The slate.
    slate: Slate,
    /// The format that the file was recognised as.
    format: SlateFormat,
    /// How its names were matched.
    names: Names,
}

/// Import a slate.
///
/// CSV as DraftKings and FanDuel export it, or a table with at least a driver and a salary. Every driver must be in the race; names
/// are matched by spelling, then by normal form, then by similarity, and the answer says how.
#[utoipa::path(
    post, path = "/v1/slates", tag = "slates",
    params(
        ImportQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request, so that it can be repeated safely.")
    ),
    request_body(content = String, content_type = "text/csv", description = "The file, UTF-8."),
    responses((status = 201, description = "The slate is stored.", body = SlateImport, headers(
        ("Location" = String, description = "The slate."),
        ("Idempotency-Replayed" = bool, description = "`true` where an earlier request with this key made the slate.")
    )))
)]
async fn import(
    State(state): State<ApiState>,
    Submitter(principal): Submitter,
    axum::Extension(request_id): axum::Extension<RequestId>,
    key: IdempotencyKey,
    uri: Uri,
    Query(query): Query<ImportQuery>,
    CsvText(text): CsvText,
) -> Result<Response, ApiError> {
    let asked = key.of_request("POST /v1/slates", &[uri.query().unwrap_or_default().as_bytes(), text.as_bytes()]);
    let contest = check_request(&state, &query)?.key.clone();
    let map = column_map(query.columns.as_deref())?;
    let limits = state.catalog().clone();
    let file = read_file(move || read_slate(text.as_bytes(), &map, &limits)).await?;
    let found = slate_race::find_or_make(&state, &principal, &query, &file).await?;
    let (entries, own_report) = match_slate(&file, &found.entries, state.catalog())?;
    let report = found.report.unwrap_or(own_report);
    let new = NewSlate { name: query.name.trim().to_owned(), contest, race: found.race, entries };
    let (slate, is_new) = store(&state, &principal, new, asked.as_ref()).await?;
    if is_new {
        audit(&state, &principal, Action::SlateImported, &slate.id, &request_id).await;
    }
    let location = format!("/v1/slates/{}", slate.id);
    let import = SlateImport { slate, format: file.format, names: report.into() };
    let response = located(StatusCode::CREATED, location, import);
    Ok(if is_new { response } else { idempotency::replayed(response) })
}

/// The contest that the request names, where the rest of it can be right.
fn check_request<'a>(state: &'a ApiState, query: &ImportQuery) -> Result<&'a Contest, ApiError> {
    if !is_name(query.name.trim(), state.config()) {
        let range = format!("1..={} printable characters", state.config().name_chars_max);
        let problem = Problem::invalid("name", "The name is not a text that can be shown.", format!("Send {range}."));
        return Err(problem.with_limit(range).into());
    }
    state.contests().get(&query.contest).ok_or_else(|| {
        let known: Vec<&str> = state.contests().list().map(|contest| contest.key.as_str()).collect();
        let detail = format!("There is no contest `{}`.", query.contest.chars().take(80).collect::<String>());
        Problem::invalid("contest", detail, format!("Send one of {}.", known.join(", "))).into()
    })
}

/// Stores the slate with the request's key in one transaction. A slate that an earlier copy of the request made is given back
/// instead, with `false`.
async fn store(
    state: &ApiState,
    principal: &Principal,
    new: NewSlate,
    asked: Option<&KeyedRequest>,
) -> Result<(Slate, bool), ApiError> {
    let mut tx = state.db().write().await?;
    let slate = catalog::insert_slate_in(&mut tx, &principal.team, new).await?;
    if let Some(earlier) = idempotency::record_in(&mut tx, state, principal, asked, slate.id.as_str()).await? {
        tx.rollback().await?;
        let id = earlier.parse().map_err(|error: InvalidId| ApiError::internal(&error))?;
        return Ok((catalog::slate(state.db(), &principal.team, &id).await?, false));
    }
    tx.commit().await?;
    Ok((slate, true))
}

/// The team's slates, newest first.
#[utoipa::path(
    get, path = "/v1/slates", tag = "slates", params(PageQuery),
    responses((status = 200, body = Page<SlateSummary>, headers(("Link" = String, description = "The next page, where there is one."))))
)]
async fn list(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let limit = page_items(query.limit, state.config())?;
    let after = read_cursor(query.cursor.as_deref())?;
    let listed = catalog::list_slates(state.db(), &principal.team, after.as_ref(), limit).await?;
    Ok(Page::of(listed, |slate: SlateSummary| slate).into_response_for(&uri))
}

/// A slate with its entries.
#[utoipa::path(get, path = "/v1/slates/{id}", tag = "slates", params(("id" = SlateId, Path)), responses((status = 200, body = Slate)))]
async fn show(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Id(id): Id<SlateId>,
) -> Result<Json<Slate>, ApiError> {
    Ok(Json(catalog::slate(state.db(), &principal.team, &id).await?))
}
