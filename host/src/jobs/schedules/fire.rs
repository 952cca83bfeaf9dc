//! Firing a schedule: one transaction makes the job and moves the schedule on, so that every time is fired once, whatever dies and
//! however many nodes try. Whoever finds the schedule moved on changes nothing.

use serde_json::json;
use sqlx::Row as _;

use super::{
    CatchUp, Schedule, SchedulesConfig, read_schedule,
    recurrence::{InvalidRecurrence, Recurrence},
};
use crate::{
    db::{Db, WriteTx},
    domain::{
        ids::{JobId, ScheduleId},
        problem::Problem,
    },
    jobs::{
        admission,
        error::JobsError,
        quota::{self, Quota, QuotaDefaults},
        submit::{self, NewJob},
    },
};

/// What a firing came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Fired {
    /// It made this job.
    Job(JobId),
    /// It made none, for a reason that passes: the same job still runs, the team is at its quota, or the time was missed.
    Skipped(Problem),
    /// Its request could not be planned. The next time is tried again.
    Failed(Problem),
    /// It will not fire again until somebody enables it, for this reason.
    Disabled(String),
    /// Another node fired it, or somebody changed it: nothing was written.
    TakenByAnother,
}

/// What the caller made of a schedule that is due.
#[derive(Debug, Clone, PartialEq)]
pub enum Planned {
    /// Its job, ready to be queued.
    Job(NewJob),
    /// Its request cannot be planned as things are.
    Refused(Problem),
    /// The time is missed, see [`Firing::is_missed`].
    Missed,
}

const DUE: &str = "
    SELECT id, team_id, key_id, name, cron, time_zone, catch_up, request, disabled_reason, next_fire_us, last_fire_us,
        last_job, last_problem, failures_in_a_row, revision, created_us, updated_us
    FROM schedules WHERE next_fire_us <= $1 ORDER BY next_fire_us, id LIMIT $2";

/// At most `limit` schedules that are due at `now_us`, the longest due first.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn due(db: &Db, now_us: i64, limit: u32) -> Result<Vec<Schedule>, JobsError> {
    let rows = sqlx::query(DUE).bind(now_us).bind(i64::from(limit)).fetch_all(db.read()).await?;
    rows.iter().map(read_schedule).collect()
}

const NEXT_DUE: &str = "SELECT MIN(next_fire_us) AS due_us FROM schedules WHERE next_fire_us IS NOT NULL";

/// When the next schedule is due, in microseconds since 1970-01-01 UTC.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn next_due_us(db: &Db) -> Result<Option<i64>, JobsError> {
    Ok(sqlx::query(NEXT_DUE).fetch_one(db.read()).await?.try_get("due_us")?)
}

/// One firing of one schedule.
#[derive(Debug, Clone, Copy)]
pub struct Firing<'a> {
    /// The schedule, as it was read.
    pub schedule: &'a Schedule,
    /// The time, in microseconds since 1970-01-01 UTC.
    pub now_us: i64,
    /// What a team may use for which the operator has set nothing else.
    pub quota: QuotaDefaults,
    /// How the service fires.
    pub config: &'a SchedulesConfig,
}

impl Firing<'_> {
    /// Whether the time is so long past that the schedule is to wait for the next one.
    #[must_use]
    pub fn is_missed(&self) -> bool {
        let late_us = self.schedule.terms.next_fire_us.map_or(0, |due_us| self.now_us - due_us);
        let late_us_max = i64::try_from(self.config.late_s_max).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        self.schedule.terms.catch_up == CatchUp::Skip && late_us > late_us_max
    }

    /// Makes the job, or notes why there is none, and moves the schedule on.
    ///
    /// # Errors
    /// [`JobsError::Db`] where the database fails, [`JobsError::InvalidPlan`] where the planner erred: nothing was written, and the
    /// schedule is still due.
    pub async fn record(&self, db: &Db, planned: Planned) -> Result<Fired, JobsError> {
        let next_us = match self.next_us() {
            Ok(Some(next_us)) => next_us,
            Ok(None) => return self.disable(db, "Its expression has no further time.").await,
            // A time zone that has left the database since.
            Err(error) => return self.disable(db, &format!("{error}.")).await,
        };
        let mut tx = db.write().await?;
        // First of all, as every submission of the team does: two that wait for each other's locks would never end.
        tx.take_turns(self.schedule.team.as_str()).await?;
        if !self.move_on(&mut tx, next_us).await? {
            tx.rollback().await?;
            return Ok(Fired::TakenByAnother);
        }
        let fired = match planned {
            Planned::Job(job) => self.make(&mut tx, job).await?,
            Planned::Refused(problem) => self.fail(&mut tx, problem).await?,
            Planned::Missed => self.skip(&mut tx, missed()).await?,
        };
        tx.commit().await?;
        Ok(fired)
    }

    /// Takes the schedule out of use until somebody enables it again.
    ///
    /// # Errors
    /// [`JobsError::Db`]: nothing was written.
    pub async fn disable(&self, db: &Db, reason: &str) -> Result<Fired, JobsError> {
        let mut tx = db.write().await?;
        let disabled = sqlx::query(DISABLE_DUE)
            .bind(self.schedule.id.as_str())
            .bind(self.schedule.terms.next_fire_us)
            .bind(self.schedule.revision)
            .bind(reason)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(if disabled.rows_affected() == 1 { Fired::Disabled(reason.to_owned()) } else { Fired::TakenByAnother })
    }

    /// Times that were missed count for nothing: the next one is in the future.
    fn next_us(&self) -> Result<Option<i64>, InvalidRecurrence> {
        let terms = &self.schedule.terms;
        Ok(Recurrence::parse(&terms.cron, &terms.time_zone)?.after(self.now_us))
    }

    /// The fence. On PostgreSQL a second node waits here for the first one's commit, and then finds the time changed.
    async fn move_on(&self, tx: &mut WriteTx, next_us: i64) -> Result<bool, JobsError> {
        let moved = sqlx::query(MOVE_ON)
            .bind(self.schedule.id.as_str())
            .bind(self.schedule.terms.next_fire_us)
            .bind(self.schedule.revision)
            .bind(next_us)
            .bind(self.now_us)
            .execute(&mut **tx)
            .await?;
        Ok(moved.rows_affected() == 1)
    }

    async fn make(&self, tx: &mut WriteTx, job: NewJob) -> Result<Fired, JobsError> {
        if let Some(twin) = admission::live_twin_in(tx, &job).await? {
            return self.skip(tx, still_running(&twin)).await;
        }
        if let Some(problem) = over_quota(&quota::quota_in(tx, &job.team, self.quota).await?, &job) {
            return self.skip(tx, problem).await;
        }
        let job = NewJob { schedule: Some(self.schedule.id.clone()), ..job };
        Ok(Fired::Job(submit::submit_in(tx, job).await?))
    }

    async fn skip(&self, tx: &mut WriteTx, problem: Problem) -> Result<Fired, JobsError> {
        note_in(tx, &self.schedule.id, &problem, self.schedule.failures_in_a_row).await?;
        Ok(Fired::Skipped(problem))
    }

    async fn fail(&self, tx: &mut WriteTx, problem: Problem) -> Result<Fired, JobsError> {
        let failures = self.schedule.failures_in_a_row.saturating_add(1);
        note_in(tx, &self.schedule.id, &problem, failures).await?;
        if failures < self.config.failures_in_a_row_max {
            return Ok(Fired::Failed(problem));
        }
        let reason = format!("It failed {failures} times in a row.");
        sqlx::query(DISABLE).bind(self.schedule.id.as_str()).bind(&reason).execute(&mut **tx).await?;
        Ok(Fired::Disabled(reason))
    }
}

