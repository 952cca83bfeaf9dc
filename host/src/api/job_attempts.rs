//! The attempts at a job's tasks, page by page: who ran what, for how long, and how it ended.

use axum::{extract::State, http::Uri, response::Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    caller::Reader,
    error::ApiError,
    job_views::{AttemptView, seconds},
    jobs::find,
    page::{Page, PageQuery, bad_cursor, page_items},
    params::{Id, Query},
    state::ApiState,
    time::rfc3339,
};
use crate::{
    domain::ids::{JobId, TaskId},
    jobs::attempts::{self, AttemptCursor, AttemptRow},
};

/// Routes of a job's attempts.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list_attempts))
}

/// One attempt at one task, with everything that is known of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "task": "task_0123456789abcdef0123456789abcdef",
    "lease_epoch": 1,
    "worker": "process 17",
    "first_heartbeat_at": "2026-04-12T18:00:00.3Z",
    "claim_to_heartbeat_s": 0.3,
    "run_s": 4.1,
    "cpu_s": 3.9,
    "stage": "fit",
    "index": 2,
    "outcome": "succeeded",
    "problem": null,
    "started_at": "2026-04-12T18:00:00Z",
    "finished_at": "2026-04-12T18:00:04.1Z"
})))]
struct AttemptDetail {
    /// Task.
    task: TaskId,
    /// Numbers the claims of a task; attempts that were given back while a server drained are counted too.
    lease_epoch: u64,
    /// Process that ran it.
    #[schema(examples("process 17"))]
    worker: String,
    /// The worker's first sign of life; absent where it ended before its first heartbeat was due.
    #[schema(format = DateTime)]
    first_heartbeat_at: Option<String>,
    /// From the claim to the first sign of life, in seconds.
    claim_to_heartbeat_s: Option<f64>,
    /// How long it ran, in seconds; absent while it runs.
    run_s: Option<f64>,
    /// CPU time of all its threads, in seconds; absent while it runs, and where its process died.
    cpu_s: Option<f64>,
    /// How it went.
    #[serde(flatten)]
    attempt: AttemptView,
}

impl From<AttemptRow> for AttemptDetail {
    fn from(row: AttemptRow) -> Self {
        let since_claim = |at_us: i64| seconds(at_us - row.started_us);
        Self {
            task: row.task.clone(),
            lease_epoch: row.lease_epoch,
            worker: row.worker.clone(),
            first_heartbeat_at: row.first_heartbeat_us.map(rfc3339),
            claim_to_heartbeat_s: row.first_heartbeat_us.map(since_claim),
            run_s: row.finished_us.map(since_claim),
            cpu_s: row.cpu_us.map(seconds),
            attempt: AttemptView::from(row),
        }
    }
}

/// The attempts at a job's tasks, oldest first.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/attempts", tag = "jobs", params(("id" = JobId, Path), PageQuery),
    responses((status = 200, body = Page<AttemptDetail>, headers(("Link" = String, description = "The next page, where there is one."))))
)]
async fn list_attempts(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Id(id): Id<JobId>,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let limit = page_items(query.limit, state.config())?;
    let after = query.cursor.as_deref().map(read_cursor).transpose()?;
    find(&state, &principal, &id).await?;
    let page = attempts::page(state.db(), &id, after.as_ref(), limit).await?;
    let items = page.attempts.into_iter().map(AttemptDetail::from).collect();
    Ok(Page { items, next_cursor: page.next.as_ref().map(write_cursor) }.into_response_for(&uri))
}

/// The last attempt of a page as text that fits a query: its time, task and epoch, with dots between them.
fn write_cursor(cursor: &AttemptCursor) -> String {
    format!("{}.{}.{}", cursor.started_us, cursor.task, cursor.lease_epoch)
}

fn read_cursor(text: &str) -> Result<AttemptCursor, ApiError> {
    let mut parts = text.splitn(3, '.');
    let mut read = || {
        Some(AttemptCursor {
            started_us: parts.next()?.parse().ok()?,
            task: parts.next()?.parse().ok()?,
            lease_epoch: parts.next()?.parse().ok()?,
        })
    };
    read().ok_or_else(bad_cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_query_and_nothing_else_is_one() {
        let cursor = AttemptCursor { started_us: 17, task: TaskId::random(), lease_epoch: 3 };
        assert_eq!(read_cursor(&write_cursor(&cursor)).unwrap(), cursor);
        for wrong in ["", "7", "7.task_1.1", "7.job_0123456789abcdef0123456789abcdef.1"] {
            assert_eq!(read_cursor(wrong).unwrap_err().code(), "invalid-input", "{wrong}");
        }
    }
}
