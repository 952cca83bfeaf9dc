//! Sets of scenarios.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How many scenarios one reason vetoed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VetoCount {
    /// Constraint, `name@version`.
    pub plugin: String,
    /// Code of the reason.
    pub reason: String,
    /// The reason in one sentence.
    pub summary: String,
    /// Whether no real race breaks the rule.
    pub is_hard: bool,
    /// Scenarios that this reason was the first to veto.
    pub count: u64,
}

/// What the scenarios say of one entry. Shares are in [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DriverOutlook {
    /// Driver.
    pub driver: String,
    /// Start position.
    pub start: u16,
    /// Mean finish position.
    pub finish_mean: f64,
    /// Share of scenarios that the entry wins.
    pub win: f64,
    /// Share of scenarios with a finish among the first five.
    pub top5: f64,
    /// Share of scenarios with a finish among the first ten.
    pub top10: f64,
    /// Mean laps led.
    pub laps_led_mean: f64,
    /// Mean fastest laps.
    pub fastest_laps_mean: f64,
    /// Share of scenarios in which the entry retires.
    pub retired: f64,
}

/// A set of scenarios: how it was drawn and what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SimulationSummary {
    /// Scenarios kept.
    pub scenarios: u64,
    /// Scenarios drawn.
    pub drawn: u64,
    /// Scenarios vetoed.
    pub vetoed: u64,
    /// `vetoed / drawn`, in [0, 1).
    pub veto_rate: f64,
    /// Vetoes by constraint and reason, in the order of the constraints; reasons that vetoed nothing are there with 0.
    pub vetoes: Vec<VetoCount>,
    /// SHA-256 of each block of scenarios as Arrow IPC, in order.
    pub artifacts: Vec<String>,
    /// Outlook per entry, best mean finish first.
    pub drivers: Vec<DriverOutlook>,
}
