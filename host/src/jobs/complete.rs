//! Recording tasks that are done, many at a time: their outputs, what their stages and jobs have come to, the stages that open and
//! the jobs that end. One statement for each kind of change, however many tasks it is about.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::Row as _;

use super::{
    claim::parse_id,
    costs::{self, Spent},
    error::JobsError,
    events::{self, EventKind, NewEvent},
    lease::{self, Lease, unfinished},
    limits::OUTPUT_BYTES_MAX,
    settle,
};
use crate::{
    db::{Hint, Row, WriteTx},
    domain::{
        ids::{JobId, TaskId},
        job::Component,
    },
};

/// A task that its worker says is done.
pub(super) struct Done<'a> {
    pub(super) lease: &'a Lease,
    pub(super) output: &'a Value,
    /// CPU time of all threads of the attempt, in microseconds; `None` where nobody can tell.
    pub(super) cpu_us: Option<i64>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completion {
    /// It is recorded, with all that follows.
    Recorded,
    /// Its lease is lost: nothing was written.
    Lost,
    /// Its output cannot stand, or its job was cancelled: nothing was written yet, what follows is decided task by task.
    Contested,
}

/// What the one task of a final stage leaves.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FinalOutput {
    pub(super) result: Value,
    pub(super) components: Vec<Component>,
    /// What the runner signed the result with, as it is to be kept.
    #[serde(default)]
    pub(super) signature: Option<Value>,
    /// What its components have cost, where the job tells.
    #[serde(default)]
    pub(super) spent: Vec<Spent>,
}

/// How a task's job stood when its outcome came.
struct Standing {
    progress: f64,
    is_cancelled: bool,
    job_progress: f64,
    /// Of its stage, itself included.
    open_tasks: i64,
    next_stage: Option<(i64, String)>,
    /// What the task adds to its job's progress from beginning to end.
    share: f64,
}

