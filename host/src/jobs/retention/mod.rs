//! What goes when it is old: jobs with all that belongs to them, events, and with them the references that keep artifacts.
//!
//! Whatever is deleted in great numbers is deleted in slices, each a transaction of its own, so that no writer waits long.

mod events;
mod prune;
mod references;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use events::{count_old as count_old_events, prune as prune_events};
pub use prune::{Unless, delete_job, old_jobs, set_keep_in};
pub use references::{artifacts_in_use, live_mentions, mark_ended};

/// Rows that one transaction deletes at most, except for the tasks of a job, which go together.
pub(super) const ROWS_PER_SLICE: i64 = 1_000;

const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// How long things are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Days that a job is kept after its end, with its stages, tasks, attempts and events; 0 = for ever. A pinned job stays.
    pub job_days: u32,
    /// Days that an event is kept once its job has ended; 0 = as long as the job.
    pub event_days: u32,
    /// Pause between two rounds of pruning, over all nodes, in seconds.
    pub interval_s: u64,
    /// Pause between two looks through all files of the artifact store, over all nodes, in seconds.
    pub files_interval_s: u64,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { job_days: 90, event_days: 30, interval_s: 600, files_interval_s: 24 * 3600 }
    }
}

impl RetentionConfig {
    /// Pause between two rounds.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_s.max(1))
    }

    /// Jobs that ended before go, in microseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn jobs_before_us(&self, now_us: i64) -> Option<i64> {
        before_us(now_us, self.job_days)
    }

    /// Events from before go, likewise.
    #[must_use]
    pub fn events_before_us(&self, now_us: i64) -> Option<i64> {
        before_us(now_us, self.event_days)
    }
}

fn before_us(now_us: i64, days: u32) -> Option<i64> {
    (days > 0).then(|| now_us.saturating_sub(DAY_US.saturating_mul(days.into())))
}
