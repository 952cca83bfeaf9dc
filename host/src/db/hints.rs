//! Hints that something was committed, so that nobody needs to poll fast. Never the truth: that is in the rows.

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::domain::ids::JobId;

/// What a transaction changed. Sent after its commit, to this process and the rest of its fleet; whoever misses it finds the
/// change by polling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hint {
    /// A task can be claimed.
    TaskReady,
    /// The running tasks of this job should stop: it was cancelled or has failed.
    JobStopping(JobId),
    /// This job has a new event.
    JobChanged(JobId),
    /// A webhook has something to be told.
    DeliveryDue,
}

/// A receiver that falls further behind than this loses the oldest hints and is told so.
const HINTS_KEPT: usize = 1024;

#[derive(Debug, Clone)]
pub(super) struct Hints {
    here: broadcast::Sender<Hint>,
    /// To the other processes of a fleet.
    elsewhere: broadcast::Sender<Hint>,
}

impl Hints {
    pub(super) fn new() -> Self {
        Self { here: broadcast::Sender::new(HINTS_KEPT), elsewhere: broadcast::Sender::new(HINTS_KEPT) }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Hint> {
        self.here.subscribe()
    }

    /// What this process commits from now on.
    pub(super) fn subscribe_own(&self) -> broadcast::Receiver<Hint> {
        self.elsewhere.subscribe()
    }

    pub(super) fn publish(&self, hint: Hint) {
        // An error means that nobody listens, which is fine.
        let _ = self.elsewhere.send(hint.clone());
        let _ = self.here.send(hint);
    }

    /// Passes on what another process has committed.
    pub(super) fn received(&self, hint: Hint) {
        let _ = self.here.send(hint);
    }
}
