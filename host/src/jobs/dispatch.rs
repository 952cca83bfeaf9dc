//! Handing tasks to the worker threads: one loop claims as many tasks as there are idle threads, in one transaction, and never more: a
//! task that is claimed has begun.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    attempt::{self, Started},
    claim::{self, Claim, Claimed},
    error::JobsError,
    limits::{BATCH_MAX, ClaimTerms},
    load::{self, Loaded},
    running::Stop,
    worker::Shared,
};
use crate::domain::{
    ids::TaskId,
    interrupt::{Interrupt, StopReason},
};

/// A task on its way to a thread; the permit stands for that thread and is given back when it is idle again.
type Handed = (Started, OwnedSemaphorePermit);

/// Where worker threads get their tasks from.
pub(super) struct Hatch {
    tasks: Mutex<Receiver<Handed>>,
}

impl Hatch {
    /// The next task, or `None` when no more will come.
    fn next(&self) -> Option<Handed> {
        // Only one thread waits in the channel, the others for the lock: a task wakes one thread either way.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
    }
}

/// Runs what comes through the hatch, until nothing comes any more.
pub(super) fn work_until_closed(shared: &Arc<Shared>, hatch: &Hatch) {
    while let Some((started, permit)) = hatch.next() {
        attempt::run(shared, started);
        drop(permit);
    }
}

/// Starts to claim tasks for `threads` threads, until the worker drains.
pub(super) fn start(shared: Arc<Shared>, threads: usize) -> Arc<Hatch> {
    let (sender, receiver) = channel();
    let idle = Arc::new(Semaphore::new(threads));
    tokio::spawn(dispatch_until_drained(shared, idle, sender));
    Arc::new(Hatch { tasks: Mutex::new(receiver) })
}

async fn dispatch_until_drained(shared: Arc<Shared>, idle: Arc<Semaphore>, hatch: Sender<Handed>) {
    let worker = format!("process {}", std::process::id());
    let terms = shared.config.claim_terms(&worker, shared.db.session());
    let poll = Duration::from_millis(shared.config.poll_ms);
    while let Some(permits) = idle_threads(&idle, &shared.draining).await {
        // Registered before looking: a task that becomes ready between the look and the wait is not slept through.
        let woken = shared.wake.notified();
        let mut woken = std::pin::pin!(woken);
        woken.as_mut().enable();
        if shared.draining.is_raised() {
            return;
        }
        match claim_and_load(&shared, &terms, permits.len()).await {
            Ok((started, is_queue_empty)) => {
                for handed in started.into_iter().zip(permits) {
                    // An error means that the threads are gone; the leases run out.
                    let _ = hatch.send(handed);
                }
                if is_queue_empty {
                    // Elapsed or woken, the next step is the same.
                    let _ = tokio::time::timeout(poll, woken).await;
                }
            }
            Err(error) => {
                tracing::warn!(error = %error, "no task could be claimed, trying again");
                let _ = tokio::time::timeout(poll, shared.draining.raised()).await;
            }
        }
    }
}

/// Waits for an idle thread and takes all that are; `None` when the worker drains.
async fn idle_threads(idle: &Arc<Semaphore>, draining: &Stop) -> Option<Vec<OwnedSemaphorePermit>> {
    let first = tokio::select! {
        first = Arc::clone(idle).acquire_owned() => first.ok()?,
        () = draining.raised() => return None,
    };
    let mut permits = vec![first];
    while permits.len() < BATCH_MAX {
        match Arc::clone(idle).try_acquire_owned() {
            Ok(permit) => permits.push(permit),
            Err(_) => break,
        }
    }
    Some(permits)
}

/// Claims tasks, makes them interruptible, and then reads them: a cancel that comes in between is seen here, a later one is
/// signalled. Also says whether the queue is empty.
async fn claim_and_load(
    shared: &Arc<Shared>,
    terms: &ClaimTerms,
    wanted: usize,
) -> Result<(Vec<Started>, bool), JobsError> {
    // Taken before the claim: its leases begin no earlier.
    let sent = Instant::now();
    let Claimed { claims, is_queue_empty } = claim::claim(&shared.db, terms, wanted).await?;
    let begun: Vec<_> = claims.into_iter().map(|claim| register(shared, claim, sent)).collect();
    if begun.is_empty() {
        return Ok((Vec::new(), is_queue_empty));
    }
    let leases: Vec<_> = begun.iter().map(|(claim, _)| &claim.lease).collect();
    let mut loaded = match load::load(&shared.db, &leases).await {
        Ok(loaded) => Ok(loaded),
        Err(error) => {
            tracing::error!(error = %error, "claimed tasks cannot be read");
            Err(super::context::storage_failure(&error))
        }
    };
    let started = begun.into_iter().filter_map(|(claim, interrupt)| {
        let loaded = match &mut loaded {
            Ok(loaded) => Ok(take_loaded(loaded, shared, &claim, &interrupt)?),
            Err(failure) => Err(failure.clone()),
        };
        Some(Started { lease: claim.lease, interrupt, loaded })
    });
    Ok((started.collect(), is_queue_empty))
}

fn register(shared: &Arc<Shared>, claim: Claim, sent: Instant) -> (Claim, Arc<Interrupt>) {
    let left = claim.deadline_in_us.map(|us| Duration::from_micros(u64::try_from(us).unwrap_or(0)));
    let deadline = left.and_then(|left| Instant::now().checked_add(left));
    let interrupt = Arc::new(deadline.map_or_else(Interrupt::new, Interrupt::with_deadline));
    shared.running.insert(claim.lease.clone(), Arc::clone(&interrupt), shared.stop_at(sent));
    // A drain that began before the task was registered has not reached it.
    if shared.draining.is_raised() {
        interrupt.raise(StopReason::Draining);
    }
    (claim, interrupt)
}

/// `None` where the lease is lost already: the task is not begun.
fn take_loaded(
    loaded: &mut HashMap<TaskId, Loaded>,
    shared: &Shared,
    claim: &Claim,
    interrupt: &Interrupt,
) -> Option<Box<Loaded>> {
    let Some(task) = loaded.remove(&claim.lease.task) else {
        shared.running.remove(&claim.lease);
        return None;
    };
    if task.is_cancelled {
        interrupt.raise(StopReason::Cancelled);
    }
    Some(Box::new(task))
}
