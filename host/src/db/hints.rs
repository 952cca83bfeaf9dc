//! Hints that something was committed, so that nobody needs to poll fast. Never the truth: that is in the rows.

use tokio::sync::broadcast;

use crate::domain::ids::JobId;

/// What a transaction changed. Sent after its commit, to this process; whoever misses it finds the change by polling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// A task can be claimed.
    TaskReady,
    /// The running tasks of this job should stop: it was cancelled or has failed.
    JobStopping(JobId),
    /// This job has a new event.
    JobChanged(JobId),
}

/// A receiver that falls further behind than this loses the oldest hints and is told so.
const HINTS_KEPT: usize = 1024;

#[derive(Debug, Clone)]
pub(super) struct Hints(broadcast::Sender<Hint>);

impl Hints {
    pub(super) fn new() -> Self {
        Self(broadcast::Sender::new(HINTS_KEPT))
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Hint> {
        self.0.subscribe()
    }

    pub(super) fn publish(&self, hint: Hint) {
        // An error means that nobody listens, which is fine.
        let _ = self.0.send(hint);
    }
}
