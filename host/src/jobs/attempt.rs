//! One attempt at one task: run it, whatever it does, and record what became of it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    claim::{self, Claim, Loaded},
    context::{TaskContext, storage_failure},
    error::JobsError,
    finish::{self, Verdict},
    lease::Lease,
    runner::{TaskFailure, TaskOutput},
    worker::Shared,
};
use crate::domain::{
    interrupt::{Interrupt, StopReason},
    problem::Problem,
};

/// Runs a claimed task to its end and records it. Never panics with the task.
pub(super) fn run(shared: &Arc<Shared>, claim: Claim, sent: Instant) {
    let interrupt = Arc::new(interrupt_of(&claim));
    shared.running.insert(claim.lease.clone(), interrupt.clone(), shared.stop_at(sent));
    // A drain that began before the task was registered has not reached it.
    if shared.draining.is_raised() {
        interrupt.raise(StopReason::Draining);
    }
    if let Some(verdict) = attempt(shared, &claim.lease, &interrupt) {
        record(shared, &claim.lease, verdict);
    }
    shared.running.remove(&claim.lease);
}

fn interrupt_of(claim: &Claim) -> Interrupt {
    let left = claim.deadline_in_us.map(|us| Duration::from_micros(u64::try_from(us).unwrap_or(0)));
    match left.and_then(|left| Instant::now().checked_add(left)) {
        Some(deadline) => Interrupt::with_deadline(deadline),
        None => Interrupt::new(),
    }
}

/// What became of the task, or `None` where it is no longer ours to say.
fn attempt(shared: &Arc<Shared>, lease: &Lease, interrupt: &Arc<Interrupt>) -> Option<Verdict> {
    let loaded = match shared.runtime.block_on(claim::load(&shared.db, lease)) {
        Ok(loaded) => loaded,
        Err(JobsError::LeaseLost) => return None,
        Err(error) => {
            tracing::error!(job.id = %lease.job, task.id = %lease.task, error = %error, "a claimed task cannot be read");
            return verdict_of(Err(storage_failure(&error)), interrupt);
        }
    };
    if loaded.is_cancelled {
        interrupt.raise(StopReason::Cancelled);
    }
    let outcome = match interrupt.reason() {
        Some(_) => Err(TaskFailure::Stopped),
        None => run_task(shared, lease, interrupt, loaded),
    };
    verdict_of(outcome, interrupt)
}

fn run_task(
    shared: &Arc<Shared>,
    lease: &Lease,
    interrupt: &Arc<Interrupt>,
    loaded: Loaded,
) -> Result<TaskOutput, TaskFailure> {
    let context =
        TaskContext::new(shared.clone(), lease.clone(), interrupt.clone(), loaded.checkpoint, loaded.progress);
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

/// Records the verdict, patiently: the work is done, and a busy database is no reason to do it again. The heartbeat keeps the
/// lease meanwhile; after a lease time the task is left to the reconciler.
fn record(shared: &Shared, lease: &Lease, verdict: Verdict) {
    let give_up_at = Instant::now() + shared.config.lease();
    loop {
        let recorded = shared.runtime.block_on(finish::record(&shared.db, &shared.config, lease, verdict.clone()));
        match recorded {
            Ok(()) => return,
            Err(JobsError::LeaseLost) => {
                tracing::info!(job.id = %lease.job, task.id = %lease.task, "the task had ended elsewhere, its outcome is dropped");
                return;
            }
            Err(error) if Instant::now() < give_up_at => {
                tracing::warn!(job.id = %lease.job, error = %error, "the outcome of a task could not be stored, trying again");
                std::thread::sleep(RECORD_PAUSE);
            }
            Err(error) => {
                tracing::error!(job.id = %lease.job, error = %error, "the outcome of a task was not stored, it will run again");
                return;
            }
        }
    }
}
