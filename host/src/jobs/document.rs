//! Jobs as a reader gets them: one row that holds a whole page as JSON, whatever its jobs consist of. Each statement and each row that
//! a database hands over wakes another thread, and on a busy machine that costs more than reading it.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;
use sqlx::Row as _;

use super::{
    claim::small,
    costs::JobCosts,
    error::JobsError,
    lease::unfinished,
    query::{JobRow, Pulse, StageRow},
    state::StageState,
};
use crate::{
    db::Row,
    domain::{
        ids::{JobId, KeyId, ScheduleId, TeamId},
        job::{Component, JobKind, JobState},
        problem::Problem,
    },
};

/// What [`read`] reads, of the jobs whose `id` is in `page`. Stages follow each other, so the first claim after the opening of a stage
/// was of one of its tasks.
macro_rules! job_documents {
    () => {
        "(SELECT now_us FROM clock) AS now_us,
        (SELECT CAST(json_group_array(json_object(
            'id', jobs.id, 'team', jobs.team_id, 'key', jobs.key_id, 'kind', jobs.kind, 'name', jobs.name, 'tags', jobs.tags,
            'request', jobs.request, 'warnings', jobs.warnings, 'state', jobs.state, 'cancel_requested_us', jobs.cancel_requested_us,
            'deadline_s', jobs.deadline_s, 'priority', jobs.priority, 'created_us', jobs.created_us,
            'started_us', jobs.started_us, 'finished_us', jobs.finished_us, 'progress', jobs.progress,
            'components', jobs.components, 'problem', jobs.problem, 'schedule', jobs.schedule_id, 'keep', jobs.keep
        )) AS TEXT) FROM page CROSS JOIN jobs WHERE jobs.id = page.id) AS jobs,
        (SELECT CAST(json_group_array(json_object(
            'job', stages.job_id, 'ordinal', stages.ordinal, 'name', stages.name, 'state', stages.state,
            'tasks_total', stages.tasks_total, 'tasks_done', stages.tasks_done, 'progress', stages.progress,
            'note', stages.note, 'opened_us', stages.opened_us, 'finished_us', stages.finished_us,
            'claimed_us', (SELECT MIN(attempts.started_us) FROM attempts
                WHERE attempts.job_id = stages.job_id AND attempts.started_us >= stages.opened_us)
        )) AS TEXT) FROM page CROSS JOIN stages WHERE stages.job_id = page.id) AS stages"
    };
}
pub(super) use job_documents;

#[derive(Deserialize)]
struct JobDocument {
    id: JobId,
    team: TeamId,
    key: Option<KeyId>,
    kind: JobKind,
    name: Option<String>,
    #[serde(deserialize_with = "nested")]
    tags: Vec<String>,
    #[serde(deserialize_with = "nested")]
    request: Value,
    #[serde(deserialize_with = "nested")]
    warnings: Vec<String>,
    state: JobState,
    cancel_requested_us: Option<i64>,
    deadline_s: Option<i64>,
    priority: i64,
    created_us: i64,
    started_us: Option<i64>,
    finished_us: Option<i64>,
    progress: f64,
    #[serde(deserialize_with = "nested")]
    components: Vec<Component>,
    #[serde(deserialize_with = "nested_or_none")]
    problem: Option<Problem>,
    schedule: Option<ScheduleId>,
    keep: i64,
}

#[derive(Deserialize)]
struct StageDocument {
    job: JobId,
    ordinal: i64,
    name: String,
    state: StageState,
    tasks_total: i64,
    tasks_done: i64,
    progress: f64,
    note: String,
    opened_us: Option<i64>,
    finished_us: Option<i64>,
    claimed_us: Option<i64>,
}

/// A column that holds JSON is text within the document.
fn nested<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    serde_json::from_str(&text).map_err(serde::de::Error::custom)
}

fn nested_or_none<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    text.map(|text| serde_json::from_str(&text).map_err(serde::de::Error::custom)).transpose()
}

/// The jobs of a page, newest first, with stages, and without attempts and pulse.
pub(super) fn read(row: &Row) -> Result<Vec<JobRow>, JobsError> {
    let now_us: i64 = row.try_get("now_us")?;
    let mut stages: HashMap<JobId, Vec<StageDocument>> = HashMap::new();
    for stage in documents::<StageDocument>(row, "stages")? {
        stages.entry(stage.job.clone()).or_default().push(stage);
    }
    let mut jobs: Vec<JobRow> = Vec::new();
    for job in documents::<JobDocument>(row, "jobs")? {
        let mut stages = stages.remove(&job.id).unwrap_or_default();
        stages.sort_by_key(|stage| stage.ordinal);
        jobs.push(job.into_row(stages.into_iter().map(StageRow::from).collect(), now_us));
    }
    jobs.sort_by(|a, b| (b.created_us, &b.id).cmp(&(a.created_us, &a.id)));
    Ok(jobs)
}

/// An aggregate over no rows is no list on PostgreSQL.
fn documents<T: DeserializeOwned>(row: &Row, column: &'static str) -> Result<Vec<T>, JobsError> {
    let text: Option<&str> = row.try_get(column)?;
    serde_json::from_str(text.unwrap_or("[]")).map_err(|error| JobsError::unreadable(column, error))
}

impl JobDocument {
    fn into_row(self, stages: Vec<StageRow>, now_us: i64) -> JobRow {
        let last_us = self.finished_us.unwrap_or(now_us);
        let has_result = matches!(self.state, JobState::Succeeded | JobState::Partial);
        JobRow {
            wait_us: (self.started_us.unwrap_or(last_us) - self.created_us).max(0),
            run_us: self.started_us.map(|started_us| (last_us - started_us).max(0)),
            progress: if has_result { 1.0 } else { unfinished(self.progress) },
            id: self.id,
            team: self.team,
            key: self.key,
            kind: self.kind,
            state: self.state,
            cancel_requested: self.cancel_requested_us.is_some(),
            request: self.request,
            warnings: self.warnings,
            name: self.name,
            tags: self.tags,
            deadline_s: self.deadline_s.map(|seconds| u64::try_from(seconds).unwrap_or(0)),
            priority: self.priority,
            queued_ahead: None,
            created_us: self.created_us,
            started_us: self.started_us,
            finished_us: self.finished_us,
            pulse: Pulse::default(),
            stages,
            problem: self.problem,
            components: self.components,
            schedule: self.schedule,
            is_kept: self.keep == 1,
            failed_attempts: Vec::new(),
            costs: JobCosts::default(),
        }
    }
}

impl From<StageDocument> for StageRow {
    fn from(stage: StageDocument) -> Self {
        let tasks_total = small(stage.tasks_total);
        Self {
            name: stage.name,
            state: stage.state,
            tasks_total,
            tasks_done: small(stage.tasks_done),
            progress: (stage.progress / f64::from(tasks_total.max(1))).clamp(0.0, 1.0),
            note: stage.note,
            opened_us: stage.opened_us,
            claimed_us: stage.claimed_us,
            finished_us: stage.finished_us,
        }
    }
}
