//! The run record: what ran, with which inputs, and what it cost.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::plugin::{Usage, World};

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

/// What ran: enough to run it again and get the same bytes on the same architecture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunRecord {
    /// Version of paddock.
    pub paddock: String,
    /// Version of the plugin contract.
    pub contract: String,
    /// CPU architecture. NaN payloads, and nothing else, may differ between architectures.
    pub architecture: String,
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
}
