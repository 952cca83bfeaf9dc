//! Plugins as the catalog knows them: what they say of themselves and how a job refers to them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a plugin does: the world of the contract that its component targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum World {
    /// Fits a model to past races.
    Calibrator,
    /// Draws scenarios from a model.
    Generator,
    /// Vetoes scenarios or lineups.
    Constraint,
}

impl World {
    /// The name used in the contract, in the database and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calibrator => "calibrator",
            Self::Generator => "generator",
            Self::Constraint => "constraint",
        }
    }
}

/// A reason for which a constraint vetoes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VetoReason {
    /// Stable key.
    pub code: String,
    /// One sentence.
    pub summary: String,
    /// Whether no real race breaks the rule.
    pub is_hard: bool,
}

/// What a plugin says of itself; checked by the host at upload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PluginDescription {
    /// What it does.
    pub world: World,
    /// Name, `[a-z0-9-]{1,64}`.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// JSON Schema of its parameters.
    #[schema(value_type = Object)]
    pub params_schema: serde_json::Value,
    /// Verdict byte k stands for element k - 1.
    pub veto_reasons: Vec<VetoReason>,
    /// Posterior layout that a calibrator writes or a generator reads.
    pub posterior_layout: Option<String>,
    /// Whether it judges scenarios.
    pub judges_scenarios: bool,
    /// Whether it judges lineups.
    pub judges_lineups: bool,
}

/// The annotation of a parameter schema by which a constraint says that its vetoes of lineups stay whatever is added to a lineup.
const JUDGES_PARTIAL_LINEUPS: &str = "x-judges-partial-lineups";

impl PluginDescription {
    /// Whether a lineup is vetoed as soon as a part of it is, so that parts may be judged to spare the search their lineups.
    #[must_use]
    pub fn judges_partial_lineups(&self) -> bool {
        let declared = self.params_schema.get(JUDGES_PARTIAL_LINEUPS);
        self.judges_lineups && declared.and_then(serde_json::Value::as_bool).unwrap_or(false)
    }
}

/// What a guest cost: fuel is deterministic, the rest is measured.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Fuel consumed; a lower bound after a trap or an interrupt.
    pub fuel: u64,
    /// CPU time in milliseconds.
    pub cpu_ms: f64,
    /// Highest sum over the guest's linear memories, in bytes.
    pub memory_peak_bytes: u64,
    /// Calls into the guest.
    pub calls: u64,
    /// Bytes copied between host and guest, both ways.
    pub copied_bytes: u64,
}

impl Usage {
    /// Adds what another call or task of the same plugin cost; the peak is the larger of the two.
    pub fn add(&mut self, other: &Self) {
        self.fuel += other.fuel;
        self.cpu_ms += other.cpu_ms;
        self.memory_peak_bytes = self.memory_peak_bytes.max(other.memory_peak_bytes);
        self.calls += other.calls;
        self.copied_bytes += other.copied_bytes;
    }
}
