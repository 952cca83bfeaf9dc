//! Which column of a file holds what: by the caller's map, else by the names that sources commonly use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::issue::{ImportIssue, IssueKind, Issues};

/// What a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// Season, a year.
    Season,
    /// Number of the race within its season.
    RaceNumber,
    /// Season and number in one, `2025-07`.
    RaceKey,
    /// Name of the race.
    RaceName,
    /// Name of the track.
    Track,
    /// Kind of track.
    TrackType,
    /// Laps run or scheduled.
    RaceLaps,
    /// Name of the driver.
    Driver,
    /// First name, where the name is in two columns.
    FirstName,
    /// Last name, where the name is in two columns.
    LastName,
    /// Car number.
    CarNo,
    /// Team.
    Team,
    /// Manufacturer.
    Make,
    /// Start position.
    Start,
    /// Finish position.
    Finish,
    /// Laps completed.
    LapsCompleted,
    /// Laps led.
    LapsLed,
    /// Laps on which the entry set the fastest lap.
    FastestLaps,
    /// Whether the entry retired, 0 or 1.
    Retired,
    /// How the entry ended: `running`, or the reason for which it retired.
    Status,
    /// Salary in contest dollars.
    Salary,
    /// The contest operator's id of the player.
    ExternalId,
    /// Positions that the player may take, with `/` between them.
    Positions,
}

impl Column {
    /// The name in a column map.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Season => "season",
            Self::RaceNumber => "race_number",
            Self::RaceKey => "race_key",
            Self::RaceName => "race_name",
            Self::Track => "track",
            Self::TrackType => "track_type",
            Self::RaceLaps => "race_laps",
            Self::Driver => "driver",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::CarNo => "car_no",
            Self::Team => "team",
            Self::Make => "make",
            Self::Start => "start",
            Self::Finish => "finish",
            Self::LapsCompleted => "laps_completed",
            Self::LapsLed => "laps_led",
            Self::FastestLaps => "fastest_laps",
            Self::Retired => "retired",
            Self::Status => "status",
            Self::Salary => "salary",
            Self::ExternalId => "external_id",
            Self::Positions => "positions",
        }
    }

    /// Header names that mean this column, letters and digits only, the most specific first.
    const fn synonyms(self) -> &'static [&'static str] {
        match self {
            Self::Season => &["season", "year"],
            Self::RaceNumber => &["raceno", "racenumber", "racenum", "round", "race"],
            Self::RaceKey => &["racekey", "raceid"],
            Self::RaceName => &["racename", "eventname", "event"],
            Self::Track => &["track", "trackname", "circuit", "venue"],
            Self::TrackType => &["tracktype"],
            Self::RaceLaps => &["racelaps", "totallaps", "scheduledlaps"],
            Self::Driver => &["driver", "drivername", "nickname", "name", "playername", "player"],
            Self::FirstName => &["firstname"],
            Self::LastName => &["lastname", "surname"],
            Self::CarNo => &["carno", "carnumber", "car", "number", "no"],
            Self::Team => &["team", "teamname", "owner", "constructor"],
            Self::Make => &["make", "manufacturer", "mfr"],
            Self::Start => &["start", "startpos", "startposition", "startingposition", "grid", "st"],
            Self::Finish => &["finish", "finishpos", "finishposition", "finishingposition", "finishorder", "fin"],
            Self::LapsCompleted => &["lapscompleted", "lapscomp", "completedlaps", "laps"],
            Self::LapsLed => &["lapsled", "ledlaps", "led"],
            Self::FastestLaps => &["fastestlaps", "fastlaps", "fl"],
            Self::Retired => &["retired", "dnf"],
            Self::Status => &["status", "finishstatus"],
            Self::Salary => &["salary", "dksalary", "fdsalary", "price"],
            Self::ExternalId => &["externalid", "playerid", "id"],
            Self::Positions => &["positions", "rosterposition", "position"],
        }
    }
}

/// Header names by what they hold, for example `{"finish": "Fin Pos"}`. Columns that are not named are found by the names that
/// sources commonly use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub struct ColumnMap(pub BTreeMap<Column, String>);

/// Where each column of a file is.
#[derive(Debug)]
pub(super) struct Columns {
    header: Vec<String>,
    index: BTreeMap<Column, usize>,
}

/// Letters and digits of a header name in lower case: `Laps Led`, `laps_led` and `LapsLed` are the same.
pub(super) fn header_key(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl Columns {
    /// Finds the `wanted` columns. A mapped name that the header does not have is an issue; an unmapped one is just absent.
    pub(super) fn resolve(header: &[String], map: &ColumnMap, wanted: &[Column], issues: &mut Issues) -> Self {
        let keys: Vec<String> = header.iter().map(|name| header_key(name)).collect();
        let mut columns = Self { header: header.to_vec(), index: BTreeMap::new() };
        for &column in wanted {
            match map.0.get(&column) {
                Some(name) => columns.take_mapped(column, name, issues),
                None => columns.take_synonym(column, &keys, issues),
            }
        }
        columns
    }

    fn take_mapped(&mut self, column: Column, name: &str, issues: &mut Issues) {
        match self.header.iter().position(|found| found == name.trim()) {
            Some(index) => {
                self.index.insert(column, index);
            }
            None => issues.push(self.missing(name)),
        }
    }

    fn take_synonym(&mut self, column: Column, keys: &[String], issues: &mut Issues) {
        let first_match = column.synonyms().iter().find_map(|synonym| {
            let mut positions = keys.iter().enumerate().filter(|(_, key)| key == synonym).map(|(index, _)| index);
            positions.next().map(|index| (index, positions.next().is_some()))
        });
        let Some((index, is_duplicate)) = first_match else { return };
        if is_duplicate {
            let kind = IssueKind::DuplicateColumn;
            issues.push(ImportIssue { row: None, column: Some(self.header[index].clone()), value: None, kind });
        }
        self.index.insert(column, index);
    }

    /// Where the column is, if the file has it.
    pub(super) fn index(&self, column: Column) -> Option<usize> {
        self.index.get(&column).copied()
    }

    /// Whether the file has the column.
    pub(super) fn has(&self, column: Column) -> bool {
        self.index.contains_key(&column)
    }

    /// The column's name in the file, or ours where the file has none.
    pub(super) fn name(&self, column: Column) -> &str {
        self.index(column).map_or(column.as_str(), |index| self.header[index].as_str())
    }

    /// Complains where the file has none of these columns.
    pub(super) fn require_any(&self, columns: &[Column], issues: &mut Issues) {
        if !columns.iter().any(|&column| self.has(column)) {
            let names: Vec<&str> = columns.iter().map(|column| column.as_str()).collect();
            issues.push(self.missing(&names.join(" or ")));
        }
    }

    fn missing(&self, name: &str) -> ImportIssue {
        let named: Vec<&str> = self.header.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        let found = named.join(", ").chars().take(500).collect();
        ImportIssue { row: None, column: Some(name.to_owned()), value: None, kind: IssueKind::MissingColumn { found } }
    }
}
