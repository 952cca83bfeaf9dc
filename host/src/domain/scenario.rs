//! Scenarios: possible races, in columnar blocks.

use serde::{Deserialize, Serialize};

/// A batch of scenarios of one race. Every column has shape `[scenarios][entries]`, row-major.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScenarioBlock {
    /// Number of scenarios.
    pub scenarios: usize,
    /// Number of entries of the race.
    pub entries: usize,
    /// Finish position; each row is a permutation of 1..=entries.
    pub finish: Vec<u16>,
    /// Laps led.
    pub laps_led: Vec<u16>,
    /// Laps on which the entry set the fastest lap.
    pub fastest_laps: Vec<u16>,
    /// Laps completed.
    pub laps_completed: Vec<u16>,
    /// 1 where the entry retired, else 0.
    pub retired: Vec<u8>,
}

impl ScenarioBlock {
    /// An empty block for a race with this many entries.
    #[must_use]
    pub fn empty(entries: usize) -> Self {
        Self { entries, ..Self::default() }
    }

    /// Appends scenario `row` of `other`, which must be of the same race.
    pub fn push_row_of(&mut self, other: &Self, row: usize) {
        let cells = row * other.entries..(row + 1) * other.entries;
        self.finish.extend_from_slice(&other.finish[cells.clone()]);
        self.laps_led.extend_from_slice(&other.laps_led[cells.clone()]);
        self.fastest_laps.extend_from_slice(&other.fastest_laps[cells.clone()]);
        self.laps_completed.extend_from_slice(&other.laps_completed[cells.clone()]);
        self.retired.extend_from_slice(&other.retired[cells]);
        self.scenarios += 1;
    }

    /// Appends all scenarios of `other`, which must be of the same race.
    pub fn append(&mut self, other: &Self) {
        self.finish.extend_from_slice(&other.finish);
        self.laps_led.extend_from_slice(&other.laps_led);
        self.fastest_laps.extend_from_slice(&other.fastest_laps);
        self.laps_completed.extend_from_slice(&other.laps_completed);
        self.retired.extend_from_slice(&other.retired);
        self.scenarios += other.scenarios;
    }
}

/// What a generator and a constraint know of a race before the green flag. Lists have one element per entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RaceSetup {
    /// Kind of track.
    pub track_type: super::race::TrackType,
    /// Scheduled laps.
    pub race_laps: u16,
    /// Driver's index in the model's history; `None` for a driver the model has not seen.
    pub driver: Vec<Option<u32>>,
    /// Team's index in the model's history; `None` for a team the model has not seen.
    pub team: Vec<Option<u32>>,
    /// Start position, a permutation of 1..=n.
    pub start: Vec<u16>,
}
