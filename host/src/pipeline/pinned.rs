//! A job's specification made exact: which races, which plugin bytes, which seeds. Tasks read nothing that can change under them.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::{
    hex::sha256_hex,
    ids::{JobId, ModelId, PluginId, RaceId, SlateId},
    plugin::{VetoReason, World},
    problem::Problem,
    spec::{JobSpec, OnFailure},
};

/// A plugin version and its parameters with defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PinnedPlugin {
    /// The version in the registry; absent in plans that are older than it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<PluginId>,
    /// `name@version`, behind the owner's name where another team shares it.
    pub label: String,
    /// SHA-256 of the component, hexadecimal; also its artifact.
    pub hash: String,
    /// World it targets.
    pub world: World,
    /// Complete parameters.
    pub params: Map<String, Value>,
    /// Posterior layout that it writes or reads, where it says so.
    pub layout: Option<String>,
    /// What its verdicts stand for, where it judges.
    pub veto_reasons: Vec<VetoReason>,
    /// What its own failure means; always fail closed for calibrators and generators.
    pub on_failure: OnFailure,
    /// Whether it is shipped with the service.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_shipped: bool,
    /// What its owner said against it when the job was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation: Option<String>,
    /// A candidate to run beside it; has none itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Box<PinnedPlugin>>,
}

/// A race as it was when the job was accepted. A task that finds another content stops, so that a result never mixes two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedRace {
    /// The race.
    pub id: RaceId,
    /// Its key, for people, for example `2025-10`.
    pub key: String,
    /// SHA-256 of its content, see [`fingerprint`].
    pub hash: String,
}

/// A slate as it was when the job was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedSlate {
    /// The slate.
    pub id: SlateId,
    /// SHA-256 of its content, see [`fingerprint`].
    pub hash: String,
}

/// One fit of a model: its races and chains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitPlan {
    /// Races: a range of [`PinnedSpec::history`].
    pub races: Range<usize>,
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
    pub race: PinnedRace,
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
    /// Scenarios of another seed, by its number, that the choice is repeated on.
    Sensitivity(u32),
}

/// A set of scenarios to draw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimulationPlan {
    /// What it is for.
    pub purpose: Purpose,
    /// The race.
    pub race: PinnedRace,
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
    /// The races that fits learn from, oldest first.
    pub history: Vec<PinnedRace>,
    /// Slate, where the job chooses lineups.
    pub slate: Option<PinnedSlate>,
    /// Fits; the first is the job's model unless it is a backtest.
    pub fits: Vec<FitPlan>,
    /// Forecasts to score.
    pub forecasts: Vec<ForecastPlan>,
    /// Scenario sets to draw.
    pub simulations: Vec<SimulationPlan>,
    /// What the client had better know, though the job runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The job that this one repeats, to be held against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replays: Option<JobId>,
}

impl PinnedSpec {
    /// The calibrator of a job that fits.
    ///
    /// # Errors
    /// Where the plan has none, which is a defect of the plan; so for the other accessors.
    pub fn calibrator(&self) -> Result<&PinnedPlugin, Problem> {
        self.calibrator.as_ref().ok_or_else(|| Problem::internal("The plan has no calibrator."))
    }

    /// Fit number `index`.
    ///
    /// # Errors
    /// As [`Self::calibrator`].
    pub fn fit(&self, index: usize) -> Result<&FitPlan, Problem> {
        self.fits.get(index).ok_or_else(|| Problem::internal(format!("The plan has no fit {index}.")))
    }

    /// Forecast number `index`.
    ///
    /// # Errors
    /// As [`Self::calibrator`].
    pub fn forecast(&self, index: usize) -> Result<&ForecastPlan, Problem> {
        self.forecasts.get(index).ok_or_else(|| Problem::internal(format!("The plan has no forecast {index}.")))
    }

    /// Simulation number `index`.
    ///
    /// # Errors
    /// As [`Self::calibrator`].
    pub fn simulation(&self, index: usize) -> Result<&SimulationPlan, Problem> {
        self.simulations.get(index).ok_or_else(|| Problem::internal(format!("The plan has no simulation {index}.")))
    }

    /// What the owners of the plugins say against them.
    #[must_use]
    pub fn deprecations(&self) -> Vec<String> {
        let mut told: Vec<String> = Vec::new();
        for plugin in self.plugins() {
            let warning = plugin.deprecation.as_ref().map(|text| format!("{} is deprecated: {text}", plugin.label));
            told.extend(warning.filter(|warning| !told.contains(warning)));
        }
        told
    }

    /// The plugins, in the order of their use.
    pub fn plugins(&self) -> impl Iterator<Item = &PinnedPlugin> {
        let generator = std::iter::once(&self.generator);
        self.calibrator.iter().chain(generator).chain(&self.constraints).chain(&self.lineup_constraints)
    }
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
    /// Run one Markov chain of a fit with the candidate.
    ShadowChain {
        /// Index of the fit in the plan of the comparison.
        fit: usize,
        /// Number of the chain.
        chain: u32,
    },
    /// Join the candidate's chains of a fit.
    ShadowPosterior {
        /// Index of the fit in the plan of the comparison.
        fit: usize,
    },
    /// Forecast a past race with the candidate.
    ShadowForecast {
        /// Index of the forecast.
        forecast: usize,
    },
    /// Have a generator's candidate draw the scenarios of a block too.
    ShadowDraws {
        /// Number of the block of the first simulation.
        block: u32,
    },
    /// Show a candidate the scenarios that a block drew.
    ShadowScenarios {
        /// Number of the scenario constraint.
        constraint: usize,
        /// Number of the block of the first simulation.
        block: u32,
    },
    /// Show a candidate the lineups that the search showed its constraints.
    ShadowLineups {
        /// Number of the lineup constraint.
        constraint: usize,
    },
    /// Put the result together.
    Report,
}

/// SHA-256 of a value's JSON, 64 hexadecimal digits. Struct fields are written in the order of their declaration, so equal
/// values have equal fingerprints within one version of paddock.
#[must_use]
pub fn fingerprint(value: &impl Serialize) -> String {
    sha256_hex(serde_json::to_vec(value).unwrap_or_default())
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
