//! What happened to jobs, durably and in order. Whoever lost the connection asks again from the last sequence seen.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row as _;

use super::error::JobsError;
use crate::{
    db::{Db, Hint, Row, WriteTx},
    domain::ids::JobId,
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

const APPEND: &str = "
    INSERT INTO events (job_id, team_id, kind, data, created_us)
    SELECT id, team_id, $2, $3, (SELECT now_us FROM clock) FROM jobs WHERE id = $1";

/// Appends an event in the transaction that makes it true.
pub(super) async fn append(tx: &mut WriteTx, job: &JobId, kind: EventKind, data: &Value) -> Result<(), JobsError> {
    sqlx::query(APPEND).bind(job.as_str()).bind(kind.as_str()).bind(data.to_string()).execute(&mut **tx).await?;
    tx.hint(Hint::JobChanged(job.clone()));
    Ok(())
}
