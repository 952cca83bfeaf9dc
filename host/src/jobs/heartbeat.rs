//! Keeping leases alive, on threads that do nothing else: a busy runtime or a busy task must not look like a dead worker.

use std::{sync::Arc, time::Instant};

use super::{
    error::JobsError,
    lease::{self, Lease, Renewal},
    worker::Shared,
};
use crate::domain::interrupt::StopReason;

/// Renews the leases of everything that runs here, until the worker has ended.
pub(super) fn renew_until_ended(shared: &Arc<Shared>) {
    while !shared.ended.wait(shared.config.heartbeat()) {
        shared.runtime.block_on(beat(shared));
    }
}

/// Renews everything once, and passes on what that reveals.
pub(super) async fn beat(shared: &Shared) {
    let leases = shared.running.leases();
    if leases.is_empty() {
        return;
    }
    if let Err(error) = renew_all(shared, &leases).await {
        tracing::warn!(error = %error, tasks = leases.len(), "a heartbeat failed; tasks stop if that goes on");
    }
}

async fn renew_all(shared: &Shared, leases: &[Lease]) -> Result<(), JobsError> {
    // Counted from before the statement is sent: the database may execute it late, never early.
    let sent = Instant::now();
    let renewals = lease::renew(&shared.db, leases, shared.config.lease_us()).await?;
    for (lease, renewal) in leases.iter().zip(renewals) {
        match renewal {
            Renewal::Kept => shared.running.renewed(lease, shared.stop_at(sent)),
            Renewal::Cancelled => {
                shared.running.renewed(lease, shared.stop_at(sent));
                shared.running.raise(lease, StopReason::Cancelled);
            }
            Renewal::Lost => shared.running.raise(lease, StopReason::LeaseLost),
        }
    }
    Ok(())
}

/// Stops tasks whose lease is about to end. A thread of its own, because the heartbeat may hang in the database just then.
pub(super) fn fence_until_ended(shared: &Arc<Shared>) {
    while !shared.ended.wait(shared.config.heartbeat() / 4) {
        shared.running.fence(Instant::now());
    }
}
