//! What a running task can ask of the engine. Its methods block the task's own thread, which is there for that.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    error::JobsError,
    lease::{self, Lease, Report},
    limits::cut,
    runner::TaskFailure,
    worker::Shared,
};
use crate::{
    db::{Db, DbError, artifacts::ArtifactHash},
    domain::{
        ids::JobId,
        interrupt::{Interrupt, StopReason},
        problem::Problem,
    },
};

/// How much a log line of a task matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// For who develops a plugin.
    Debug,
    /// For who reads the job.
    Info,
    /// Something is not as it should be, the result stands.
    Warn,
    /// Something failed.
    Error,
}

impl LogLevel {
    /// The name used in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// The engine, as one attempt at one task sees it.
pub struct TaskContext {
    shared: Arc<Shared>,
    lease: Lease,
    interrupt: Arc<Interrupt>,
    checkpoint: Mutex<Option<ArtifactHash>>,
    cpu_elsewhere: Arc<AtomicU64>,
    unreported: Mutex<Unreported>,
}

/// Where an attempt begins.
pub(super) struct Resumed {
    /// The last checkpoint of earlier attempts.
    pub(super) checkpoint: Option<ArtifactHash>,
    /// How far they came.
    pub(super) progress: f64,
    /// Where the CPU time of other threads is added up, in microseconds.
    pub(super) cpu_elsewhere: Arc<AtomicU64>,
}

/// What the task has said and the database does not know yet.
struct Unreported {
    report: Report,
    reached: f64,
    reported_at: Option<Instant>,
    lines_left: u32,
}

impl TaskContext {
    pub(super) fn new(shared: Arc<Shared>, lease: Lease, interrupt: Arc<Interrupt>, resumed: Resumed) -> Self {
        let Resumed { checkpoint, progress: reached, cpu_elsewhere } = resumed;
        let lines_left = shared.config.log_lines_max;
        let unreported = Mutex::new(Unreported { report: Report::default(), reached, reported_at: None, lines_left });
        Self { shared, lease, interrupt, checkpoint: Mutex::new(checkpoint), cpu_elsewhere, unreported }
    }

    /// Adds CPU time that other threads than the attempt's own have spent for it; that one's is counted anyway.
    pub fn spent_elsewhere(&self, cpu: Duration) {
        self.cpu_elsewhere.fetch_add(u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Raised when the task must stop; look at it often.
    #[must_use]
    pub fn interrupt(&self) -> &Arc<Interrupt> {
        &self.interrupt
    }

    /// Reports how far the task has come (0..=1) and what it is doing. Cheap: reports in quick succession are merged. Never goes back.
    pub fn progress(&self, fraction: f64, note: &str) {
        let mut unreported = self.unreported();
        // A NaN compares false and changes nothing.
        if fraction > unreported.reached {
            unreported.reached = fraction.min(1.0);
        }
        unreported.report.progress = Some((unreported.reached, cut(note)));
        self.report_if_due(unreported);
    }

    /// Adds a line to the job's log, cut at 1,000 characters. Lines past the limit of an attempt are dropped.
    pub fn log(&self, level: LogLevel, message: &str) {
        let mut unreported = self.unreported();
        let line = match unreported.lines_left {
            0 => return,
            1 => (LogLevel::Warn.as_str(), "the limit of log lines is reached, the rest is dropped".to_owned()),
            _ => (level.as_str(), cut(message)),
        };
        unreported.lines_left -= 1;
        unreported.report.lines.push(line);
        self.report_if_due(unreported);
    }

    /// Makes `bytes` what the next attempt starts from, durably: when this returns, they survive the death of the machine.
    ///
    /// # Errors
    /// [`TaskFailure::Stopped`] where the lease is lost, [`TaskFailure::Retry`] where the storage fails.
    pub fn save_checkpoint(&self, bytes: &[u8]) -> Result<(), TaskFailure> {
        let (bytes, lease) = (Bytes::copy_from_slice(bytes), self.lease.clone());
        let saved = self.errand(|shared| async move {
            let staged = shared.artifacts.stage(bytes).await?;
            lease::set_checkpoint(&shared.db, &lease, staged).await
        })?;
        *self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner) = Some(saved);
        Ok(())
    }

    /// The last checkpoint of this attempt or, before its first, of an earlier one. `None` means: start from the beginning, also
    /// where the stored checkpoint turns out to be damaged, which costs time but not the result.
    ///
    /// # Errors
    /// [`TaskFailure::Retry`] where the storage fails.
    pub fn last_checkpoint(&self) -> Result<Option<Bytes>, TaskFailure> {
        let hash = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(hash) = hash else {
            return Ok(None);
        };
        let artifacts = self.shared.artifacts.clone();
        match self.shared.errands.run(async move { artifacts.get(&hash).await }) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error @ (DbError::ArtifactMissing(_) | DbError::ArtifactCorrupt { .. })) => {
                tracing::error!(job.id = %self.lease.job, error = %error, "a checkpoint is lost, the task starts over");
                self.log(LogLevel::Warn, "the checkpoint is damaged, starting from the beginning");
                Ok(None)
            }
            Err(error) => Err(self.failure(error.into())),
        }
    }

