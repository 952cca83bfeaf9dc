//! A job's specification made exact: which races, which plugin bytes, which seeds. Tasks read nothing that can change under them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::{
    ids::{ModelId, RaceId},
    plugin::World,
    spec::{JobSpec, OnFailure},
};

/// A plugin version and its parameters with defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PinnedPlugin {
    /// `name@version`.
    pub label: String,
    /// SHA-256 of the component, hexadecimal; also its artifact.
    pub hash: String,
    /// World it targets.
    pub world: World,
    /// Complete parameters.
    pub params: Map<String, Value>,
    /// What its own failure means; always fail closed for calibrators and generators.
    pub on_failure: OnFailure,
}

/// One fit of a model: its races and chains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitPlan {
    /// Races, oldest first.
    pub races: Vec<RaceId>,
    /// Age in races at which a race counts half.
    pub half_life_races: f64,
    /// Markov chains.
    pub chains: u32,
    /// Seed of all chains.
    pub seed: u64,
}

/// A forecast of a race that has been run, from a fit that has not seen it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForecastPlan {
    /// Index of the fit.
    pub fit: usize,
    /// The race.
    pub race: RaceId,
    /// Its key, for people.
    pub key: String,
    /// Scenarios.
    pub scenarios: u32,
    /// Seed of the generator.
    pub seed: u64,
}

/// Where the posterior that a job simulates from comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelSource {
    /// A model of the catalog.
    Stored(ModelId),
    /// The job's own first fit, stored under this id.
    Fitted(ModelId),
}

/// What a simulation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The scenarios that lineups are chosen on.
    Choice,
    /// Fresh scenarios that the chosen lineups are scored again on.
    Validation,
}

/// A set of scenarios to draw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimulationPlan {
    /// What it is for.
    pub purpose: Purpose,
    /// The race.
    pub race: RaceId,
    /// Scenarios to keep.
    pub scenarios: u32,
    /// Seed of the generator.
    pub seed: u64,
}

/// The specification as it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PinnedSpec {
    /// What the client asked for.
    pub request: JobSpec,
    /// Where the posterior comes from; absent for a backtest, whose fits are thrown away.
    pub model: Option<ModelSource>,
    /// Calibrator, where the job fits.
    pub calibrator: Option<PinnedPlugin>,
    /// Generator.
    pub generator: PinnedPlugin,
    /// Scenario constraints, in order.
    pub constraints: Vec<PinnedPlugin>,
    /// Lineup constraints, in order.
    pub lineup_constraints: Vec<PinnedPlugin>,
    /// Fits; the first is the job's model unless it is a backtest.
    pub fits: Vec<FitPlan>,
    /// Forecasts to score.
    pub forecasts: Vec<ForecastPlan>,
    /// Scenario sets to draw.
    pub simulations: Vec<SimulationPlan>,
}

/// What one task does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case", deny_unknown_fields)]
pub enum TaskInput {
    /// Run one Markov chain of a fit.
    FitChain {
        /// Index of the fit.
        fit: usize,
        /// Number of the chain.
        chain: u32,
    },
    /// Join the chains of a fit and diagnose them.
    AssemblePosterior {
        /// Index of the fit.
        fit: usize,
    },
    /// Forecast a past race and score the forecast.
    Forecast {
        /// Index of the forecast.
        forecast: usize,
    },
    /// Draw and veto one block of a simulation.
    SimulateBlock {
        /// Index of the simulation.
        simulation: usize,
        /// Number of the block.
        block: u32,
        /// Scenarios to keep.
        scenarios: u32,
    },
    /// Choose the lineups.
    ChooseLineups,
    /// Put the result together.
    Report,
}

/// An independent seed for one use of a job's seed: SplitMix64's finalizer (Steele et al. 2014) over seed and a label's FNV-1a hash.
#[must_use]
pub fn derive_seed(seed: u64, label: &str) -> u64 {
    let hash = label
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut mixed = seed.wrapping_add(hash).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_of_a_seed_gets_its_own() {
        assert_eq!(derive_seed(1, "fit"), derive_seed(1, "fit"));
        assert_ne!(derive_seed(1, "fit"), derive_seed(1, "choice"));
        assert_ne!(derive_seed(1, "fit"), derive_seed(2, "fit"));
    }
}
