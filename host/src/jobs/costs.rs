//! What jobs cost: written down by the transaction that ends them, read back by component as the history that estimates stand on.
//!
//! A task that was tried again counts once: what is written down is what the kept outputs say, and only one of them ever is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Row as _;

use super::{claim::small, complete::FinalOutput, error::JobsError, recent::Recent};
use crate::{
    db::{Db, Row, WriteTx},
    domain::{
        ids::{JobId, TeamId},
        job::JobKind,
        plugin::Usage,
    },
};

/// Newest jobs that an estimate stands on, for each component: enough for an interval, and a change of ways is soon followed.
pub const ESTIMATE_JOBS_MAX: u32 = 32;
/// Newest rows that the history of a component is told from; a job has one for each stage that the component took part in.
pub const HISTORY_ROWS_MAX: u32 = 1_000;

/// What a component did in a stage of a job, and what that cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// Name of the stage.
    pub stage: String,
    /// What is known of it is found by this: a plugin's id, for example.
    pub component: String,
    /// What `units` counts.
    pub unit: String,
    /// The work that was done; positive.
    pub units: f64,
    /// The work that the plan had asked for; positive.
    pub asked: f64,
    /// The cost, over all tasks of the stage.
    pub usage: Usage,
}

/// The component that stands for what the host itself does in jobs of a kind.
#[must_use]
pub fn host(kind: JobKind) -> String {
    format!("host/{}", kind.as_str())
}

/// The cost of the host is that of all attempts, as far as anybody could tell, without that of the components.
const RECORD: &str = "
    INSERT INTO job_costs (job_id, stage, component, team_id, unit, units, asked, tasks, fuel, cpu_us, memory_peak_bytes, calls,
        copied_bytes, ended_us)
    SELECT jobs.id, stages.name, item.value ->> 'component', jobs.team_id, item.value ->> 'unit',
        CAST(item.value ->> 'units' AS DOUBLE PRECISION), CAST(item.value ->> 'asked' AS DOUBLE PRECISION), stages.tasks_total, CAST(item.value ->> 'fuel' AS BIGINT),
        CAST(item.value ->> 'cpu_us' AS BIGINT), CAST(item.value ->> 'memory' AS BIGINT),
        CAST(item.value ->> 'calls' AS BIGINT), CAST(item.value ->> 'copied' AS BIGINT), jobs.finished_us
    FROM json_each($1) AS item CROSS JOIN jobs
    JOIN stages ON stages.job_id = jobs.id AND stages.name = item.value ->> 'stage'
    WHERE jobs.id = item.value ->> 'job'
    UNION ALL
    SELECT jobs.id, stages.name, 'host/' || jobs.kind, jobs.team_id, 'weight', stages.weight, stages.weight, stages.tasks_total, 0,
        CAST((SELECT COALESCE(SUM(attempts.cpu_us), 0) FROM tasks JOIN attempts ON attempts.task_id = tasks.id
            WHERE tasks.job_id = jobs.id AND tasks.stage = stages.ordinal) AS BIGINT)
        - CAST((SELECT COALESCE(SUM(CAST(spent.value ->> 'cpu_us' AS BIGINT)), 0) FROM json_each($1) AS spent
            WHERE spent.value ->> 'job' = jobs.id AND spent.value ->> 'stage' = stages.name) AS BIGINT),
        0, 0, 0, jobs.finished_us
    FROM json_each($2) AS item CROSS JOIN jobs JOIN stages ON stages.job_id = jobs.id
    WHERE jobs.id = item.value ->> 'job'";

