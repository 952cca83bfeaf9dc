//! The run record: what ran, with which inputs, and what it cost.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::{
    ids::JobId,
    plugin::{Usage, World},
    spec::JobSpec,
};

/// What a result is when it is signed: its JSON, as it is stored.
pub const RESULT_MEDIA_TYPE: &str = "application/vnd.paddock.result+json";

/// A plugin version that took part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PluginRecord {
    /// `name@version`.
    pub plugin: String,
    /// SHA-256 of its component.
    pub hash: String,
    /// What it does.
    pub world: World,
    /// Its complete parameters.
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
}

/// What a component of the job cost, summed over its tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComponentCost {
    /// `name@version` of a plugin, or `optimizer`.
    pub plugin: String,
    /// The cost. Fuel and memory are 0 for native code.
    pub usage: Usage,
}

/// What a stage cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StageCost {
    /// Name of the stage.
    pub name: String,
    /// Tasks.
    pub tasks: usize,
    /// Time of its tasks' successful attempts, summed, in milliseconds; tasks run side by side, so wall time is shorter.
    pub busy_ms: f64,
}

/// What a component made in one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutputRecord {
    /// Stage of the job.
    #[schema(examples("simulate"))]
    pub stage: String,
    /// Number of the task within its stage, from 0.
    pub task: usize,
    /// `name@version` of a plugin; `calibration`, `simulation`, `forecast` or `optimizer` for what the host made of it.
    pub component: String,
    /// SHA-256 of it: a chain's draws as little-endian doubles, a generator's scenarios column by column, a constraint's verdicts,
    /// an artifact's bytes, or the JSON of a summary apart from times and counters.
    pub hash: String,
}

impl OutputRecord {
    /// Whether `other` is of the same component in the same task.
    #[must_use]
    pub fn is_where(&self, other: &Self) -> bool {
        (&self.stage, self.task, &self.component) == (&other.stage, other.task, &other.component)
    }
}

/// What ran: enough to run it again and get the same bytes on the same architecture, and to say where that fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunRecord {
    /// The job.
    pub job: JobId,
    /// Version of paddock.
    pub paddock: String,
    /// Version of the plugin contract.
    pub contract: String,
    /// What the code of plugins was compiled for: differs with the engine's version and settings and the CPU's features.
    pub engine: String,
    /// CPU architecture. NaN payloads, and nothing else, may differ between architectures.
    pub architecture: String,
    /// What was asked for, with defaults filled in.
    #[schema(value_type = Object)]
    pub request: JobSpec,
    /// SHA-256 over the races and the slate that the job read.
    pub inputs: String,
    /// The job's seed.
    pub seed: u64,
    /// Plugins, in the order of their use.
    pub plugins: Vec<PluginRecord>,
    /// Stages, in order.
    pub stages: Vec<StageCost>,
    /// Cost per component.
    pub components: Vec<ComponentCost>,
    /// What each component made in each task, in the order of the work.
    pub outputs: Vec<OutputRecord>,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A record of a run that made `outputs`.
    pub fn record(outputs: Vec<OutputRecord>) -> RunRecord {
        let request = serde_json::json!({
            "kind": "simulate", "model": "model_00000000000000000000000000000000", "race": "race_00000000000000000000000000000000",
            "scenarios": { "n_scenarios": 1, "seed": 1 },
        });
        RunRecord {
            job: JobId::random(),
            paddock: "0.1.0".to_owned(),
            contract: "paddock:plugin@0.1.0".to_owned(),
            engine: "engine".to_owned(),
            architecture: "x86_64".to_owned(),
            request: serde_json::from_value(request).unwrap(),
            inputs: String::new(),
            seed: 1,
            plugins: Vec::new(),
            stages: Vec::new(),
            components: Vec::new(),
            outputs,
        }
    }
}
