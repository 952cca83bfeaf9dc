//! A job's events as they happen, as server-sent events. The sequence of an event is its id: a client that lost the connection
//! sends the last one it saw in `Last-Event-ID` and misses nothing, because the events are rows.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event as SseEvent, KeepAlive},
    },
};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    caller::Reader, changes::Changes, error::ApiError, job_events::EventView, jobs::find, params::Id, state::ApiState,
};
use crate::{
    domain::{ids::JobId, problem::Problem},
    jobs::{
        self,
        events::{self, Event},
    },
};

const LAST_EVENT_ID: &str = "last-event-id";
/// Events read at a time.
const BATCH: u32 = 100;
/// A comment is sent when nothing happened for this long, so that proxies do not take the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The route of a job's event stream.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(follow))
}

/// What happens to a job, as it happens.
///
/// Server-sent events: `event` is the kind, `id` the sequence, `data` the event as in the list of events. The stream ends after
/// the last event of a job that has ended; whoever comes back after that is answered 204, which tells browsers to stay away.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/events/stream", tag = "jobs",
    params(
        ("id" = JobId, Path),
        ("Last-Event-ID" = Option<i64>, Header, description = "Only events after this one; browsers send it by themselves.")
    ),
    responses(
        (status = 200, description = "The events, oldest first.", body = String, content_type = "text/event-stream"),
        (status = 204, description = "The job has ended and there are no further events.")
    )
)]
async fn follow(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Id(id): Id<JobId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = last_event_id(&headers)?;
    find(&state, &principal, &id).await?;
    let streams_max = state.config().event_streams_max;
    let permit = state.event_streams().clone().try_acquire_owned().map_err(|_| too_many(streams_max))?;
    let changes = Changes::of(&state, &id);
    let mut follower = Follower { state, job: id, after, changes, waiting: VecDeque::new(), _permit: permit };
    if follower.is_over().await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<i64, ApiError> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(0) };
    let sequence = value.to_str().ok().and_then(|text| text.trim().parse().ok()).filter(|sequence| *sequence >= 0);
    sequence.ok_or_else(|| {
        Problem::new(
            "malformed-header",
            "A header cannot be used",
            "Last-Event-ID is not the id of an event.",
            "Send the `id` of the last event that arrived, or leave it out to get all events.",
        )
        .at("Last-Event-ID")
        .into()
    })
}

fn too_many(streams_max: usize) -> ApiError {
    ApiError::new(
        Problem::new(
            "overloaded",
            "The server is busy",
            "It has as many streams of events open as it may.",
            "Retry after the time in Retry-After, or poll the list of events.",
        )
        .with_limit(format!("{streams_max} streams at the same time")),
    )
    .retry_after(5)
}

/// One client's place in a job's events.
struct Follower {
    state: ApiState,
    job: JobId,
    /// Sequence of the last event that was sent or lies in `waiting`.
    after: i64,
    changes: Changes,
    waiting: VecDeque<Event>,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// The next event; `None` after the last one, when the server stops, or where the database fails: the client comes back with
    /// the id of the last event that it saw.
    async fn next(&mut self) -> Option<SseEvent> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(sent(event));
            }
            match self.is_over().await {
                Ok(true) => return None,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(job.id = %self.job, code = error.code(), "a stream of events ends early");
                    return None;
                }
            }
            if self.waiting.is_empty() && !self.changes.wait().await {
                return None;
            }
        }
    }

    /// Fetches what has happened; true where nothing more can come.
    async fn is_over(&mut self) -> Result<bool, ApiError> {
        // The state first: its last event is committed with it, so it cannot come after this look.
        let has_ended = jobs::query::state(self.state.db(), &self.job).await?.is_terminal();
        self.waiting.extend(events::since(self.state.db(), &self.job, self.after, BATCH).await?);
        self.after = self.waiting.back().map_or(self.after, |event| event.sequence);
        Ok(has_ended && self.waiting.is_empty())
    }
}

fn sent(event: Event) -> SseEvent {
    let (id, kind) = (event.sequence.to_string(), event.kind.as_str());
    let data = serde_json::to_string(&EventView::from(event)).unwrap_or_default();
    SseEvent::default().id(id).event(kind).data(data)
}