/// Writes down what jobs cost that have just ended in this transaction; nothing for those that say nothing of it.
pub(super) async fn record(tx: &mut WriteTx, ended: &[(JobId, FinalOutput)]) -> Result<(), JobsError> {
    let told: Vec<_> = ended.iter().filter(|(_, output)| !output.spent.is_empty()).collect();
    if told.is_empty() {
        return Ok(());
    }
    let spent: Vec<Value> =
        told.iter().flat_map(|(job, output)| output.spent.iter().map(|spent| item(job, spent))).collect();
    let jobs: Vec<Value> = told.iter().map(|(job, _)| json!({ "job": job })).collect();
    sqlx::query(RECORD)
        .bind(Value::Array(spent).to_string())
        .bind(Value::Array(jobs).to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn item(job: &JobId, spent: &Spent) -> Value {
    let Spent { stage, component, unit, units, asked, usage } = spent;
    json!({
        "job": job, "stage": stage, "component": component, "unit": unit, "units": units, "asked": asked,
        "fuel": whole(usage.fuel), "cpu_us": (usage.cpu_ms * 1e3).round() as i64, "memory": whole(usage.memory_peak_bytes),
        "calls": whole(usage.calls), "copied": whole(usage.copied_bytes),
    })
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A component in a stage whose past costs are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    /// The component.
    pub component: String,
    /// Name of the stage.
    pub stage: String,
    /// Whether other teams' jobs may tell where the team has none: of what everybody has, it says nothing of anybody.
    pub from_all: bool,
}

/// What a past job's component cost per unit of its work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PastCost {
    /// Units of work that were done for each that the plan had asked for.
    pub units_per_asked: f64,
    /// Fuel.
    pub fuel: f64,
    /// CPU time in seconds.
    pub cpu_s: f64,
}

/// What was read of past costs a moment ago: a team that submits many jobs of a sort need not have its history read for each.
pub type RecentCosts = Recent<(TeamId, Vec<Asked>), Arc<Vec<Vec<PastCost>>>>;

/// The newest costs of an item's component in its stage, of those rows that the condition lets in.
macro_rules! newest {
    ($condition:literal) => {
        concat!(
            "(SELECT CAST(json_group_array(json_object('units', newest.units, 'asked', newest.asked, 'fuel', newest.fuel,
                    'cpu_us', newest.cpu_us)) AS TEXT)
                FROM (SELECT units, asked, fuel, cpu_us FROM job_costs
                    WHERE component = item.value ->> 'component' AND stage = item.value ->> 'stage' AND ",
            $condition,
            " ORDER BY ended_us DESC LIMIT $3) AS newest)"
        )
    };
}

/// `place` is the number of the item. Those of all teams are read where they may be told and the team has none.
const PAST: &str = concat!(
    "SELECT CAST(item.value ->> 'place' AS BIGINT) AS place, ",
    newest!("team_id = $1"),
    " AS own,
        CASE WHEN item.value ->> 'from' = 'all' AND NOT EXISTS (SELECT 1 FROM job_costs
            WHERE team_id = $1 AND component = item.value ->> 'component' AND stage = item.value ->> 'stage') THEN ",
    newest!("true"),
    " END AS of_all
    FROM json_each($2) AS item"
);

#[derive(Deserialize)]
struct PastRow {
    units: f64,
    asked: f64,
    fuel: f64,
    cpu_us: f64,
}

/// What each of these cost in the team's newest jobs, in the order asked; nothing where there is none.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn past(db: &Db, team: &TeamId, asked: &[Asked]) -> Result<Vec<Vec<PastCost>>, JobsError> {
    let items = asked.iter().enumerate().map(|(place, asked)| {
        let from = if asked.from_all { "all" } else { "own" };
        json!({ "place": place, "component": asked.component, "stage": asked.stage, "from": from })
    });
    let rows = sqlx::query(db.sql(PAST))
        .bind(team.as_str())
        .bind(Value::Array(items.collect()).to_string())
        .bind(i64::from(ESTIMATE_JOBS_MAX))
        .fetch_all(db.read())
        .await?;
    let mut found = vec![Vec::new(); asked.len()];
    for row in &rows {
        let place = usize::try_from(row.try_get::<i64, _>("place")?).unwrap_or(usize::MAX);
        if let Some(found) = found.get_mut(place) {
            *found = read_past(row, "own")?;
            if found.is_empty() {
                *found = read_past(row, "of_all")?;
            }
        }
    }
    Ok(found)
}

