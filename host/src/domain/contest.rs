//! Contests: roster, cap and scoring table. A contest is data, so that a new one needs no code.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Points in hundredths of a contest point: sums stay exact.
pub type Hundredths = i64;

/// How a finished race turns into points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoringTable {
    /// Points for finishing 1st, 2nd, ...; 0 past the end of the list.
    pub finish_hundredths: Vec<Hundredths>,
    /// Points for each position gained from start to finish (lost positions count negative).
    pub place_differential_hundredths: Hundredths,
    /// Points for each lap led.
    pub lap_led_hundredths: Hundredths,
    /// Points for each fastest lap.
    pub fastest_lap_hundredths: Hundredths,
    /// Points for each lap completed.
    pub lap_completed_hundredths: Hundredths,
}

/// The rules of a contest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Contest {
    /// Stable key with the season from which the rules hold, for example `draftkings-nascar-classic-2021`.
    pub key: String,
    /// Name for people.
    pub name: String,
    /// Who runs it.
    pub operator: String,
    /// First season the rules hold for.
    pub first_season: u16,
    /// Last season the rules hold for; absent while they are in force.
    pub last_season: Option<u16>,
    /// Drivers per lineup.
    pub roster_size: u16,
    /// Salary cap in whole contest dollars.
    pub salary_cap_usd: u32,
    /// Scoring.
    pub scoring: ScoringTable,
    /// Where the rules were published.
    pub source: String,
}
