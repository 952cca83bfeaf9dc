//! The tasks that run in this process: how their interrupts are found, and when their leases end by this machine's clock.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::lease::Lease;
use crate::domain::{
    ids::{JobId, TaskId},
    interrupt::{Interrupt, StopReason},
};

/// Tasks in flight, keyed by task: a process holds at most one lease on a task, as only a lost one can be claimed again.
#[derive(Debug, Default)]
pub(super) struct RunningTasks(Mutex<HashMap<TaskId, Running>>);

#[derive(Debug)]
struct Running {
    lease: Lease,
    interrupt: Arc<Interrupt>,
    /// From here on the worker treats the lease as lost. Earlier than the database's end of it.
    stop_at: Instant,
}

impl RunningTasks {
    fn lock(&self) -> MutexGuard<'_, HashMap<TaskId, Running>> {
        // Nothing panics while holding it, and its entries are whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, lease: Lease, interrupt: Arc<Interrupt>, stop_at: Instant) {
        let previous = self.lock().insert(lease.task.clone(), Running { lease, interrupt, stop_at });
        if let Some(previous) = previous {
            // This process lost the task and claimed it again before the first run noticed.
            previous.interrupt.raise(StopReason::LeaseLost);
        }
    }

    /// Forgets a lease; a newer one on the same task stays.
    pub(super) fn remove(&self, lease: &Lease) {
        let mut tasks = self.lock();
        if tasks.get(&lease.task).is_some_and(|running| running.lease == *lease) {
            tasks.remove(&lease.task);
        }
    }

    pub(super) fn leases(&self) -> Vec<Lease> {
        self.lock().values().map(|running| running.lease.clone()).collect()
    }

    pub(super) fn renewed(&self, lease: &Lease, stop_at: Instant) {
        if let Some(running) = self.lock().get_mut(&lease.task).filter(|running| running.lease == *lease) {
            running.stop_at = stop_at;
        }
    }

    pub(super) fn raise(&self, lease: &Lease, reason: StopReason) {
        if let Some(running) = self.lock().get(&lease.task).filter(|running| running.lease == *lease) {
            running.interrupt.raise(reason);
        }
    }

    pub(super) fn raise_job(&self, job: &JobId, reason: StopReason) {
        self.lock()
            .values()
            .filter(|running| running.lease.job == *job)
            .for_each(|running| running.interrupt.raise(reason));
    }

    pub(super) fn raise_all(&self, reason: StopReason) {
        self.lock().values().for_each(|running| running.interrupt.raise(reason));
    }

    /// Stops every task whose lease could not be renewed in time: another worker may hold it soon.
    pub(super) fn fence(&self, now: Instant) {
        for running in self.lock().values().filter(|running| running.stop_at <= now) {
            running.interrupt.raise(StopReason::LeaseLost);
        }
    }
}

/// A flag that threads and tasks can wait for.
#[derive(Debug, Default)]
pub(super) struct Stop {
    raised: Mutex<bool>,
    changed: Condvar,
    notify: Notify,
}

impl Stop {
    pub(super) fn raise(&self) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
        self.notify.notify_waiters();
    }

    pub(super) fn is_raised(&self) -> bool {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the flag is raised, at most for `timeout`; says whether it is.
    pub(super) fn wait(&self, timeout: Duration) -> bool {
        let guard = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(guard, timeout, |raised| !*raised);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Ready once the flag is raised.
    pub(super) async fn raised(&self) {
        let raised = self.notify.notified();
        let mut raised = std::pin::pin!(raised);
        // Registered before looking, so that it cannot be raised in between.
        raised.as_mut().enable();
        if !self.is_raised() {
            raised.await;
        }
    }
}
