//! Settings of what fires schedules.

use serde::{Deserialize, Serialize};

/// Schedules that one round fires at most; the rest is due in the next one, at once.
pub const FIRED_PER_ROUND_MAX: u32 = 100;

/// Settings of the firing of schedules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchedulesConfig {
    /// Longest pause between two looks for what is due, in milliseconds: what another node has stored is found by then.
    pub poll_ms: u64,
    /// Firings in a row that may fail before the schedule is disabled.
    pub failures_in_a_row_max: u32,
    /// How late a schedule that skips missed times may still fire, in seconds.
    pub late_s_max: u64,
}

impl Default for SchedulesConfig {
    fn default() -> Self {
        Self { poll_ms: 5_000, failures_in_a_row_max: 5, late_s_max: 300 }
    }
}
