//! Portfolios of lineups.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::spec::{Objective, Together},
    optimize::{Certificate, LineupScore, PortfolioEnd, Stability, TailValidation},
};

/// A driver of a lineup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineupDriver {
    /// Driver.
    pub driver: String,
    /// The operator's own id of the player, where the slate had one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub external_id: Option<String>,
    /// Salary in the lineup in contest dollars.
    pub salary_usd: u32,
    /// Place that the driver takes, as the contest calls it.
    #[serde(default)]
    pub slot: String,
}

/// A chosen lineup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PortfolioLineup {
    /// Its drivers in the order of the contest's places, most expensive first.
    pub drivers: Vec<LineupDriver>,
    /// Sum of salaries in contest dollars.
    pub salary_usd: u64,
    /// The objective on the scenarios that it was chosen on, in points.
    pub value: f64,
    /// Why no better lineup was allowed in its place; absent where the lineups were judged together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// What the portfolio would lose without it, where the lineups were judged together or had exposures to keep: in points,
    /// as a share of the scenarios, or in US dollars less its fee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contribution: Option<f64>,
    /// Distribution of its points over the scenarios that it was chosen on.
    pub score: LineupScore,
    /// The objective on fresh scenarios, where asked for.
    pub validation: Option<TailValidation>,
    /// Where it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wins: Option<Wins>,
}

/// Where a lineup is good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Wins {
    /// Share of the scenarios in which it is the best of the portfolio, in [0, 1]; lineups that tie share a scenario.
    pub best_share: f64,
    /// Classes that the best twentieth of its scenarios is in more often than all scenarios, the most telling first.
    pub classes: Vec<WinningClass>,
}

/// A class of scenarios.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WinningClass {
    /// What they have in common.
    #[schema(examples("winner: Ada Lane", "at least 9 retirements"))]
    pub class: String,
    /// Share of the lineup's best scenarios that are of this class, in [0, 1].
    pub share: f64,
    /// Share of all scenarios, in [0, 1].
    pub share_of_all: f64,
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
    /// Sets of one to three drivers that it vetoes whatever is added, so that no lineup with them was looked at.
    #[serde(default)]
    pub partial: u64,
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PortfolioWorth {
    /// What they were judged by; absent where it was the sum of the objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
    /// What they are worth, in points, as a share of the scenarios, or in US dollars less the fees.
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
    /// The portfolio on fresh scenarios, where asked for: what it is worth together, or the mean of the lineups' objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<TailValidation>,
    /// How the first choice would have come out on scenarios of other seeds, where asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stability: Option<Stability>,
}
