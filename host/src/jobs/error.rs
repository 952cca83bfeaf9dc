//! What can go wrong with the queue, sorted by what the caller can do.

use crate::{
    db::DbError,
    domain::ids::{JobId, ScheduleId, TeamId},
};

/// A failure of the job engine.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// The plan of a new job breaks a rule; nothing was stored. The planner is wrong, not the user.
    #[error("the plan of the job is not valid: {0}")]
    InvalidPlan(String),
    /// There is no such team; nothing was stored.
    #[error("team {0} does not exist")]
    UnknownTeam(TeamId),
    /// There is no such job.
    #[error("job {0} does not exist")]
    UnknownJob(JobId),
    /// The job has not ended; nothing was changed. Cancel it first.
    #[error("job {0} has not ended")]
    JobLive(JobId),
    /// There is no such schedule.
    #[error("schedule {0} does not exist")]
    UnknownSchedule(ScheduleId),
    /// The team has a schedule of this name; nothing was stored. Choose another name.
    #[error("the team has a schedule named `{0}` already")]
    ScheduleNameTaken(String),
    /// The team has as many schedules as it may; nothing was stored. Delete one.
    #[error("the team has {0} schedules, which is the limit")]
    TooManySchedules(u32),
    /// Somebody else changed the schedule meanwhile; nothing was changed. Read it again.
    #[error("schedule {0} was changed by somebody else meanwhile")]
    ScheduleChanged(ScheduleId),
    /// The task was reclaimed, cancelled or ended since this lease was taken; nothing was written. Stop working on it.
    #[error("the lease on the task is lost")]
    LeaseLost,
    /// A worker's thread could not be started. The machine is out of threads: lower `workers`.
    #[error("cannot start the thread {name}: {source}")]
    Thread {
        /// What the thread would have done.
        name: String,
        /// Why it could not be started.
        source: std::io::Error,
    },
    /// The database failed; see there whether a retry can help.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<sqlx::Error> for JobsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl JobsError {
    /// A stored text that should be readable and is not.
    pub(super) fn unreadable(what: &'static str, detail: impl ToString) -> Self {
        Self::Db(DbError::Unreadable { what, detail: detail.to_string() })
    }
}
