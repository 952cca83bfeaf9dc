//! The job engine's settings and fixed limits.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::priority::TaskPriority;

/// Tasks in one job, over all its stages.
pub const TASKS_PER_JOB_MAX: usize = 10_000;
/// A lease is stale when this many heartbeats in a row have been missed: fewer and a slow disk looks like a dead worker.
pub(super) const HEARTBEATS_PER_LEASE: u32 = 4;
/// Most submissions or outcomes that are written in one transaction: it stays short for whoever waits behind it.
pub(super) const BATCH_MAX: usize = 256;
/// The largest output of a task, in bytes of JSON. Larger results belong into an artifact.
pub(super) const OUTPUT_BYTES_MAX: usize = 4 << 20;
/// The longest text of a progress note or a log line, in characters; the rest is cut.
pub(super) const TEXT_CHARS_MAX: usize = 1_000;
/// Failed attempts that the detail of a job shows, newest first.
pub(super) const ATTEMPTS_SHOWN_MAX: i64 = 100;

/// Settings of the workers and the reconciler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobsConfig {
    /// Tasks that run at the same time; 0 means one per core.
    pub workers: usize,
    /// Pause between two heartbeats of a running task, in milliseconds. A lease lasts four of them.
    pub heartbeat_ms: u64,
    /// Pause between two looks for a claimable task when no hint comes, in milliseconds.
    pub poll_ms: u64,
    /// Pause between two rounds of the reconciler, in milliseconds.
    pub reconcile_ms: u64,
    /// Attempts of one task that may fail or be lost before its job fails. Releases while draining do not count.
    pub attempts_max: u32,
    /// Pause before the second attempt, in milliseconds; doubles with every further one.
    pub retry_backoff_ms: u64,
    /// The longest pause between two attempts, in milliseconds.
    pub retry_backoff_ms_max: u64,
    /// Shortest pause between two durable progress reports of a task, in milliseconds; what comes faster is merged.
    pub progress_ms: u64,
    /// Log lines of one attempt that are kept; the rest is dropped and the drop is logged.
    pub log_lines_max: u32,
    /// When the threads of tasks get the processor: `idle`, `nice` or `normal`.
    pub task_priority: TaskPriority,
    /// Tasks of one team that run at the same time, over all workers; 0 means no limit. Further ones wait in the queue.
    pub running_per_team_max: u32,
}

impl Default for JobsConfig {
    fn default() -> Self {
        Self {
            workers: 0,
            heartbeat_ms: 5_000,
            poll_ms: 1_000,
            reconcile_ms: 5_000,
            attempts_max: 5,
            retry_backoff_ms: 1_000,
            retry_backoff_ms_max: 60_000,
            progress_ms: 250,
            log_lines_max: 1_000,
            task_priority: TaskPriority::default(),
            running_per_team_max: 0,
        }
    }
}

impl JobsConfig {
    /// How many tasks run at the same time.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        }
    }

    pub(super) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms.max(1))
    }

    pub(super) fn lease(&self) -> Duration {
        self.heartbeat() * HEARTBEATS_PER_LEASE
    }

    /// The terms of a worker of this process, which names itself `worker` and its database `session`.
    pub(super) fn claim_terms(&self, worker: &str, session: &str) -> ClaimTerms {
        let running_per_team_max = match self.running_per_team_max {
            0 => i64::MAX,
            most => i64::from(most),
        };
        let (worker, session) = (worker.to_owned(), session.to_owned());
        ClaimTerms { worker, session, lease_us: self.lease_us(), running_per_team_max }
    }

    pub(super) fn lease_us(&self) -> i64 {
        microseconds(self.lease())
    }

    /// The pause before the attempt after `counted` counted ones: exponential, then between half and all of it, so that tasks
    /// that failed together do not come back together. `roll` is uniform in 0..1.
    pub(super) fn backoff(&self, counted: u32, roll: f64) -> Duration {
        let doublings = counted.saturating_sub(1).min(32);
        let full_ms = self.retry_backoff_ms.saturating_mul(1 << doublings).min(self.retry_backoff_ms_max);
        Duration::from_millis(full_ms).mul_f64(0.5 + 0.5 * roll.clamp(0.0, 1.0))
    }
}

/// What claims are made under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClaimTerms {
    /// Who claims, for people.
    pub(super) worker: String,
    /// The opening of the database that the leases live with, see [`Db::session`](crate::db::Db::session).
    pub(super) session: String,
    /// How long the lease lasts, in microseconds.
    pub(super) lease_us: i64,
    /// A team that runs this many tasks gets no further one.
    pub(super) running_per_team_max: i64,
}

pub(super) fn microseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The first [`TEXT_CHARS_MAX`] characters.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_up_to_its_limit_and_is_spread_over_half_of_it() {
        let config = JobsConfig { retry_backoff_ms: 100, retry_backoff_ms_max: 1_000, ..JobsConfig::default() };
        let full: Vec<_> = (1..=6).map(|counted| config.backoff(counted, 1.0).as_millis()).collect();
        assert_eq!(full, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(config.backoff(2, 0.0).as_millis(), 100);
        assert_eq!(config.backoff(u32::MAX, 1.0).as_millis(), 1_000);
    }

    #[test]
    fn an_unknown_setting_is_an_error() {
        let parsed: Result<JobsConfig, _> = serde_json::from_str(r#"{"heartbeat_mss": 1}"#);
        assert!(parsed.unwrap_err().to_string().contains("heartbeat_mss"));
    }
}
