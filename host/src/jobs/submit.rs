//! Submitting a job: one transaction, and the queue has it for good. No hand-off follows that a crash could prevent.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    costs::Expected,
    error::JobsError,
    events::{self, NewEvent},
    limits::TASKS_PER_JOB_MAX,
    schedules, tags,
};
use crate::{
    db::{Db, Hint, WriteTx},
    domain::{
        hex::hex,
        ids::{JobId, KeyId, ScheduleId, TaskId, TeamId},
        job::{JobKind, JobState},
    },
};

/// A job as its planner hands it over.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Whose job it is.
    pub team: TeamId,
    /// The key that submitted it.
    pub key: Option<KeyId>,
    /// What it does.
    pub kind: JobKind,
    /// The plan: the validated spec and what it means; every task gets it. Its `request`, where it has one, is what those see who
    /// look at the job, and so are its `warnings`, a list of texts.
    pub spec: Value,
    /// A name for people.
    pub name: Option<String>,
    /// What its team files it under; each at most once.
    pub tags: Vec<String>,
    /// What is to be done, in order. The last stage has one task.
    pub stages: Vec<NewStage>,
    /// The longest it may run, from its first claim, in seconds.
    pub deadline_s: Option<u64>,
    /// Orders the team's own jobs: higher ones are claimed first.
    pub priority: i64,
    /// The schedule that makes it.
    pub schedule: Option<ScheduleId>,
    /// What it is expected to cost, as far as anybody can tell.
    pub expected: Option<Expected>,
}

impl NewJob {
    /// Hash of what the job would do: two jobs of a team with equal hashes would have equal results.
    #[must_use]
    pub fn plan_hash(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.kind.as_str());
        digest.update([0]);
        digest.update(self.spec.to_string());
        hex(digest.finalize())
    }
}

/// One stage: its tasks may run side by side; the next stage starts when all have succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewStage {
    /// Unique within the job.
    pub name: String,
    /// Its work, in any unit that is the same for this stage of all jobs of the kind: its share of the job's progress, and what
    /// forecasts scale past times by. Positive.
    pub weight: f64,
    /// One input per task. At least one.
    pub tasks: Vec<Value>,
}

/// Stores a job, ready to be claimed.
///
/// # Errors
/// [`JobsError::InvalidPlan`], [`JobsError::UnknownTeam`], or [`JobsError::Db`]; nothing is stored then.
pub async fn submit(db: &Db, job: NewJob) -> Result<JobId, JobsError> {
    let mut tx = db.write().await?;
    let id = submit_in(&mut tx, job).await?;
    tx.commit().await?;
    Ok(id)
}

/// Stores a job within the caller's transaction, for callers that store more beside it.
///
/// # Errors
/// As [`submit`]. Roll the transaction back then.
pub async fn submit_in(tx: &mut WriteTx, job: NewJob) -> Result<JobId, JobsError> {
    let id = JobId::random();
    insert(tx, &[(&id, &job)]).await?;
    Ok(id)
}

fn check_plan(job: &NewJob) -> Result<(), JobsError> {
    let invalid = |detail: String| Err(JobsError::InvalidPlan(detail));
    let Some(last) = job.stages.last() else {
        return invalid("it has no stages".to_owned());
    };
    if last.tasks.len() != 1 {
        return invalid(format!("its final stage `{}` has {} tasks instead of one", last.name, last.tasks.len()));
    }
    for (ordinal, stage) in job.stages.iter().enumerate() {
        if stage.tasks.is_empty() {
            return invalid(format!("stage `{}` has no tasks", stage.name));
        }
        if !(stage.weight.is_finite() && stage.weight > 0.0) {
            return invalid(format!("stage `{}` has the weight {}", stage.name, stage.weight));
        }
        if job.stages[..ordinal].iter().any(|earlier| earlier.name == stage.name) {
            return invalid(format!("two stages are called `{}`", stage.name));
        }
    }
    match job.stages.iter().map(|stage| stage.tasks.len()).sum::<usize>() {
        total if total > TASKS_PER_JOB_MAX => {
            invalid(format!("it has {total} tasks, the limit is {TASKS_PER_JOB_MAX}"))
        }
        _ => Ok(()),
    }
}

/// Stores jobs under these ids with one statement for each table, however many they are.
///
/// # Errors
/// As [`submit`]. Roll the transaction back then.
pub(super) async fn insert(tx: &mut WriteTx, new: &[(&JobId, &NewJob)]) -> Result<(), JobsError> {
    if new.is_empty() {
        return Ok(());
    }
    for (_, job) in new {
        check_plan(job)?;
    }
    insert_jobs(tx, new).await?;
    insert_stages(tx, new).await?;
    insert_tasks(tx, new).await?;
    let scheduled = new.iter().filter_map(|(id, job)| Some((job.schedule.as_ref()?, *id)));
    schedules::fire::note_jobs_in(tx, scheduled).await?;
    tags::enter(tx, new.iter().map(|(id, job)| (*id, &job.tags[..]))).await?;
    let queued: Vec<_> = new.iter().map(|(id, _)| NewEvent::state(id, JobState::Queued)).collect();
    events::append_all(tx, &queued).await?;
    tx.hint(Hint::TaskReady);
    Ok(())
}

