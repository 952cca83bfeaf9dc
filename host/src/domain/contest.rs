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

/// Places of a lineup that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Name, as the operator's files have it, for example `CPT`.
    pub name: String,
    /// How many there are.
    pub count: u16,
    /// Positions of the drivers who may take them; everybody where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub eligible: Vec<String>,
    /// How much of the driver's points counts, in percent.
    #[serde(default = "in_full")]
    pub points_percent: u32,
    /// How much of the driver's salary counts, in percent.
    #[serde(default = "in_full")]
    pub salary_percent: u32,
}

const fn in_full() -> u32 {
    100
}

impl Slot {
    /// Whether a driver with these positions may take it.
    #[must_use]
    pub fn is_open_to(&self, positions: &[String]) -> bool {
        self.eligible.is_empty() || self.eligible.iter().any(|position| positions.contains(position))
    }
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
    /// The places of a lineup where they are not all alike, in the order of the operator's files; `roster_size` is their number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<Slot>,
    /// Salary cap in whole contest dollars.
    pub salary_cap_usd: u32,
    /// Scoring.
    pub scoring: ScoringTable,
    /// Where the rules were published.
    pub source: String,
}

/// Name of the places where a contest does not tell them apart: that of a driver.
const PLACE: &str = "D";

impl Contest {
    /// The places of a lineup: one kind where the contest does not tell them apart.
    #[must_use]
    pub fn places(&self) -> Vec<Slot> {
        if !self.slots.is_empty() {
            return self.slots.clone();
        }
        let (points_percent, salary_percent) = (in_full(), in_full());
        let name = PLACE.to_owned();
        vec![Slot { name, count: self.roster_size, eligible: Vec::new(), points_percent, salary_percent }]
    }
}
