//! What clients send to make or change a schedule, and what they see of one.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{error::ApiError, job_labels::is_name, job_requests::JobRequest, limits::ApiConfig, time::rfc3339};
use crate::{
    domain::{
        ids::{JobId, KeyId, ScheduleId},
        problem::Problem,
    },
    jobs::schedules::{
        CatchUp, Schedule,
        recurrence::{InvalidRecurrence, Recurrence},
    },
};

/// Fire times that a schedule shows.
const FIRES_SHOWN: usize = 5;

/// A schedule to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({
    "name": "Weekly recalibration",
    "cron": "0 3 * * MON",
    "time_zone": "America/New_York",
    "job": { "kind": "calibrate", "chains": 4, "priority": -10 }
})))]
pub struct ScheduleRequest {
    /// A name for people, unique within the team.
    pub name: String,
    /// Minute, hour, day of month, month, day of week; or `@weekly` and the like.
    pub cron: String,
    /// IANA name of the time zone whose clock on the wall the expression is read by. A time that does not exist there fires at the
    /// next one that does; one that exists twice fires once.
    #[serde(default = "utc")]
    #[schema(default = "UTC")]
    pub time_zone: String,
    /// What becomes of times at which no server was running.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// Whether it fires.
    #[serde(default = "enabled")]
    #[schema(default = true)]
    pub enabled: bool,
    /// The job to make, planned anew each time: what it leaves open is then the newest.
    #[schema(value_type = JobRequest)]
    pub job: Value,
}

fn utc() -> String {
    "UTC".to_owned()
}

const fn enabled() -> bool {
    true
}

/// A change of a schedule: what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "enabled": false })))]
pub struct ScheduleChange {
    /// A name for people, unique within the team.
    pub name: Option<String>,
    /// When it fires.
    pub cron: Option<String>,
    /// The time zone of `cron`.
    pub time_zone: Option<String>,
    /// What becomes of times at which no server was running.
    pub catch_up: Option<CatchUp>,
    /// Whether it fires.
    pub enabled: Option<bool>,
    /// The job to make.
    #[schema(value_type = Option<JobRequest>)]
    pub job: Option<Value>,
}

impl ScheduleChange {
    /// The whole schedule as it will be.
    pub fn applied_to(self, schedule: &Schedule) -> ScheduleRequest {
        let terms = &schedule.terms;
        ScheduleRequest {
            name: self.name.unwrap_or_else(|| terms.name.clone()),
            cron: self.cron.unwrap_or_else(|| terms.cron.clone()),
            time_zone: self.time_zone.unwrap_or_else(|| terms.time_zone.clone()),
            catch_up: self.catch_up.unwrap_or(terms.catch_up),
            enabled: self.enabled.unwrap_or(terms.next_fire_us.is_some()),
            job: self.job.unwrap_or_else(|| terms.request.clone()),
        }
    }
}

impl ScheduleRequest {
    /// When it would fire, after a check of everything but the job.
    ///
    /// # Errors
    /// `invalid-input` with the JSON pointer and, for the expression, the character.
    pub fn recurrence(&self, now_us: i64, config: &ApiConfig) -> Result<Recurrence, ApiError> {
        if !is_name(self.name.trim(), config) {
            let range = format!("1..={} printable characters", config.name_chars_max);
            let problem =
                Problem::invalid("/name", "The name is not a text that can be shown.", format!("Send {range}."));
            return Err(problem.with_limit(range).into());
        }
        let recurrence = Recurrence::parse(&self.cron, &self.time_zone).map_err(|error| unreadable(&error))?;
        let shortest_s = recurrence.shortest_interval(now_us).map_or(u64::MAX, |interval| interval.as_secs());
        if shortest_s >= config.schedule_interval_s_min {
            return Ok(recurrence);
        }
        let limit = format!("{} s between two times", config.schedule_interval_s_min);
        let detail = format!("It would fire twice within {shortest_s} s.");
        Err(Problem::invalid("/cron", detail, format!("Leave at least {limit}.")).with_limit(limit).into())
    }
}

fn unreadable(error: &InvalidRecurrence) -> Problem {
    let detail = format!("{error}.");
    match error {
        InvalidRecurrence::Zone(_) => {
            Problem::invalid("/time_zone", detail, "Send a name like `Europe/Berlin`, or `UTC`.")
        }
        InvalidRecurrence::Cron { .. } | InvalidRecurrence::Never => {
            let action = "Send minute, hour, day of month, month and day of week, for example `0 3 * * MON`.";
            Problem::invalid("/cron", detail, action)
        }
    }
}

/// A time at which a schedule will fire.
#[derive(Debug, Serialize, ToSchema)]
pub struct FireTime {
    /// In UTC.
    #[schema(format = DateTime)]
    utc: String,
    /// As the clock on the wall shows it there.
    #[schema(examples("2026-11-30T03:00:00-05:00[America/New_York]"))]
    local: String,
}

/// A schedule.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleView {
    /// Id.
    pub id: ScheduleId,
    /// A name for people, unique within the team.
    name: String,
    /// When it fires.
    cron: String,
    /// `cron` in English.
    #[schema(examples("At 03:00, on Monday."))]
    description: String,
    /// The time zone of `cron`.
    time_zone: String,
    /// What becomes of times at which no server was running.
    catch_up: CatchUp,
    /// Whether it fires.
    enabled: bool,
    /// Why the server disabled it; absent where it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<String>,
    /// The next five times; empty while it is disabled.
    next_fires: Vec<FireTime>,
    /// When it last fired, also where that made no job.
    #[schema(format = DateTime)]
    last_fire_at: Option<String>,
    /// The last job that it made.
    last_job: Option<JobId>,
    /// Why its last firing made no job; absent where it made one.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_problem: Option<Problem>,
    /// Firings that have failed since the last one that made a job; past a limit it is disabled.
    failures_in_a_row: u32,
    /// The key that made or last changed it. Its jobs are this key's; once the key is revoked or has expired, it is disabled.
    key: KeyId,
    /// The job to make.
    #[schema(value_type = Object)]
    job: Value,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<Schedule> for ScheduleView {
    fn from(schedule: Schedule) -> Self {
        let terms = schedule.terms;
        // It was read when it was stored; a zone that has left the database since has no times to show.
        let recurrence = Recurrence::parse(&terms.cron, &terms.time_zone).ok();
        Self {
            id: schedule.id,
            name: terms.name,
            description: recurrence.as_ref().map(Recurrence::describe).unwrap_or_default(),
            cron: terms.cron,
            time_zone: terms.time_zone,
            catch_up: terms.catch_up,
            enabled: terms.next_fire_us.is_some(),
            disabled_reason: schedule.disabled_reason,
            next_fires: terms.next_fire_us.zip(recurrence).map_or_else(Vec::new, |(first, times)| fires(first, &times)),
            last_fire_at: schedule.last_fire_us.map(rfc3339),
            last_job: schedule.last_job,
            last_problem: schedule.last_problem,
            failures_in_a_row: schedule.failures_in_a_row,
            key: terms.key,
            job: terms.request,
            created_at: rfc3339(schedule.created_us),
            updated_at: rfc3339(schedule.updated_us),
        }
    }
}

fn fires(first_us: i64, times: &Recurrence) -> Vec<FireTime> {
    let later = times.upcoming(first_us, FIRES_SHOWN - 1);
    let all = std::iter::once(first_us).chain(later);
    all.map(|time_us| FireTime { utc: rfc3339(time_us), local: times.local(time_us) }).collect()
}
