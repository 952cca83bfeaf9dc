//! Races and their entries, with results where the race has been run.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::RaceId;

/// What kind of place a race is run at; models share strength within a track type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrackType {
    /// Pack racing: Daytona, Talladega, Atlanta since 2022.
    Superspeedway,
    /// Road and street courses.
    Road,
    /// Dirt surface.
    Dirt,
    /// Ovals of up to 1.06 miles.
    Short,
    /// Ovals of 2 miles and more that are not superspeedways.
    LargeOval,
    /// The ovals between short and large.
    Intermediate,
}

impl TrackType {
    /// Every track type, in the order of the plugin contract.
    pub const ALL: [Self; 6] =
        [Self::Superspeedway, Self::Road, Self::Dirt, Self::Short, Self::LargeOval, Self::Intermediate];

    /// The name used in files and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Superspeedway => "superspeedway",
            Self::Road => "road",
            Self::Dirt => "dirt",
            Self::Short => "short",
            Self::LargeOval => "large_oval",
            Self::Intermediate => "intermediate",
        }
    }

    /// The track type with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// How an entry's race ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EntryResult {
    /// Finish position, a permutation of 1..=n over the race.
    pub finish: u16,
    /// Laps completed.
    pub laps_completed: u16,
    /// Laps led.
    pub laps_led: u16,
    /// Laps on which the entry set the fastest lap; absent where the source does not publish them.
    pub fastest_laps: Option<u16>,
    /// Whether the entry retired before the end.
    pub retired: bool,
}

/// A driver in a race.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RaceEntry {
    /// Driver name as imported, trimmed.
    pub driver: String,
    /// Car number; text, because leading zeros count.
    pub car_no: String,
    /// Team name, empty where unknown.
    pub team: String,
    /// Manufacturer, empty where unknown.
    pub make: String,
    /// Start position, a permutation of 1..=n over the race.
    pub start: u16,
    /// The result, absent before the race was run.
    pub result: Option<EntryResult>,
}

/// A race of a season, run or still to come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Race {
    /// Id in the catalog.
    pub id: RaceId,
    /// Season, a year.
    pub season: u16,
    /// Number of the race within its season, from 1.
    pub number: u16,
    /// Name of the race.
    pub name: String,
    /// Name of the track.
    pub track: String,
    /// Kind of track.
    pub track_type: TrackType,
    /// Laps run, or scheduled for a race to come; 1..=2000.
    pub race_laps: u16,
    /// Entries; by finish position where run, else by start position.
    pub entries: Vec<RaceEntry>,
}

impl Race {
    /// The key people use, unique within a team: season and number, `2025-07`. Keys sort in race order.
    #[must_use]
    pub fn key(&self) -> String {
        race_key(self.season, self.number)
    }

    /// Whether the race has been run.
    #[must_use]
    pub fn has_results(&self) -> bool {
        !self.entries.is_empty() && self.entries.iter().all(|entry| entry.result.is_some())
    }
}

/// The key of the race with this number in this season.
#[must_use]
pub fn race_key(season: u16, number: u16) -> String {
    format!("{season:04}-{number:02}")
}
