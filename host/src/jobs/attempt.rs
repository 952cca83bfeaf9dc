//! One attempt at one task: run it, whatever it does, and record what became of it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    batch::Work,
    context::{Resumed, TaskContext},
    error::JobsError,
    finish::{self, Outcome, Recorded, Verdict},
    lease::Lease,
    limits::{JobsConfig, microseconds},
    load::Loaded,
    runner::{TaskFailure, TaskOutput},
    worker::Shared,
};
use crate::{
    db::Db,
    domain::{
        interrupt::{Interrupt, StopReason},
        problem::Problem,
    },
};

/// A task whose lease is held and whose interrupt can be found.
pub(super) struct Started {
    pub(super) lease: Lease,
    pub(super) interrupt: Arc<Interrupt>,
    /// What it is about, or why that cannot be read.
    pub(super) loaded: Result<Box<Loaded>, TaskFailure>,
}

/// Runs a claimed task to its end and records it. Never panics with the task.
pub(super) fn run(shared: &Arc<Shared>, started: Started) {
    let Started { lease, interrupt, loaded } = started;
    let elsewhere = Arc::new(AtomicU64::new(0));
    let before = thread_cpu();
    let outcome = match (loaded, interrupt.reason()) {
        (Err(failure), _) => Err(failure),
        (Ok(_), Some(_)) => Err(TaskFailure::Stopped),
        (Ok(loaded), None) => run_task(shared, &lease, &interrupt, *loaded, Arc::clone(&elsewhere)),
    };
    let cpu = thread_cpu().saturating_sub(before) + Duration::from_micros(elsewhere.load(Ordering::Relaxed));
    if let Some(verdict) = verdict_of(outcome, &interrupt) {
        record(shared, Outcome { lease: lease.clone(), verdict, cpu_us: Some(microseconds(cpu)) });
    }
    shared.running.remove(&lease);
}

/// CPU time of this thread so far.
fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn run_task(
    shared: &Arc<Shared>,
    lease: &Lease,
    interrupt: &Arc<Interrupt>,
    loaded: Loaded,
    cpu_elsewhere: Arc<AtomicU64>,
) -> Result<TaskOutput, TaskFailure> {
    let context = TaskContext::new(
        shared.clone(),
        lease.clone(),
        interrupt.clone(),
        Resumed { checkpoint: loaded.checkpoint, progress: loaded.progress, cpu_elsewhere },
    );
    // Nothing of a task that panicked is used again, so it cannot be seen half-changed.
    let outcome = catch_unwind(AssertUnwindSafe(|| shared.runner.run(&context, &loaded.task)));
    context.report_now();
    outcome.unwrap_or_else(|_panic| {
        // The panic hook has printed message and place; they may hold user data, which has no place in a problem.
        tracing::error!(job.id = %lease.job, task.id = %lease.task, stage = %loaded.task.stage, "a task panicked");
        let detail = format!("The code that runs stage `{}` broke.", loaded.task.stage);
        Err(TaskFailure::fatal(Problem::internal(detail)))
    })
}

fn verdict_of(outcome: Result<TaskOutput, TaskFailure>, interrupt: &Interrupt) -> Option<Verdict> {
    match outcome {
        Ok(output) => Some(Verdict::Done(output.value)),
        Err(TaskFailure::Fatal(problem)) => Some(Verdict::Fatal(*problem)),
        Err(TaskFailure::Retry(problem)) => Some(Verdict::Retry { problem: *problem, roll: rand::random() }),
        Err(TaskFailure::Stopped) => match interrupt.reason() {
            Some(StopReason::Cancelled) => Some(Verdict::Cancelled),
            Some(StopReason::Deadline) => Some(Verdict::Deadline),
            Some(StopReason::Draining) => Some(Verdict::Released),
            Some(StopReason::LeaseLost) => None,
            None => Some(Verdict::Fatal(Problem::internal("A task stopped without having been told to."))),
        },
    }
}

/// Pause between two tries to record a verdict.
const RECORD_PAUSE: Duration = Duration::from_millis(200);

/// Records the outcome, patiently: the work is done, and a busy database is no reason to do it again. The heartbeat keeps the
/// lease meanwhile; after a lease time the task is left to the reconciler.
fn record(shared: &Arc<Shared>, outcome: Outcome) {
    let give_up_at = Instant::now() + shared.config.lease();
    let Lease { job, task, .. } = outcome.lease.clone();
    loop {
        let (recording, outcome) = (Arc::clone(shared), outcome.clone());
        match shared.errands.run(async move { recording.recorder.run(outcome).await }) {
            Ok(Recorded::Kept) => return,
            Ok(Recorded::LeaseLost) | Err(JobsError::LeaseLost) => {
                tracing::info!(job.id = %job, task.id = %task, "the task had ended elsewhere, its outcome is dropped");
                return;
            }
            Err(error) if Instant::now() < give_up_at => {
                tracing::warn!(job.id = %job, error = %error, "the outcome of a task could not be stored, trying again");
                std::thread::sleep(RECORD_PAUSE);
            }
            Err(error) => {
                tracing::error!(job.id = %job, error = %error, "the outcome of a task was not stored, it will run again");
                return;
            }
        }
    }
}

/// Writes the outcomes that gather while others are written.
pub(super) struct Recorder {
    pub(super) db: Db,
    pub(super) config: JobsConfig,
}

impl Work<Outcome, Recorded> for Recorder {
    async fn run(&self, outcomes: &[Outcome]) -> Result<Vec<Recorded>, JobsError> {
        finish::record_all(&self.db, &self.config, outcomes).await
    }
}
