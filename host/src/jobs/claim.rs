//! Claiming tasks: as many as there are workers for, in one transaction.

use std::collections::HashSet;

use serde_json::{Value, json};
use sqlx::Row as _;

use super::{
    error::JobsError,
    events::{self, NewEvent},
    lease::{self, Lease},
    limits::ClaimTerms,
    share::{self, Share},
};
use crate::{
    db::{Db, Row, WriteTx},
    domain::{
        ids::{JobId, TaskId},
        job::{JobKind, JobState},
    },
};

/// A task that was just claimed.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) lease: Lease,
    /// Time until the job's deadline, in microseconds; negative after it.
    pub(super) deadline_in_us: Option<i64>,
}

/// What a claim came to.
#[derive(Debug)]
pub(super) struct Claimed {
    /// In the order of the queue.
    pub(super) claims: Vec<Claim>,
    /// Nothing more could be claimed just now: wait for a hint. Otherwise there may be more, perhaps of jobs that somebody was just
    /// changing.
    pub(super) is_queue_empty: bool,
}

/// Claims the next tasks, at most `most`: each of the team that uses the least of its share at that point, highest priority first,
/// then the oldest job.
///
/// # Errors
/// [`JobsError::Db`] where the database fails; nothing is claimed then.
pub(super) async fn claim(db: &Db, terms: &ClaimTerms, most: usize) -> Result<Claimed, JobsError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut tx = db.write().await?;
    // What a team uses of its share is counted and then changed: nobody else may do so in between.
    tx.take_turns("claims").await?;
    let shares = share::share_out(&mut tx, most, terms.running_per_team_max).await?;
    let taken = take_all(&mut tx, terms, &shares).await?;
    let allotted: i64 = shares.iter().map(|share| share.tasks).sum();
    let is_queue_empty = allotted < most && taken.len() as i64 == allotted;
    if taken.is_empty() {
        tx.rollback().await?;
        return Ok(Claimed { claims: Vec::new(), is_queue_empty });
    }
    open_attempts(&mut tx, &terms.worker, &taken).await?;
    note_claims(&mut tx, &shares).await?;
    start_jobs(&mut tx, &taken).await?;
    tx.commit().await?;
    Ok(Claimed { claims: taken.into_iter().map(|taken| taken.claim).collect(), is_queue_empty })
}

/// A claim, and where it belongs in the queue.
struct Taken {
    claim: Claim,
    place: (std::cmp::Reverse<i64>, i64, JobId, i64),
}

/// Listed first and then taken, because PostgreSQL could otherwise make the list several times.
macro_rules! take {
    ($lock:literal) => {
        concat!(
            "WITH picked AS MATERIALIZED (
                SELECT tasks.id FROM tasks /*+ JOIN jobs ON jobs.id = tasks.job_id +*/
                WHERE tasks.state = 'ready' AND tasks.not_before_us <= (SELECT now_us FROM clock) AND tasks.team_id = $4
                ORDER BY tasks.priority DESC, tasks.job_created_us, tasks.job_id, tasks.position
                LIMIT $5 ",
            $lock,
            ")
            UPDATE tasks
            SET state = 'running', lease_epoch = lease_epoch + 1, lease_owner = $1, lease_session = $2,
                lease_until_us = (SELECT now_us FROM clock) + $3
            WHERE state = 'ready' AND id IN (SELECT id FROM picked)
            RETURNING id, job_id, stage, lease_epoch, priority, job_created_us, position,
                (SELECT COALESCE(deadline_us - (SELECT now_us FROM clock), deadline_s * 1000000)
                    FROM jobs WHERE jobs.id = tasks.job_id) AS deadline_in_us"
        )
    };
}
/// Whoever changes a job holds its row. A claim passes over the jobs that somebody is just changing...
const TAKE: &str = take!("/*+ FOR NO KEY UPDATE OF jobs SKIP LOCKED +*/");
/// ... and waits for them where there is nothing else, as it would otherwise sleep beside a ready task.
const TAKE_WAITING: &str = take!("/*+ FOR NO KEY UPDATE OF jobs +*/");

async fn take_all(tx: &mut WriteTx, terms: &ClaimTerms, shares: &[Share]) -> Result<Vec<Taken>, JobsError> {
    let mut taken = Vec::new();
    for share in shares {
        taken.extend(take(tx, TAKE, terms, share).await?);
    }
    if !tx.is_alone() {
        // One task and no more: whoever waits for a job while it holds another could be waited for by that one's holder.
        for share in shares {
            if taken.is_empty() {
                taken = take(tx, TAKE_WAITING, terms, &Share { tasks: 1, ..share.clone() }).await?;
            }
        }
    }
    taken.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(taken)
}

