//! The list of a team's jobs: filters, and pages that stay in place while jobs arrive.

use axum::{extract::State, http::Uri, response::Response};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    caller::Reader,
    error::ApiError,
    job_views::JobView,
    page::{Page, bad_cursor, page_items},
    params::Query,
    state::ApiState,
};
use crate::{
    domain::{
        ids::InvalidId,
        job::{JobKind, JobState},
        problem::Problem,
    },
    jobs::list::{self, JobCursor, JobFilter, Origin},
};

/// The route of the list.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list_jobs))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only jobs of this kind.
    kind: Option<JobKind>,
    /// Only jobs in this state.
    state: Option<JobState>,
    /// Only jobs with this tag.
    #[param(example = "sunday")]
    tag: Option<String>,
    /// Only jobs of exactly this name.
    name: Option<String>,
    /// Only jobs that this schedule made; `none` for those that no schedule made.
    schedule: Option<String>,
    /// Only jobs submitted at this time or later (RFC 3339).
    #[param(example = "2026-04-12T00:00:00Z")]
    created_from: Option<String>,
    /// Only jobs submitted before this time (RFC 3339).
    #[param(example = "2026-04-13T00:00:00Z")]
    created_before: Option<String>,
    /// Items of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The team's jobs, newest first.
///
/// Filters add up: a job is listed where it is all of what is asked for.
#[utoipa::path(
    get, path = "/v1/jobs", operation_id = "list_jobs", tag = "jobs", params(ListQuery),
    responses((status = 200, body = Page<JobView>, headers(("Link" = String, description = "The next page, where there is one."))))
)]
async fn list_jobs(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    uri: Uri,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let limit = page_items(query.limit, state.config())?;
    let after = query.cursor.as_deref().map(read_cursor).transpose()?;
    let filter = JobFilter {
        kind: query.kind,
        state: query.state,
        tag: query.tag,
        name: query.name,
        origin: query.schedule.as_deref().map(read_origin).transpose()?,
        created_from_us: read_time("created_from", query.created_from.as_deref())?,
        created_before_us: read_time("created_before", query.created_before.as_deref())?,
    };
    let page = list::list(state.db(), &principal.team, &filter, after.as_ref(), limit).await?;
    let items = JobView::of_all(&state, page.jobs).await?;
    Ok(Page { items, next_cursor: page.next.as_ref().map(write_cursor) }.into_response_for(&uri))
}

fn read_time(field: &str, text: Option<&str>) -> Result<Option<i64>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let time: Timestamp = text.parse().map_err(|_| {
        // A plus that was not encoded arrives as a space.
        let action = "Send a time like 2026-04-12T18:00:00Z, with its + as %2B where it has one.";
        Problem::invalid(field, format!("`{}` is not a time.", text.chars().take(40).collect::<String>()), action)
    })?;
    Ok(Some(time.as_microsecond()))
}

fn read_origin(text: &str) -> Result<Origin, ApiError> {
    if text == "none" {
        return Ok(Origin::Client);
    }
    let action = "Send the id of a schedule, or `none`.";
    let id = text.parse().map_err(|error: InvalidId| Problem::invalid("schedule", format!("{error}."), action))?;
    Ok(Origin::Schedule(id))
}

/// The last job of a page as text that fits a query: its time, a dot, its id.
fn write_cursor(cursor: &JobCursor) -> String {
    format!("{}.{}", cursor.created_us, cursor.id)
}

fn read_cursor(text: &str) -> Result<JobCursor, ApiError> {
    let parts = text.split_once('.').and_then(|(time, id)| Some((time.parse().ok()?, id.parse().ok()?)));
    parts.map(|(created_us, id)| JobCursor { created_us, id }).ok_or_else(bad_cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_its_offset_and_nothing_else_is_one() {
        assert_eq!(read_time("created_from", Some("1970-01-01T01:00:00.5+01:00")).unwrap(), Some(500_000));
        assert_eq!(read_time("created_from", None).unwrap(), None);
        for wrong in ["", "yesterday", "2026-04-12", "2026-04-12T18:00:00"] {
            let error = read_time("created_from", Some(wrong)).unwrap_err();
            assert_eq!(error.problem().field.as_deref(), Some("created_from"), "{wrong}");
        }
    }
}
