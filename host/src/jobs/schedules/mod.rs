//! Schedules: jobs that are made again and again, at the times of a cron expression. Here are their rows; [`fire`] makes the jobs,
//! [`recurrence`] knows the times. What a job does is not known here: planning it is the caller's.

pub mod fire;
mod limits;
pub mod recurrence;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row as _;
use utoipa::ToSchema;

pub use limits::{FIRED_PER_ROUND_MAX, SchedulesConfig};

use super::{
    claim::{parse_id, read_json, small},
    error::JobsError,
};
use crate::{
    db::{Db, DbError, Row, WriteTx},
    domain::{
        ids::{JobId, KeyId, ScheduleId, TeamId},
        problem::Problem,
    },
};

/// What becomes of times that nobody was there to fire at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// It fires once for all of them, as soon as a server runs again.
    #[default]
    Once,
    /// It fires at the next time only.
    Skip,
}

impl CatchUp {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Skip => "skip",
        }
    }
}

/// What a person decides about a schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// The key that its jobs belong to.
    pub key: KeyId,
    /// Unique within the team.
    pub name: String,
    /// When it fires, see [`recurrence::Recurrence`].
    pub cron: String,
    /// IANA name of the time zone that the expression is read in.
    pub time_zone: String,
    /// What becomes of missed times.
    pub catch_up: CatchUp,
    /// The body of a job's submission.
    pub request: Value,
    /// Its first fire time from now on, in microseconds since 1970-01-01 UTC; `None` = disabled.
    pub next_fire_us: Option<i64>,
}

/// A schedule as it stands. Times are microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The schedule.
    pub id: ScheduleId,
    /// Whose it is.
    pub team: TeamId,
    /// What was decided about it, with when it fires next.
    pub terms: Terms,
    /// Why the server disabled it, where it did.
    pub disabled_reason: Option<String>,
    /// When it last fired, also where that made no job.
    pub last_fire_us: Option<i64>,
    /// The last job that it made.
    pub last_job: Option<JobId>,
    /// Why its last firing made none.
    pub last_problem: Option<Problem>,
    /// Firings that have failed since the last one that made a job.
    pub failures_in_a_row: u32,
    /// When it was made.
    pub created_us: i64,
    /// When a client last changed it.
    pub updated_us: i64,
    /// Rises with every change by a client.
    pub revision: i64,
}

/// The last schedule of a page; the next page starts after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleCursor {
    /// When it was made.
    pub created_us: i64,
    /// The schedule.
    pub id: ScheduleId,
}

const COUNT: &str = "SELECT COUNT(*) FROM schedules WHERE team_id = $1";
const INSERT: &str = "
    INSERT INTO schedules (id, team_id, key_id, name, cron, time_zone, catch_up, request, enabled, next_fire_us,
        created_us, updated_us)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now_us, now_us FROM clock";

/// Stores a schedule, where the team has fewer than `per_team_max`.
///
/// # Errors
/// [`JobsError::TooManySchedules`], [`JobsError::ScheduleNameTaken`], or [`JobsError::Db`]. Roll the transaction back then.
pub async fn insert_in(
    tx: &mut WriteTx,
    team: &TeamId,
    terms: &Terms,
    per_team_max: u32,
) -> Result<ScheduleId, JobsError> {
    tx.take_turns(team.as_str()).await?;
    let count: i64 = sqlx::query_scalar(COUNT).bind(team.as_str()).fetch_one(&mut **tx).await?;
    if count >= i64::from(per_team_max) {
        return Err(JobsError::TooManySchedules(per_team_max));
    }
    let id = ScheduleId::random();
    let inserted = sqlx::query(INSERT)
        .bind(id.as_str())
        .bind(team.as_str())
        .bind(terms.key.as_str())
        .bind(&terms.name)
        .bind(&terms.cron)
        .bind(&terms.time_zone)
        .bind(terms.catch_up.as_str())
        .bind(terms.request.to_string())
        .bind(i64::from(terms.next_fire_us.is_some()))
        .bind(terms.next_fire_us)
        .execute(&mut **tx)
        .await;
    inserted.map_err(|error| name_taken(error, &terms.name))?;
    Ok(id)
}

fn name_taken(error: sqlx::Error, name: &str) -> JobsError {
    match DbError::from(error) {
        error if error.is_duplicate() => JobsError::ScheduleNameTaken(name.to_owned()),
        error => error.into(),
    }
}

/// What a client decides anew is a fresh start: earlier failures no longer count.
const UPDATE: &str = "
    UPDATE schedules
    SET key_id = $3, name = $4, cron = $5, time_zone = $6, catch_up = $7, request = $8, enabled = $9, next_fire_us = $10,
        disabled_reason = NULL, failures_in_a_row = 0, revision = revision + 1,
        updated_us = (SELECT now_us FROM clock)
    WHERE id = $1 AND revision = $2";

