//! What happened to jobs, durably and in order. Whoever lost the connection asks again from the last sequence seen.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Row as _;

use super::error::JobsError;
use crate::{
    db::{Db, Hint, Row, WriteTx},
    domain::{ids::JobId, job::JobState},
};

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The job has another state: `{"state", "problem"?}`.
    State,
    /// A task has come further or a stage has begun: `{"stage", "index"?, "progress", "note"}`, progress of the whole job, 0..1.
    Progress,
    /// How one component of the result went: a `Component`.
    Component,
    /// A line for people: `{"level", "message", "stage", "index"}`.
    Log,
}

impl EventKind {
    /// The name used in the database and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Progress => "progress",
            Self::Component => "component",
            Self::Log => "log",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::State, Self::Progress, Self::Component, Self::Log].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One event of a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Grows with every event; never used twice.
    pub sequence: i64,
    /// What it tells.
    pub kind: EventKind,
    /// The details, see [`EventKind`].
    pub data: Value,
    /// When, in microseconds since 1970-01-01 UTC.
    pub created_us: i64,
}

const SINCE: &str = "
    SELECT sequence, kind, data, created_us FROM events
    WHERE job_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";

/// A job's events after `sequence` (0 for all), oldest first, at most `limit` of them.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn since(db: &Db, job: &JobId, sequence: i64, limit: u32) -> Result<Vec<Event>, JobsError> {
    let rows = sqlx::query(SINCE).bind(job.as_str()).bind(sequence).bind(i64::from(limit)).fetch_all(db.read()).await?;
    rows.iter().map(read_event).collect()
}

fn read_event(row: &Row) -> Result<Event, JobsError> {
    let kind: &str = row.try_get("kind")?;
    let data: &str = row.try_get("data")?;
    Ok(Event {
        sequence: row.try_get("sequence")?,
        kind: EventKind::from_name(kind).ok_or_else(|| JobsError::unreadable("events.kind", kind))?,
        data: serde_json::from_str(data).map_err(|error| JobsError::unreadable("events.data", error))?,
        created_us: row.try_get("created_us")?,
    })
}

/// An event that is about to be written.
#[derive(Debug)]
pub(super) struct NewEvent<'a> {
    /// The job that it happened to.
    pub(super) job: &'a JobId,
    /// What it tells.
    pub(super) kind: EventKind,
    /// The details.
    pub(super) data: Value,
}

impl<'a> NewEvent<'a> {
    /// The job's state is now `state`.
    pub(super) fn state(job: &'a JobId, state: JobState) -> Self {
        Self { job, kind: EventKind::State, data: json!({ "state": state }) }
    }
}

/// Numbers are given out in the order of the list, so a job's events are in the order in which they are appended. The list is the
/// outer loop (CROSS JOIN): SQLite would otherwise go through all jobs.
const APPEND: &str = "
    INSERT INTO events (job_id, team_id, kind, data, created_us)
    SELECT jobs.id, jobs.team_id, item.value ->> 'kind', item.value ->> 'data', (SELECT now_us FROM clock)
    FROM json_each($1) AS item CROSS JOIN jobs WHERE jobs.id = item.value ->> 'job'
    ORDER BY CAST(item.value ->> 'place' AS BIGINT)
    RETURNING CASE WHEN kind = 'state' AND EXISTS (
            SELECT 1 FROM webhooks WHERE webhooks.team_id = events.team_id AND webhooks.disabled_us IS NULL)
        THEN sequence END AS told";

/// Appends events in the transaction that makes them true.
pub(super) async fn append_all(tx: &mut WriteTx, new: &[NewEvent<'_>]) -> Result<(), JobsError> {
    if new.is_empty() {
        return Ok(());
    }
    let items: Vec<_> = new.iter().enumerate().map(|(place, event)| {
        json!({ "place": place, "job": event.job, "kind": event.kind.as_str(), "data": event.data.to_string() })
    }).collect();
    // Most teams have no webhook: then there is nothing to hand on.
    let told: Vec<Option<i64>> = sqlx::query_scalar(APPEND).bind(json!(items).to_string()).fetch_all(&mut **tx).await?;
    let told: Vec<i64> = told.into_iter().flatten().collect();
    fan_out(tx, &told).await?;
    new.iter().for_each(|event| tx.hint(Hint::JobChanged(event.job.clone())));
    Ok(())
}

/// Appends one event in the transaction that makes it true.
pub(super) async fn append(tx: &mut WriteTx, job: &JobId, kind: EventKind, data: &Value) -> Result<(), JobsError> {
    append_all(tx, &[NewEvent { job, kind, data: data.clone() }]).await
}

/// The list is the outer loop here as well.
const FAN_OUT: &str = "
    INSERT INTO webhook_deliveries
        (webhook_id, event_type, sequence, job_id, job_kind, job_name, data, created_us, due_us)
    SELECT webhooks.id, 'job.' || (events.data /*+ ::jsonb +*/ ->> 'state'), events.sequence, jobs.id, jobs.kind, jobs.name,
        events.data, events.created_us, events.created_us
    FROM json_each($1) AS item
    CROSS JOIN events
    JOIN webhooks ON webhooks.team_id = events.team_id
    JOIN jobs ON jobs.id = events.job_id
    WHERE events.sequence = CAST(item.value ->> 'sequence' AS BIGINT)
        AND webhooks.disabled_us IS NULL
        AND (webhooks.event_types IS NULL
            OR ' ' || webhooks.event_types || ' ' LIKE '% job.' || (events.data /*+ ::jsonb +*/ ->> 'state') || ' %')";

/// Hands state events to the webhooks that want them, in the transaction that appends the events: what is committed is told.
async fn fan_out(tx: &mut WriteTx, sequences: &[i64]) -> Result<(), JobsError> {
    if sequences.is_empty() {
        return Ok(());
    }
    let listed: Vec<_> = sequences.iter().map(|sequence| json!({ "sequence": sequence })).collect();
    let handed = sqlx::query(tx.sql(FAN_OUT)).bind(json!(listed).to_string()).execute(&mut **tx).await?;
    if handed.rows_affected() > 0 {
        tx.hint(Hint::DeliveryDue);
    }
    Ok(())
}