    /// The outputs of all tasks of an earlier stage, in the order of their index.
    ///
    /// # Errors
    /// [`TaskFailure::Fatal`] where the stage does not exist or is not done, [`TaskFailure::Retry`] where the database fails.
    pub fn outputs(&self, stage: &str) -> Result<Vec<Value>, TaskFailure> {
        let (job, name) = (self.lease.job.clone(), stage.to_owned());
        let outputs = self.errand(|shared| async move { read_outputs(&shared.db, &job, &name).await })?;
        outputs.ok_or_else(|| TaskFailure::fatal(Problem::internal(format!("Stage `{stage}` has no outputs to read."))))
    }

    /// Stores an artifact durably.
    ///
    /// # Errors
    /// [`TaskFailure::Fatal`] past the size limit, [`TaskFailure::Retry`] where the storage fails.
    pub fn put_artifact(&self, bytes: Bytes) -> Result<ArtifactHash, TaskFailure> {
        self.errand(|shared| async move { Ok(shared.artifacts.put(bytes).await?) })
    }

    /// An artifact's bytes, verified.
    ///
    /// # Errors
    /// [`TaskFailure::Fatal`] where it is missing or corrupt, [`TaskFailure::Retry`] where the storage fails.
    pub fn get_artifact(&self, hash: &ArtifactHash) -> Result<Bytes, TaskFailure> {
        let hash = hash.clone();
        self.errand(|shared| async move { Ok(shared.artifacts.get(&hash).await?) })
    }

    /// Writes what is still unreported; called once more when the task has returned.
    pub(super) fn report_now(&self) {
        self.send(self.unreported());
    }

    fn unreported(&self) -> MutexGuard<'_, Unreported> {
        self.unreported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report_if_due(&self, unreported: MutexGuard<'_, Unreported>) {
        let pause = Duration::from_millis(self.shared.config.progress_ms);
        if unreported.reported_at.is_none_or(|reported_at| reported_at.elapsed() >= pause) {
            self.send(unreported);
        }
    }

    /// A report that cannot be written is no reason to fail the task; the next one repeats its progress.
    fn send(&self, mut unreported: MutexGuard<'_, Unreported>) {
        let report = std::mem::take(&mut unreported.report);
        unreported.reported_at = Some(Instant::now());
        // Other threads of the task may go on reporting meanwhile.
        drop(unreported);
        if report == Report::default() {
            return;
        }
        let (db, lease) = (self.shared.db.clone(), self.lease.clone());
        match self.shared.errands.run(async move { lease::report(&db, &lease, &report).await }) {
            Ok(()) => {}
            Err(JobsError::LeaseLost) => self.interrupt.raise(StopReason::LeaseLost),
            Err(error) => tracing::warn!(job.id = %self.lease.job, error = %error, "a progress report was not stored"),
        }
    }

    fn errand<T: Send + 'static, F>(&self, work: impl FnOnce(Arc<Shared>) -> F) -> Result<T, TaskFailure>
    where
        F: Future<Output = Result<T, JobsError>> + Send + 'static,
    {
        self.shared.errands.run(work(self.shared.clone())).map_err(|error| self.failure(error))
    }

    fn failure(&self, error: JobsError) -> TaskFailure {
        if matches!(error, JobsError::LeaseLost) {
            self.interrupt.raise(StopReason::LeaseLost);
            return TaskFailure::Stopped;
        }
        tracing::warn!(job.id = %self.lease.job, task.id = %self.lease.task, error = %error, "a task's storage call failed");
        storage_failure(&error)
    }
}

/// A storage error as the failure of a task: what may pass is retried.
pub(super) fn storage_failure(error: &JobsError) -> TaskFailure {
    match error {
        JobsError::Db(cause) if cause.is_transient() => TaskFailure::retry(Problem::new(
            "storage-unavailable",
            "The storage failed",
            "The database or the artifact store could not be used.",
            "Submit the job again later; if it stays, ask the operator to look at /readyz.",
        )),
        JobsError::Db(
            cause @ (DbError::ArtifactMissing(_) | DbError::ArtifactCorrupt { .. } | DbError::ArtifactTooLarge { .. }),
        ) => TaskFailure::fatal(Problem::new(
            "artifact-unusable",
            "A stored artifact cannot be used",
            format!("{cause}."),
            "Run the job that made it again, or ask the operator to restore it.",
        )),
        _ => TaskFailure::fatal(Problem::internal("The task could not read what it needs.")),
    }
}

const OUTPUTS: &str = "
    SELECT tasks.output FROM tasks
    JOIN stages ON stages.job_id = tasks.job_id AND stages.ordinal = tasks.stage
    WHERE tasks.job_id = $1 AND stages.name = $2 AND stages.state = 'succeeded'
    ORDER BY tasks.position";

async fn read_outputs(db: &Db, job: &JobId, stage: &str) -> Result<Option<Vec<Value>>, JobsError> {
    let rows = sqlx::query(OUTPUTS).bind(job.as_str()).bind(stage).fetch_all(db.read()).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let outputs = rows.iter().map(|row| super::claim::read_json(row, "output", "tasks.output"));
    outputs.collect::<Result<_, _>>().map(Some)
}
