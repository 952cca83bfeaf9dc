//! How much the conformance suite asks of a plugin, and what it may cost.

use serde::{Deserialize, Serialize};

/// Sizes and limits of the suite. A plugin that passes stayed within all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConformanceLimits {
    /// Fuel of each session, instantiation included. A session is one pass over the bundled race; an interpreter needs some
    /// hundred times what native languages do.
    pub fuel_per_session: u64,
    /// Time of the whole suite, in seconds.
    pub wall_s: u64,
    /// Scenarios that a generator draws or a constraint judges in each run.
    pub scenarios: u32,
    /// Lineups that a constraint judges in each run.
    pub lineups: u32,
    /// Iterations at which a chain is left alone, done or not.
    pub iterations: u32,
    /// Values at the bounds of the parameter schema that are tried at most.
    pub bounds: usize,
}

impl Default for ConformanceLimits {
    fn default() -> Self {
        Self {
            fuel_per_session: 20_000_000_000,
            wall_s: 30,
            scenarios: 1_000,
            lineups: 1_000,
            iterations: 1_000,
            bounds: 64,
        }
    }
}