/// Gives a schedule new terms, where nobody has changed it since it was read.
///
/// # Errors
/// [`JobsError::ScheduleChanged`], [`JobsError::ScheduleNameTaken`], or [`JobsError::Db`]; nothing has changed then.
pub async fn update(db: &Db, read: &Schedule, terms: &Terms) -> Result<(), JobsError> {
    let mut tx = db.write().await?;
    let updated = sqlx::query(UPDATE)
        .bind(read.id.as_str())
        .bind(read.revision)
        .bind(terms.key.as_str())
        .bind(&terms.name)
        .bind(&terms.cron)
        .bind(&terms.time_zone)
        .bind(terms.catch_up.as_str())
        .bind(terms.request.to_string())
        .bind(i64::from(terms.next_fire_us.is_some()))
        .bind(terms.next_fire_us)
        .execute(&mut *tx)
        .await
        .map_err(|error| name_taken(error, &terms.name))?;
    if updated.rows_affected() == 0 {
        return Err(JobsError::ScheduleChanged(read.id.clone()));
    }
    Ok(tx.commit().await?)
}

const DELETE: &str = "DELETE FROM schedules WHERE id = $1";

/// Deletes a schedule; its jobs stay. A second time changes nothing.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn delete(db: &Db, id: &ScheduleId) -> Result<(), JobsError> {
    let mut tx = db.write().await?;
    sqlx::query(DELETE).bind(id.as_str()).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

const GET: &str = "
    SELECT id, team_id, key_id, name, cron, time_zone, catch_up, request, disabled_reason, next_fire_us, last_fire_us,
        last_job, last_problem, failures_in_a_row, revision, created_us, updated_us
    FROM schedules WHERE id = $1";

/// A schedule.
///
/// # Errors
/// [`JobsError::UnknownSchedule`], or [`JobsError::Db`].
pub async fn get(db: &Db, id: &ScheduleId) -> Result<Schedule, JobsError> {
    let row = sqlx::query(GET).bind(id.as_str()).fetch_optional(db.read()).await?;
    read_schedule(&row.ok_or_else(|| JobsError::UnknownSchedule(id.clone()))?)
}

const LIST: &str = "
    SELECT id, team_id, key_id, name, cron, time_zone, catch_up, request, disabled_reason, next_fire_us, last_fire_us,
        last_job, last_problem, failures_in_a_row, revision, created_us, updated_us
    FROM schedules
    WHERE team_id = $1 AND (CAST($2 AS BIGINT) IS NULL OR (created_us, id) < ($2, $3))
    ORDER BY created_us DESC, id DESC LIMIT $4";

/// At most `limit` of a team's schedules after `after`, newest first.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn list(
    db: &Db,
    team: &TeamId,
    after: Option<&ScheduleCursor>,
    limit: u32,
) -> Result<Vec<Schedule>, JobsError> {
    let rows = sqlx::query(LIST)
        .bind(team.as_str())
        .bind(after.map(|cursor| cursor.created_us))
        .bind(after.map(|cursor| cursor.id.as_str()))
        .bind(i64::from(limit))
        .fetch_all(db.read())
        .await?;
    rows.iter().map(read_schedule).collect()
}

fn read_schedule(row: &Row) -> Result<Schedule, JobsError> {
    let catch_up: &str = row.try_get("catch_up")?;
    let last_job: Option<&str> = row.try_get("last_job")?;
    let last_problem: Option<&str> = row.try_get("last_problem")?;
    Ok(Schedule {
        id: parse_id(row, "id", "schedules.id")?,
        team: parse_id(row, "team_id", "schedules.team_id")?,
        terms: Terms {
            key: parse_id(row, "key_id", "schedules.key_id")?,
            name: row.try_get("name")?,
            cron: row.try_get("cron")?,
            time_zone: row.try_get("time_zone")?,
            catch_up: [CatchUp::Once, CatchUp::Skip]
                .into_iter()
                .find(|policy| policy.as_str() == catch_up)
                .ok_or_else(|| JobsError::unreadable("schedules.catch_up", catch_up))?,
            request: read_json(row, "request", "schedules.request")?,
            next_fire_us: row.try_get("next_fire_us")?,
        },
        disabled_reason: row.try_get("disabled_reason")?,
        last_fire_us: row.try_get("last_fire_us")?,
        last_job: last_job
            .map(str::parse)
            .transpose()
            .map_err(|error| JobsError::unreadable("schedules.last_job", error))?,
        last_problem: last_problem
            .map(serde_json::from_str)
            .transpose()
            .map_err(|error| JobsError::unreadable("schedules.last_problem", error))?,
        failures_in_a_row: small(row.try_get("failures_in_a_row")?),
        created_us: row.try_get("created_us")?,
        updated_us: row.try_get("updated_us")?,
        revision: row.try_get("revision")?,
    })
}
