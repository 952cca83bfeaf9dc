//! The reconciler: finds what nobody else will move on. It looks at queued, claimed and running alike, because a job can be
//! stuck in each of them.

use sqlx::Row as _;

use super::{
    claim::parse_id,
    error::JobsError,
    finish::{self, Outcome, Verdict, deadline_problem},
    lease::{self, Lease},
    limits::JobsConfig,
    settle::{self, Ending},
    state::AttemptOutcome,
};
use crate::{
    db::Db,
    domain::{ids::JobId, problem::Problem},
};

/// What one round has moved on.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Round {
    /// Tasks taken from workers that are gone.
    pub(super) rescued: usize,
    /// Jobs ended because their deadline passed with nobody running them.
    pub(super) overdue: usize,
    /// Jobs ended because they were cancelled or had nothing left to run.
    pub(super) stranded: usize,
}

/// One round. Safe to run in several processes at once: every step is fenced or finds its job ended.
pub(super) async fn round(db: &Db, config: &JobsConfig) -> Result<Round, JobsError> {
    Ok(Round {
        rescued: rescue(db, config, expired(db).await?).await?,
        overdue: end_overdue(db, config).await?,
        stranded: end_stranded(db).await?,
    })
}

/// Rescues at once what earlier processes left running. Only right for who holds the data directory: nobody else can be alive.
pub(super) async fn recover(db: &Db, config: &JobsConfig) -> Result<usize, JobsError> {
    if !db.is_exclusive() {
        return Ok(0);
    }
    rescue(db, config, orphaned(db).await?).await
}

const EXPIRED: &str = "
    SELECT id, job_id, stage, lease_epoch FROM tasks
    WHERE state = 'running' AND lease_until_us < (SELECT now_us FROM clock)";

async fn expired(db: &Db) -> Result<Vec<Lease>, JobsError> {
    sqlx::query(EXPIRED).fetch_all(db.read()).await?.iter().map(Lease::read).collect()
}

const ORPHANED: &str = "
    SELECT id, job_id, stage, lease_epoch FROM tasks WHERE state = 'running' AND lease_session <> $1";

async fn orphaned(db: &Db) -> Result<Vec<Lease>, JobsError> {
    sqlx::query(ORPHANED).bind(db.session()).fetch_all(db.read()).await?.iter().map(Lease::read).collect()
}

async fn rescue(db: &Db, config: &JobsConfig, leases: Vec<Lease>) -> Result<usize, JobsError> {
    let mut rescued = 0;
    for lease in leases {
        // What the lost worker had spent is lost with it.
        let outcome = Outcome { lease, verdict: Verdict::Lost, cpu_us: None };
        match finish::record(db, config, &outcome).await {
            Ok(()) => {
                rescued += 1;
                let Lease { job, task, .. } = &outcome.lease;
                tracing::warn!(job.id = %job, task.id = %task, "took a task from a worker that is gone");
            }
            // Its worker or another reconciler was faster.
            Err(JobsError::LeaseLost) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(rescued)
}

/// A running task stops itself at the deadline; after one more lease time it is not given the benefit of the doubt.
const OVERDUE: &str = "
    SELECT id, deadline_s FROM jobs
    WHERE state IN ('queued', 'running') AND deadline_us < (SELECT now_us FROM clock)
        AND (deadline_us < (SELECT now_us FROM clock) - $1
            OR NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.job_id = jobs.id AND tasks.state = 'running'))";

async fn end_overdue(db: &Db, config: &JobsConfig) -> Result<usize, JobsError> {
    let rows = sqlx::query(OVERDUE).bind(config.lease_us()).fetch_all(db.read()).await?;
    for row in &rows {
        let job: JobId = parse_id(row, "id", "jobs.id")?;
        let problem = deadline_problem(row.try_get("deadline_s")?);
        end(db, &job, Ending::Failed { problem: &problem, others: AttemptOutcome::Deadline }).await?;
    }
    Ok(rows.len())
}

const STRANDED: &str = "
    SELECT id, cancel_requested_us FROM jobs
    WHERE state IN ('queued', 'running')
        AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.job_id = jobs.id AND tasks.state IN ('ready', 'running'))";

/// No transaction leaves a live job without a task to run. If one is found all the same, its owner must not wait forever.
async fn end_stranded(db: &Db) -> Result<usize, JobsError> {
    let rows = sqlx::query(STRANDED).fetch_all(db.read()).await?;
    let problem = Problem::internal("The job had nothing left to run but no result.");
    for row in &rows {
        let job: JobId = parse_id(row, "id", "jobs.id")?;
        tracing::error!(job.id = %job, "a live job had no task left to run");
        let ending = match row.try_get::<Option<i64>, _>("cancel_requested_us")? {
            Some(_) => Ending::Cancelled,
            None => Ending::Failed { problem: &problem, others: AttemptOutcome::Cancelled },
        };
        end(db, &job, ending).await?;
    }
    Ok(rows.len())
}

async fn end(db: &Db, job: &JobId, ending: Ending<'_>) -> Result<(), JobsError> {
    let mut tx = db.write().await?;
    lease::lock_jobs(&mut tx, [job]).await?;
    settle::end(&mut tx, job, ending).await?;
    Ok(tx.commit().await?)
}