async fn take(
    tx: &mut WriteTx,
    statement: &'static str,
    terms: &ClaimTerms,
    share: &Share,
) -> Result<Vec<Taken>, JobsError> {
    let rows = sqlx::query(tx.sql(statement))
        .bind(&terms.worker)
        .bind(&terms.session)
        .bind(terms.lease_us)
        .bind(share.team.as_str())
        .bind(share.tasks)
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(read_taken).collect()
}

fn read_taken(row: &Row) -> Result<Taken, JobsError> {
    let lease = Lease::read(row)?;
    let priority = std::cmp::Reverse(row.try_get("priority")?);
    let place = (priority, row.try_get("job_created_us")?, lease.job.clone(), row.try_get("position")?);
    Ok(Taken { claim: Claim { lease, deadline_in_us: row.try_get("deadline_in_us")? }, place })
}

const NOTE_CLAIMS: &str = "
    UPDATE teams SET last_claim_us = (SELECT now_us FROM clock)
    FROM json_each($1) AS item WHERE teams.id = item.value ->> 'id'";

async fn note_claims(tx: &mut WriteTx, shares: &[Share]) -> Result<(), JobsError> {
    let teams = ids(shares.iter().map(|share| &share.team));
    sqlx::query(NOTE_CLAIMS).bind(teams).execute(&mut **tx).await?;
    Ok(())
}

const OPEN_ATTEMPTS: &str = "
    INSERT INTO attempts (task_id, lease_epoch, job_id, worker, started_us, outcome)
    SELECT item.value ->> 'task', CAST(item.value ->> 'epoch' AS BIGINT), item.value ->> 'job', $2,
        (SELECT now_us FROM clock), 'running'
    FROM json_each($1) AS item";

async fn open_attempts(tx: &mut WriteTx, worker: &str, taken: &[Taken]) -> Result<(), JobsError> {
    let leases = lease::listed(taken.iter().map(|taken| &taken.claim.lease));
    sqlx::query(OPEN_ATTEMPTS).bind(leases).bind(worker).execute(&mut **tx).await?;
    Ok(())
}

/// A queued job has not started. Asked by its state, PostgreSQL would go through all queued jobs for each id.
const START_JOBS: &str = "
    UPDATE jobs
    SET state = 'running', started_us = (SELECT now_us FROM clock),
        deadline_us = (SELECT now_us FROM clock) + deadline_s * 1000000
    FROM json_each($1) AS item WHERE jobs.id = item.value ->> 'id' AND jobs.started_us IS NULL
    RETURNING id";

/// Does nothing for jobs that run already.
async fn start_jobs(tx: &mut WriteTx, taken: &[Taken]) -> Result<(), JobsError> {
    let jobs: HashSet<&JobId> = taken.iter().map(|taken| &taken.claim.lease.job).collect();
    let rows = sqlx::query(START_JOBS).bind(ids(jobs)).fetch_all(&mut **tx).await?;
    let started: Vec<JobId> = rows.iter().map(|row| parse_id(row, "id", "jobs.id")).collect::<Result<_, _>>()?;
    let started: Vec<_> = started.iter().map(|job| NewEvent::state(job, JobState::Running)).collect();
    events::append_all(tx, &started).await
}

/// Ids as a statement takes a list of them.
pub(super) fn ids<T: serde::Serialize>(ids: impl IntoIterator<Item = T>) -> String {
    Value::Array(ids.into_iter().map(|id| json!({ "id": id })).collect()).to_string()
}

/// A count or position from the database; the schema keeps them small and not negative.
pub(super) fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(if number < 0 { 0 } else { u32::MAX })
}

pub(super) fn parse_id<T>(row: &Row, column: &str, what: &'static str) -> Result<T, JobsError>
where
    T: std::str::FromStr<Err: ToString>,
{
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error: T::Err| JobsError::unreadable(what, error))
}

pub(super) fn read_json(row: &Row, column: &str, what: &'static str) -> Result<Value, JobsError> {
    let text: &str = row.try_get(column)?;
    serde_json::from_str(text).map_err(|error| JobsError::unreadable(what, error))
}

pub(super) fn read_kind(row: &Row) -> Result<JobKind, JobsError> {
    let name: String = row.try_get("kind")?;
    serde_json::from_value(Value::String(name)).map_err(|error| JobsError::unreadable("jobs.kind", error))
}

impl Lease {
    /// From a row with `id`, `job_id`, `stage` and `lease_epoch` of a task.
    pub(super) fn read(row: &Row) -> Result<Self, JobsError> {
        Ok(Self {
            task: parse_id::<TaskId>(row, "id", "tasks.id")?,
            job: parse_id::<JobId>(row, "job_id", "tasks.job_id")?,
            stage: row.try_get("stage")?,
            epoch: row.try_get("lease_epoch")?,
        })
    }
}
