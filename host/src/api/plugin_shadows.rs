//! How a version did as a candidate beside others: job by job, and over all of them.

use axum::{
    Json,
    extract::{Path, State},
    http::Uri,
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    caller::Reader,
    error::ApiError,
    page::{Page, PageQuery, page_items, read_cursor},
    params::Query,
    plugin_views::find,
    state::ApiState,
    time::rfc3339,
};
use crate::{
    catalog::{self, plugins::ShadowRun},
    domain::{ids::JobId, problem::Problem},
    results::{ShadowReport, ShadowSummary, summaries},
};

/// Comparisons that a summary is of, the newest ones.
const SUMMED_MAX: u32 = 500;

/// Routes of comparisons.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(summary))
}

/// A comparison of a version with the one that made a job's result.
#[derive(Debug, Serialize, ToSchema)]
struct ShadowView {
    /// The job.
    job: JobId,
    /// When it ended.
    #[schema(format = DateTime)]
    at: String,
    /// What was found, as in the job's result.
    #[schema(value_type = ShadowReport)]
    report: Value,
}

/// How a version did beside others.
///
/// Every job of the team in which it ran as a shadow: what a promotion is decided on.
#[utoipa::path(
    get, path = "/v1/plugins/{name}/{version}/shadows", tag = "plugins",
    params(("name" = String, Path, example = "my-rule"), ("version" = String, Path, example = "0.2.0"), PageQuery),
    responses((status = 200, body = Page<ShadowView>, headers(("Link" = String, description = "The next page, where there is one."))))
)]
async fn list(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    uri: Uri,
    Path((name, version)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let limit = page_items(query.limit, state.config())?;
    let after = read_cursor(query.cursor.as_deref())?;
    let plugin = find(&state, &principal.team, &name, &version).await?;
    let listed =
        catalog::plugins::list_shadow_runs(state.db(), &principal.team, &plugin.id, after.as_ref(), limit).await?;
    let view = |run: ShadowRun| ShadowView { job: run.job, at: rfc3339(run.at_us), report: run.report };
    Ok(Page::of(listed, view).into_response_for(&uri))
}

/// What comparisons add up to.
#[derive(Debug, Serialize, ToSchema)]
struct ShadowSummaries {
    /// One element for each version that it ran beside, by the part that it had.
    items: Vec<ShadowSummary>,
    /// Whether these are all comparisons; else the newest 500.
    is_complete: bool,
}

/// What a version's comparisons add up to.
///
/// Over the newest 500 jobs of the team in which it ran as a shadow: verdicts by reason, forecast scores of each race once, by its newest
/// forecast, and costs.
#[utoipa::path(
    get, path = "/v1/plugins/{name}/{version}/shadows/summary", tag = "plugins",
    params(("name" = String, Path, example = "my-rule"), ("version" = String, Path, example = "0.2.0")),
    responses((status = 200, body = ShadowSummaries))
)]
async fn summary(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<ShadowSummaries>, ApiError> {
    let plugin = find(&state, &principal.team, &name, &version).await?;
    let listed = catalog::plugins::list_shadow_runs(state.db(), &principal.team, &plugin.id, None, SUMMED_MAX).await?;
    let reports = listed.items.iter().map(|run| ShadowReport::deserialize(&run.report));
    let reports = reports.collect::<Result<Vec<_>, _>>();
    let reports = reports.map_err(|error| Problem::internal(format!("A comparison cannot be read: {error}.")))?;
    Ok(Json(ShadowSummaries { items: summaries(&reports), is_complete: listed.next.is_none() }))
}