const MOVE_ON: &str = "
    UPDATE schedules SET next_fire_us = $4, last_fire_us = $5
    WHERE id = $1 AND next_fire_us = $2 AND revision = $3";

const NOTE: &str = "UPDATE schedules SET last_problem = $2, failures_in_a_row = $3 WHERE id = $1";

async fn note_in(tx: &mut WriteTx, id: &ScheduleId, problem: &Problem, failures: u32) -> Result<(), JobsError> {
    sqlx::query(NOTE)
        .bind(id.as_str())
        .bind(json!(problem).to_string())
        .bind(i64::from(failures))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

const DISABLE: &str = "
    UPDATE schedules SET enabled = 0, next_fire_us = NULL, disabled_reason = $2 WHERE id = $1";
/// The same with the fence of [`MOVE_ON`].
const DISABLE_DUE: &str = "
    UPDATE schedules SET enabled = 0, next_fire_us = NULL, disabled_reason = $4
    WHERE id = $1 AND next_fire_us = $2 AND revision = $3";

const NOTE_JOBS: &str = "
    UPDATE schedules SET last_job = item.value ->> 'job', last_problem = NULL, failures_in_a_row = 0
    FROM json_each($1) AS item WHERE schedules.id = item.value ->> 'schedule'";

/// Makes jobs that were just stored in this transaction the last ones of their schedules.
pub(in crate::jobs) async fn note_jobs_in<'a>(
    tx: &mut WriteTx,
    made: impl IntoIterator<Item = (&'a ScheduleId, &'a JobId)>,
) -> Result<(), JobsError> {
    let items: Vec<_> = made.into_iter().map(|(schedule, job)| json!({ "schedule": schedule, "job": job })).collect();
    if !items.is_empty() {
        sqlx::query(NOTE_JOBS).bind(json!(items).to_string()).execute(&mut **tx).await?;
    }
    Ok(())
}

fn still_running(twin: &JobId) -> Problem {
    Problem::new(
        "duplicate-job",
        "The same job is queued or running",
        format!("The job {twin} of your team has the same specification and has not ended, so no second one was made."),
        "Nothing, if this is rare; otherwise let the schedule fire less often.",
    )
}

fn over_quota(quota: &Quota, job: &NewJob) -> Option<Problem> {
    let expected_us = job.expected.as_ref().map_or(0, |expected| expected.cpu_us);
    let (detail, limit) = if quota.has_too_many_jobs() {
        let detail =
            format!("{} jobs of your team were queued or running, so no further one was made.", quota.live_jobs);
        (detail, format!("{} unfinished jobs per team", quota.live_jobs_max))
    } else {
        let is_over = quota.is_out_of_cpu() || quota.lacks_cpu_for(expected_us);
        let most = quota.cpu_s_max.filter(|_| is_over)?;
        let detail =
            "The jobs of your team had used up the CPU-seconds of the day, or nearly, so no job was made.".to_owned();
        (detail, format!("{most} CPU-seconds per team and day"))
    };
    let action = "Let the schedule fire at a quieter time, or ask the operator for more.";
    Some(Problem::new("over-quota", "The team has used up a quota", detail, action).with_limit(limit))
}

fn missed() -> Problem {
    Problem::new(
        "time-missed",
        "No server was there to fire",
        "The time had passed when a server looked, and the schedule skips missed times.",
        "Nothing; set `catch_up` to `once` to have missed times made up for.",
    )
}