/// The time grows by a microsecond within the list: jobs that are stored together still have an order.
const INSERT_JOBS: &str = "
    INSERT INTO jobs (id, team_id, key_id, kind, name, spec, request, warnings, state, deadline_s, priority, plan_hash, tags,
        schedule_id, estimate, estimated_cpu_us, created_us)
    SELECT item.value ->> 'id', item.value ->> 'team', item.value ->> 'key', item.value ->> 'kind', item.value ->> 'name',
        item.value ->> 'spec', item.value ->> 'request', item.value ->> 'warnings', 'queued', CAST(item.value ->> 'deadline_s' AS BIGINT),
        CAST(item.value ->> 'priority' AS BIGINT), item.value ->> 'plan_hash', item.value ->> 'tags',
        item.value ->> 'schedule', item.value ->> 'estimate', CAST(item.value ->> 'cpu_us' AS BIGINT), (SELECT now_us FROM clock) + CAST(item.value ->> 'place' AS BIGINT)
    FROM json_each($1) AS item";

async fn insert_jobs(tx: &mut WriteTx, new: &[(&JobId, &NewJob)]) -> Result<(), JobsError> {
    let rows = new.iter().enumerate().map(|(place, (id, job))| {
        json!({
            "place": place,
            "id": id,
            "team": job.team,
            "key": job.key,
            "kind": job.kind.as_str(),
            "name": job.name,
            "spec": job.spec.to_string(),
            "warnings": job.spec.get("warnings").map_or_else(|| "[]".to_owned(), Value::to_string),
            "request": job.spec.get("request").unwrap_or(&job.spec).to_string(),
            "deadline_s": job.deadline_s.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX)),
            "priority": job.priority,
            "plan_hash": job.plan_hash(),
            "schedule": job.schedule,
            "tags": json!(job.tags).to_string(),
            "estimate": job.expected.as_ref().map(|expected| expected.told.to_string()),
            "cpu_us": job.expected.as_ref().map_or(0, |expected| expected.cpu_us),
        })
    });
    let rows: Vec<_> = rows.collect();
    let inserted = sqlx::query(INSERT_JOBS).bind(json!(rows).to_string()).execute(&mut **tx).await;
    match inserted.map_err(crate::db::DbError::from) {
        Ok(_) => Ok(()),
        // Where there are several, nobody knows whose it was; each is then tried alone.
        Err(error) if error.is_dangling() => Err(JobsError::UnknownTeam(new[0].1.team.clone())),
        Err(error) => Err(error.into()),
    }
}

const INSERT_STAGES: &str = "
    INSERT INTO stages (job_id, ordinal, name, weight, state, tasks_total, opened_us)
    SELECT item.value ->> 'job', CAST(item.value ->> 'ordinal' AS BIGINT), item.value ->> 'name',
        CAST(item.value ->> 'weight' AS DOUBLE PRECISION), item.value ->> 'state', CAST(item.value ->> 'tasks' AS BIGINT),
        CASE WHEN item.value ->> 'state' = 'open'
            THEN (SELECT created_us FROM jobs WHERE jobs.id = item.value ->> 'job') END
    FROM json_each($1) AS item";

async fn insert_stages(tx: &mut WriteTx, new: &[(&JobId, &NewJob)]) -> Result<(), JobsError> {
    let rows = new.iter().flat_map(|(id, job)| {
        job.stages.iter().enumerate().map(move |(ordinal, stage)| {
            json!({
                "job": id,
                "ordinal": ordinal,
                "name": stage.name,
                "weight": stage.weight,
                "state": if ordinal == 0 { "open" } else { "waiting" },
                "tasks": stage.tasks.len(),
            })
        })
    });
    let rows: Vec<_> = rows.collect();
    sqlx::query(INSERT_STAGES).bind(json!(rows).to_string()).execute(&mut **tx).await?;
    Ok(())
}

/// What is a copy of the job's comes from the job.
const INSERT_TASKS: &str = "
    INSERT INTO tasks (id, job_id, stage, position, input, state, priority, job_created_us, team_id)
    SELECT item.value ->> 'id', jobs.id, CAST(item.value ->> 'stage' AS BIGINT), CAST(item.value ->> 'position' AS BIGINT),
        item.value ->> 'input', item.value ->> 'state', jobs.priority, jobs.created_us, jobs.team_id
    FROM json_each($1) AS item CROSS JOIN jobs WHERE jobs.id = item.value ->> 'job'";

async fn insert_tasks(tx: &mut WriteTx, new: &[(&JobId, &NewJob)]) -> Result<(), JobsError> {
    let rows = new.iter().flat_map(|(id, job)| {
        job.stages.iter().enumerate().flat_map(move |(stage, NewStage { tasks, .. })| {
            tasks.iter().enumerate().map(move |(position, input)| {
                json!({
                    "id": TaskId::random(),
                    "job": id,
                    "stage": stage,
                    "position": position,
                    "input": input.to_string(),
                    "state": if stage == 0 { "ready" } else { "waiting" },
                })
            })
        })
    });
    let rows: Vec<_> = rows.collect();
    sqlx::query(INSERT_TASKS).bind(json!(rows).to_string()).execute(&mut **tx).await?;
    Ok(())
}