/// Records what can be recorded; the caller holds the jobs.
///
/// # Errors
/// [`JobsError`] where the database fails: the transaction must be rolled back.
pub(super) async fn complete(tx: &mut WriteTx, done: &[Done<'_>]) -> Result<Vec<Completion>, JobsError> {
    if done.is_empty() {
        return Ok(Vec::new());
    }
    let standings = standings(tx, done).await?;
    let mut changes = Changes::default();
    let mut completions = Vec::with_capacity(done.len());
    for done in done {
        completions.push(match standings.get(&done.lease.task) {
            None => Completion::Lost,
            Some(standing) => changes.add(done, standing),
        });
    }
    changes.write(tx).await?;
    Ok(completions)
}

const STANDINGS: &str = "
    SELECT tasks.id, tasks.progress, jobs.cancel_requested_us, jobs.progress AS job_progress,
        stages.tasks_total - stages.tasks_done AS open_tasks, later.ordinal AS next_ordinal, later.name AS next_name,
        stages.weight / stages.tasks_total / (SELECT SUM(weight) FROM stages AS every WHERE every.job_id = tasks.job_id)
            AS share
    FROM json_each($1) AS item CROSS JOIN tasks
    JOIN jobs ON jobs.id = tasks.job_id
    JOIN stages ON stages.job_id = tasks.job_id AND stages.ordinal = tasks.stage
    LEFT JOIN stages AS later ON later.job_id = tasks.job_id AND later.ordinal = tasks.stage + 1
    WHERE tasks.id = item.value ->> 'task' AND tasks.lease_epoch = CAST(item.value ->> 'epoch' AS BIGINT)
        AND tasks.lease_until_us IS NOT NULL";

/// The fence: a task that is missing is not this lease's any more.
async fn standings(tx: &mut WriteTx, done: &[Done<'_>]) -> Result<HashMap<TaskId, Standing>, JobsError> {
    let listed = lease::listed(done.iter().map(|done| done.lease));
    let rows = sqlx::query(STANDINGS).bind(listed).fetch_all(&mut **tx).await?;
    rows.iter().map(read_standing).collect()
}

fn read_standing(row: &Row) -> Result<(TaskId, Standing), JobsError> {
    let next_ordinal: Option<i64> = row.try_get("next_ordinal")?;
    let next_name: Option<String> = row.try_get("next_name")?;
    let standing = Standing {
        progress: row.try_get("progress")?,
        is_cancelled: row.try_get::<Option<i64>, _>("cancel_requested_us")?.is_some(),
        job_progress: row.try_get("job_progress")?,
        open_tasks: row.try_get("open_tasks")?,
        next_stage: next_ordinal.zip(next_name),
        share: row.try_get("share")?,
    };
    Ok((parse_id(row, "id", "tasks.id")?, standing))
}

/// Everything that a batch of done tasks changes.
#[derive(Default)]
struct Changes {
    tasks: Vec<Value>,
    stages: BTreeMap<(JobId, i64), StageGain>,
    /// Progress that jobs gain which do not end.
    jobs: BTreeMap<JobId, JobGain>,
    ended: Vec<(JobId, FinalOutput)>,
}

#[derive(Default)]
struct StageGain {
    done: i64,
    progress: f64,
    open_before: i64,
    next: Option<(i64, String)>,
}

#[derive(Default)]
struct JobGain {
    before: f64,
    gained: f64,
}

impl Changes {
    fn add(&mut self, done: &Done<'_>, standing: &Standing) -> Completion {
        let text = done.output.to_string();
        if standing.is_cancelled || text.len() > OUTPUT_BYTES_MAX {
            return Completion::Contested;
        }
        let job = &done.lease.job;
        if standing.open_tasks == 1 && standing.next_stage.is_none() {
            let Ok(output) = FinalOutput::deserialize(done.output) else { return Completion::Contested };
            self.ended.push((job.clone(), output));
        }
        let gained = (1.0 - standing.progress).max(0.0);
        let stage = self.stages.entry((job.clone(), done.lease.stage)).or_default();
        stage.done += 1;
        stage.progress += gained;
        stage.open_before = standing.open_tasks;
        stage.next.clone_from(&standing.next_stage);
        let gain = self.jobs.entry(job.clone()).or_default();
        gain.before = standing.job_progress;
        gain.gained += gained * standing.share;
        self.tasks.push(json!({
            "task": done.lease.task, "epoch": done.lease.epoch, "output": text, "cpu_us": done.cpu_us
        }));
        Completion::Recorded
    }

    async fn write(mut self, tx: &mut WriteTx) -> Result<(), JobsError> {
        if self.tasks.is_empty() {
            return Ok(());
        }
        for (job, _) in &self.ended {
            self.jobs.remove(job);
        }
        succeed_tasks(tx, &self.tasks).await?;
        advance_stages(tx, &self.stages).await?;
        advance_jobs(tx, &self.jobs).await?;
        self.open_stages(tx).await?;
        settle::finish(tx, &self.ended).await?;
        costs::record(tx, &self.ended).await
    }

    async fn open_stages(&self, tx: &mut WriteTx) -> Result<(), JobsError> {
        let opened = self.stages.iter().filter(|(_, gain)| gain.open_before == gain.done);
        let opened =
            opened.filter_map(|((job, _), gain)| gain.next.as_ref().map(|(ordinal, name)| (job, *ordinal, name)));
        let opened: Vec<_> = opened.collect();
        if opened.is_empty() {
            return Ok(());
        }
        let items = opened.iter().map(|(job, ordinal, _)| json!({ "job": job, "ordinal": ordinal }));
        let items = Value::Array(items.collect()).to_string();
        sqlx::query(OPEN_STAGES).bind(&items).execute(&mut **tx).await?;
        sqlx::query(OPEN_TASKS).bind(&items).execute(&mut **tx).await?;
        let opened = opened.into_iter().map(|(job, _, name)| {
            let progress = self.jobs.get(job).map_or(0.0, |gain| gain.before + gain.gained);
            let data = json!({ "stage": name, "progress": unfinished(progress), "note": "" });
            NewEvent { job, kind: EventKind::Progress, data }
        });
        events::append_all(tx, &opened.collect::<Vec<_>>()).await?;
        tx.hint(Hint::TaskReady);
        Ok(())
    }
}

const SUCCEED_TASKS: &str = "
    UPDATE tasks SET state = 'succeeded', output = item.value ->> 'output', progress = 1.0, lease_until_us = NULL
    FROM json_each($1) AS item
    WHERE tasks.id = item.value ->> 'task' AND tasks.lease_epoch = CAST(item.value ->> 'epoch' AS BIGINT)
        AND tasks.lease_until_us IS NOT NULL";
const SUCCEED_ATTEMPTS: &str = "
    UPDATE attempts SET outcome = 'succeeded', finished_us = (SELECT now_us FROM clock),
        cpu_us = CAST(item.value ->> 'cpu_us' AS BIGINT)
    FROM json_each($1) AS item
    WHERE attempts.task_id = item.value ->> 'task' AND attempts.lease_epoch = CAST(item.value ->> 'epoch' AS BIGINT)";

async fn succeed_tasks(tx: &mut WriteTx, tasks: &[Value]) -> Result<(), JobsError> {
    let items = json!(tasks).to_string();
    let left = sqlx::query(SUCCEED_TASKS).bind(&items).execute(&mut **tx).await?;
    // The statement's own fence, behind the one of the transaction's beginning.
    if left.rows_affected() != tasks.len() as u64 {
        return Err(JobsError::LeaseLost);
    }
    sqlx::query(SUCCEED_ATTEMPTS).bind(&items).execute(&mut **tx).await?;
    Ok(())
}

const ADVANCE_STAGES: &str = "
    UPDATE stages
    SET tasks_done = tasks_done + CAST(item.value ->> 'done' AS BIGINT),
        progress = progress + CAST(item.value ->> 'progress' AS DOUBLE PRECISION), note = '',
        state = CASE WHEN tasks_done + CAST(item.value ->> 'done' AS BIGINT) = tasks_total THEN 'succeeded' ELSE state END,
        finished_us = CASE WHEN tasks_done + CAST(item.value ->> 'done' AS BIGINT) = tasks_total
            THEN (SELECT now_us FROM clock) END
    FROM json_each($1) AS item
    WHERE stages.job_id = item.value ->> 'job' AND stages.ordinal = CAST(item.value ->> 'ordinal' AS BIGINT)";

async fn advance_stages(tx: &mut WriteTx, stages: &BTreeMap<(JobId, i64), StageGain>) -> Result<(), JobsError> {
    let items = stages.iter().map(|((job, ordinal), gain)| {
        json!({ "job": job, "ordinal": ordinal, "done": gain.done, "progress": gain.progress })
    });
    let items = Value::Array(items.collect()).to_string();
    sqlx::query(ADVANCE_STAGES).bind(items).execute(&mut **tx).await?;
    Ok(())
}

const ADVANCE_JOBS: &str = "
    UPDATE jobs SET progress = progress + CAST(item.value ->> 'gained' AS DOUBLE PRECISION)
    FROM json_each($1) AS item WHERE jobs.id = item.value ->> 'job'";

async fn advance_jobs(tx: &mut WriteTx, jobs: &BTreeMap<JobId, JobGain>) -> Result<(), JobsError> {
    if jobs.is_empty() {
        return Ok(());
    }
    let items = jobs.iter().map(|(job, gain)| json!({ "job": job, "gained": gain.gained }));
    let items = Value::Array(items.collect()).to_string();
    sqlx::query(ADVANCE_JOBS).bind(items).execute(&mut **tx).await?;
    Ok(())
}

const OPEN_STAGES: &str = "
    UPDATE stages SET state = 'open', opened_us = (SELECT now_us FROM clock) FROM json_each($1) AS item
    WHERE stages.job_id = item.value ->> 'job' AND stages.ordinal = CAST(item.value ->> 'ordinal' AS BIGINT)";
const OPEN_TASKS: &str = "
    UPDATE tasks SET state = 'ready' FROM json_each($1) AS item
    WHERE tasks.job_id = item.value ->> 'job' AND tasks.stage = CAST(item.value ->> 'ordinal' AS BIGINT)
        AND tasks.state = 'waiting'";
