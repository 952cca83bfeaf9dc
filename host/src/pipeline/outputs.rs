//! What tasks leave for later stages. Small JSON; draws and scenarios are artifacts, named by hash.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{digest::Made, tally::EntryTally, veto::VetoCounts};
use crate::{
    domain::{model::Parameter, plugin::Usage, problem::Problem},
    jobs::{TaskFailure, TaskOutput},
    results::{ComponentCost, FitSummary, PortfolioSummary},
    score::forecast::ForecastReport,
};

/// A constraint that failed itself and was left out, as its policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// `name@version`.
    pub plugin: String,
    /// What happened.
    pub reason: String,
}

/// Any task's output: the work, and what it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done<T> {
    /// What the stage is for.
    pub work: T,
    /// Wall time of all attempts that contributed, in milliseconds.
    pub wall_ms: f64,
    /// Cost per component.
    pub costs: Vec<ComponentCost>,
    /// Constraints that were left out.
    pub left_out: Vec<LeftOut>,
    /// What each component made, in the order of the work.
    #[serde(default)]
    pub made: Vec<Made>,
}

impl<T> Done<T> {
    /// Work that no constraint was left out of.
    pub fn new(work: T, wall_ms: f64, costs: Vec<ComponentCost>) -> Self {
        Self { work, wall_ms, costs, left_out: Vec::new(), made: Vec::new() }
    }

    /// The same, made by these components.
    #[must_use]
    pub fn made(self, made: Vec<Made>) -> Self {
        Self { made, ..self }
    }
}

impl<T: Serialize> Done<T> {
    /// The output as the engine stores it.
    ///
    /// # Errors
    /// Where it has no JSON form, which is a defect of the host.
    pub fn into_output(self) -> Result<TaskOutput, TaskFailure> {
        let value = serde_json::to_value(self)
            .map_err(|error| Problem::internal(format!("An output could not be written: {error}.")))?;
        Ok(TaskOutput { value })
    }
}

/// Reads outputs back.
///
/// # Errors
/// Where one has another shape, which only another version of paddock can have caused.
pub fn read<T: DeserializeOwned>(outputs: Vec<Value>) -> Result<Vec<Done<T>>, TaskFailure> {
    outputs.into_iter().map(read_value).collect()
}

/// Reads one output back, of whatever shape.
///
/// # Errors
/// As [`read`].
pub fn read_value<T: DeserializeOwned>(output: Value) -> Result<T, TaskFailure> {
    serde_json::from_value(output).map_err(|error| {
        let problem = Problem::new(
            "foreign-output",
            "The job was begun by another version",
            format!("An earlier stage's output cannot be read: {error}."),
            "Submit the job again.",
        );
        TaskFailure::fatal(problem)
    })
}

/// What a task that ran a candidate has come to. That the candidate failed is an output like any other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attempted<T> {
    /// It came to its end.
    Done(T),
    /// It did not, for this reason.
    Failed(Box<Problem>),
}

/// Reads the outputs of a stage of candidates back, where all came to their end.
///
/// # Errors
/// As [`read`], and the first failure of a candidate.
pub fn read_attempted<T: DeserializeOwned>(outputs: Vec<Value>) -> Result<Vec<Done<T>>, TaskFailure> {
    let attempts = outputs.into_iter().map(read_value::<Attempted<Done<T>>>);
    let done = attempts.map(|attempt| match attempt? {
        Attempted::Done(done) => Ok(done),
        Attempted::Failed(problem) => Err(TaskFailure::Fatal(problem)),
    });
    done.collect()
}

/// What a candidate was shown, and what it and the promoted version said of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct VerdictsDone {
    /// How often each pair of verdicts was given: promoted, candidate; 0 keeps, k is the k-th reason.
    pub pairs: Vec<(u8, u8, u64)>,
    /// The first that they differ on: number, promoted, candidate.
    pub examples: Vec<(u64, u8, u8)>,
    /// What the promoted version cost.
    pub promoted: Usage,
    /// What the candidate cost.
    pub candidate: Usage,
}

/// Scenarios that a candidate drew beside the promoted version, with the same numbers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DrawsDone {
    /// Scenarios.
    pub scenarios: u64,
    /// Those with the same finish positions.
    pub identical: u64,
    /// Sums over the scenarios, one element per entry.
    pub entries: Vec<FinishSums>,
    /// What the promoted version cost.
    pub promoted: Usage,
    /// What the candidate cost.
    pub candidate: Usage,
}

/// Finish positions of an entry by two generators. All are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FinishSums {
    /// Sum of the promoted version's.
    pub promoted: u64,
    /// Sum of the candidate's.
    pub candidate: u64,
    /// Sum of their squared differences.
    pub squares: u64,
}

/// What a task of the stage `shadow` has done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shadowed {
    /// A forecast with the candidate.
    Forecast(ForecastDone),
    /// Verdicts of a scenario constraint, by its number.
    Scenarios(usize, Attempted<VerdictsDone>),
    /// Verdicts of a lineup constraint, by its number.
    Lineups(usize, Attempted<VerdictsDone>),
    /// Scenarios of a block.
    Draws(Attempted<DrawsDone>),
    /// A forecast that failed.
    NoForecast(Box<Problem>),
}

/// The cost of a plugin in one task.
#[must_use]
pub fn cost(plugin: &str, usage: Usage) -> ComponentCost {
    ComponentCost { plugin: plugin.to_owned(), usage }
}

/// A finished chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChainDone {
    /// Posterior layout.
    pub layout: Vec<Parameter>,
    /// Hash of the draws: little-endian doubles, row-major.
    pub draws: String,
    /// Divergent transitions after warm-up.
    pub divergences: u32,
    /// Gradient evaluations.
    pub gradients: u64,
}

/// A posterior joined from its chains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PosteriorDone {
    /// Hash of the posterior as Arrow IPC.
    pub artifact: String,
    /// Posterior layout's name.
    pub layout: String,
    /// Draws over all chains.
    pub draws: usize,
    /// How the fit went.
    pub fit: FitSummary,
}

/// A forecast, scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForecastDone {
    /// Race, for example `2025-10`.
    pub race: String,
    /// The scores.
    pub report: ForecastReport,
}

/// One block of a simulation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockDone {
    /// Index of the simulation.
    pub simulation: usize,
    /// Hash of the scenarios as Arrow IPC.
    pub artifact: String,
    /// Scenarios kept.
    pub kept: u64,
    /// Scenarios drawn for them.
    pub drawn: u64,
    /// Scenarios that the generator made, those that were not needed in the end included.
    #[serde(default)]
    pub generated: u64,
    /// Vetoes of the others.
    pub vetoes: VetoCounts,
    /// Sums over the kept scenarios, one element per entry.
    pub tally: Vec<EntryTally>,
}

/// What a task of the stage `simulate` has done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Simulated {
    /// One block of a simulation.
    Block(BlockDone),
    /// One forecast.
    Forecast(ForecastDone),
}

/// The lineups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChoiceDone {
    /// The lineups.
    pub portfolio: PortfolioSummary,
    /// Hash of the lineups that constraints were shown, where a candidate is to see them too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
}