fn read_past(row: &Row, column: &'static str) -> Result<Vec<PastCost>, JobsError> {
    let text: Option<&str> = row.try_get(column)?;
    let rows: Vec<PastRow> =
        serde_json::from_str(text.unwrap_or("[]")).map_err(|error| JobsError::unreadable("job_costs", error))?;
    // Threads are measured one by one, so what is left for the host can come out a little below nothing.
    let cost = |row: PastRow| PastCost {
        units_per_asked: row.units / row.asked,
        fuel: row.fuel / row.units,
        cpu_s: (row.cpu_us / 1e6 / row.units).max(0.0),
    };
    Ok(rows.into_iter().map(cost).collect())
}

/// What a component cost in a stage of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct CostRow {
    /// Name of the stage.
    pub stage: String,
    /// What `units` counts.
    pub unit: String,
    /// The work that was done.
    pub units: f64,
    /// Tasks of the stage.
    pub tasks: u32,
    /// The cost, over all of them.
    pub usage: Usage,
    /// When the job ended, in microseconds since 1970-01-01 UTC.
    pub ended_us: i64,
}

const HISTORY: &str = "
    SELECT stage, unit, units, tasks, fuel, cpu_us, memory_peak_bytes, calls, copied_bytes, ended_us FROM job_costs
    WHERE team_id = $1 AND component = $2 ORDER BY ended_us DESC LIMIT $3";

/// What a component cost in the team's newest jobs, newest first, at most [`HISTORY_ROWS_MAX`] rows.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn history(db: &Db, team: &TeamId, component: &str) -> Result<Vec<CostRow>, JobsError> {
    let rows = sqlx::query(HISTORY)
        .bind(team.as_str())
        .bind(component)
        .bind(i64::from(HISTORY_ROWS_MAX))
        .fetch_all(db.read())
        .await?;
    rows.iter().map(read_cost).collect()
}

fn read_cost(row: &Row) -> Result<CostRow, JobsError> {
    let count = |column| Ok::<_, JobsError>(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0));
    Ok(CostRow {
        stage: row.try_get("stage")?,
        unit: row.try_get("unit")?,
        units: row.try_get("units")?,
        tasks: small(row.try_get("tasks")?),
        usage: Usage {
            fuel: count("fuel")?,
            cpu_ms: count("cpu_us")? as f64 / 1e3,
            memory_peak_bytes: count("memory_peak_bytes")?,
            calls: count("calls")?,
            copied_bytes: count("copied_bytes")?,
        },
        ended_us: row.try_get("ended_us")?,
    })
}

/// What a job was expected to cost when it was submitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// All that is told of it.
    pub told: Value,
    /// Its CPU time in microseconds, as far as it was known: what the team's quota counts until the job has used it.
    pub cpu_us: i64,
}

/// What a job was expected to cost, and what its attempts have cost so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct JobCosts {
    /// What was told at its submission.
    pub expected: Option<Value>,
    /// Fuel of its plugins; known once it has a result.
    pub fuel: Option<u64>,
    /// CPU time of all attempts that have ended, in microseconds.
    pub cpu_us: Option<i64>,
}

/// Columns of a job's costs, where `$1` is the job.
macro_rules! job_costs {
    () => {
        "(SELECT estimate FROM jobs WHERE id = $1) AS estimate,
        (SELECT CAST(SUM(fuel) AS BIGINT) FROM job_costs WHERE job_id = $1) AS fuel,
        (SELECT CAST(SUM(cpu_us) AS BIGINT) FROM attempts WHERE job_id = $1) AS cpu_us"
    };
}
pub(super) use job_costs;

/// Reads [`job_costs`].
pub(super) fn read_job_costs(row: &Row) -> Result<JobCosts, JobsError> {
    let text: Option<&str> = row.try_get("estimate")?;
    let expected = text.map(serde_json::from_str).transpose();
    let fuel: Option<i64> = row.try_get("fuel")?;
    Ok(JobCosts {
        expected: expected.map_err(|error| JobsError::unreadable("jobs.estimate", error))?,
        fuel: fuel.and_then(|fuel| u64::try_from(fuel).ok()),
        cpu_us: row.try_get("cpu_us")?,
    })
}
