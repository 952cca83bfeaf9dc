//! Portfolios of lineups.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::spec::{Objective, Together},
    optimize::{Certificate, LineupScore, PortfolioEnd, TailValidation},
};

/// A driver of a lineup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineupDriver {
    /// Driver.
    pub driver: String,
    /// The operator's own id of the player, where the slate had one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub external_id: Option<String>,
    /// Salary in contest dollars.
    pub salary_usd: u32,
}

/// A chosen lineup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PortfolioLineup {
    /// Its drivers, most expensive first.
    pub drivers: Vec<LineupDriver>,
    /// Sum of salaries in contest dollars.
    pub salary_usd: u64,
    /// The objective on the scenarios that it was chosen on, in points.
    pub value: f64,
    /// Why no better lineup was allowed in its place; absent where the lineups were judged together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// What the portfolio would lose without it, where the lineups were judged together or had exposures to keep: in points or
    /// as a share of the scenarios.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contribution: Option<f64>,
    /// Distribution of its points over the scenarios that it was chosen on.
    pub score: LineupScore,
    /// The objective on fresh scenarios, where asked for.
    pub validation: Option<TailValidation>,
}

/// Candidates that a lineup constraint kept out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineupVeto {
    /// Constraint, `name@version`.
    pub plugin: String,
    /// Code of the reason.
    pub reason: String,
    /// Lineups that would have been picked otherwise.
    pub count: u64,
}

/// How often a driver is in the portfolio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DriverExposure {
    /// Driver.
    pub driver: String,
    /// Lineups with this driver.
    pub lineups: u32,
}

/// What the lineups are worth as a portfolio.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PortfolioWorth {
    /// What they were judged by; absent where it was the sum of the objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
    /// What they are worth, in points or as a share of the scenarios.
    pub value: f64,
    /// No portfolio of as many feasible lineups is worth more.
    pub upper_bound: f64,
    /// Lineups that were replaced by better ones after the first choice.
    pub swaps: u32,
    /// Feasible lineups.
    pub feasible: u64,
}

/// The lineups of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PortfolioSummary {
    /// Contest whose points are counted.
    pub contest: String,
    /// What each lineup was chosen for.
    pub objective: Objective,
    /// What they are worth as a portfolio, where they were judged together or had exposures to keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worth: Option<PortfolioWorth>,
    /// The lineups in the order of picking, best first.
    pub lineups: Vec<PortfolioLineup>,
    /// Whether there are as many as asked for, and why not.
    pub end: PortfolioEnd,
    /// Candidates that lineup constraints kept out.
    pub lineup_vetoes: Vec<LineupVeto>,
    /// Drivers by the number of lineups they are in, most first.
    pub exposure: Vec<DriverExposure>,
}
