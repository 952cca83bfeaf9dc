//! The races a model is fitted on, columnar, as a calibrator gets them.

use serde::{Deserialize, Serialize};

use super::race::TrackType;

/// Past races, oldest first. Race columns have one element per race; entry columns one per (race, entry), grouped by race and
/// ordered by finish position within a race.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct History {
    /// Row where each race's entries begin, then the total; length = races + 1.
    pub race_offsets: Vec<u32>,
    /// Track of each race, an index that is equal exactly where the track is.
    pub track: Vec<u32>,
    /// Kind of track of each race.
    pub track_type: Vec<TrackType>,
    /// Laps run.
    pub race_laps: Vec<u16>,
    /// Weight of each race in the likelihood, in (0, 1].
    pub weight: Vec<f64>,
    /// Driver names; entries refer to them by index.
    pub drivers: Vec<String>,
    /// Team names; entries refer to them by index.
    pub teams: Vec<String>,
    /// Entry: driver index.
    pub driver: Vec<u32>,
    /// Entry: team index.
    pub team: Vec<u32>,
    /// Entry: start position.
    pub start: Vec<u16>,
    /// Entry: finish position.
    pub finish: Vec<u16>,
    /// Entry: laps completed.
    pub laps_completed: Vec<u16>,
    /// Entry: laps led.
    pub laps_led: Vec<u16>,
    /// Entry: 1 where retired, else 0.
    pub retired: Vec<u8>,
}

impl History {
    /// Number of races.
    #[must_use]
    pub fn races(&self) -> usize {
        self.race_laps.len()
    }
}
