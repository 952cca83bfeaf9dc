//! Reads races from CSV: results of past races and entry lists of coming ones. One row is one entry; the rows of a race may
//! stand anywhere in the file. Nothing is stored here.

use std::collections::{BTreeMap, HashMap};

use super::{
    cells::Cells,
    columns::{Column, ColumnMap, Columns, header_key},
    issue::{ImportRejected, IssueKind, Issues},
    limits::{CatalogLimits, ENTRIES_MAX, ENTRIES_MIN, RACE_LAPS_MAX, RACE_NUMBER_MAX, SEASONS},
    names::normal_form,
    race_warning::{RaceWarning, unusual},
    table::{Row, Table},
};
use crate::domain::{
    ids::RaceId,
    race::{EntryResult, Race, RaceEntry, TrackType, race_key},
};

const WANTED: [Column; 18] = [
    Column::Season,
    Column::RaceNumber,
    Column::RaceKey,
    Column::RaceName,
    Column::Track,
    Column::TrackType,
    Column::RaceLaps,
    Column::Driver,
    Column::CarNo,
    Column::Team,
    Column::Make,
    Column::Start,
    Column::Finish,
    Column::LapsCompleted,
    Column::LapsLed,
    Column::FastestLaps,
    Column::Retired,
    Column::Status,
];

/// Columns that say something of the race and must be the same in all of its rows.
const OF_THE_RACE: [Column; 4] = [Column::RaceName, Column::Track, Column::TrackType, Column::RaceLaps];

/// A race as a file has it: a [`Race`] without an id.
#[derive(Debug, Clone, PartialEq)]
pub struct RaceDraft {
    /// Season, a year.
    pub season: u16,
    /// Number of the race within its season, from 1.
    pub number: u16,
    /// Name of the race; the track's where the file has none.
    pub name: String,
    /// Name of the track.
    pub track: String,
    /// Kind of track.
    pub track_type: TrackType,
    /// Laps run, or scheduled for a race to come.
    pub race_laps: u16,
    /// Entries; by finish position where run, else by start position.
    pub entries: Vec<RaceEntry>,
}

impl RaceDraft {
    /// Season and number, `2025-07`.
    #[must_use]
    pub fn key(&self) -> String {
        race_key(self.season, self.number)
    }

    /// The race with this id.
    #[must_use]
    pub fn into_race(self, id: RaceId) -> Race {
        let Self { season, number, name, track, track_type, race_laps, entries } = self;
        Race { id, season, number, name, track, track_type, race_laps, entries }
    }
}

/// The races of a file, in race order, and what is unusual about them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RaceFile {
    /// The races, by season and number.
    pub races: Vec<RaceDraft>,
    /// What is unusual but happens in real sources.
    pub warnings: Vec<RaceWarning>,
}

/// Reads results and entry lists. A race whose finish positions are all empty, or a file without such a column, is a race to
/// come.
///
/// # Errors
/// [`ImportRejected`] with everything that is wrong; a file is taken as a whole or not at all.
pub fn read_races(bytes: &[u8], map: &ColumnMap, limits: &CatalogLimits) -> Result<RaceFile, ImportRejected> {
    let mut issues = Issues::new(limits.issues_max);
    let table = Table::read(bytes, limits, |cells| is_header(cells, map), &mut issues)?;
    let columns = Columns::resolve(&table.header, map, &WANTED, &mut issues);
    require_columns(&table, &columns, &mut issues);
    let mut file = RaceFile::default();
    for ((season, number), rows) in group_by_race(&table, &columns, limits, &mut issues) {
        let mut reader = RaceReader { rows: &rows, columns: &columns, limits, issues: &mut issues };
        if let Some(race) = reader.read(season, number) {
            file.warnings.extend(unusual(&race));
            file.races.push(race);
        }
    }
    issues.into_result(file)
}

fn is_header(cells: &[String], map: &ColumnMap) -> bool {
    let mapped = map.0.get(&Column::Driver).map_or("driver", String::as_str);
    cells.iter().any(|cell| cell == mapped || ["driver", "drivername"].contains(&header_key(cell).as_str()))
}

fn require_columns(table: &Table, columns: &Columns, issues: &mut Issues) {
    if !columns.has(Column::RaceKey) {
        columns.require_any(&[Column::Season], issues);
        columns.require_any(&[Column::RaceNumber], issues);
    }
    for column in [Column::Track, Column::TrackType, Column::RaceLaps, Column::Driver, Column::Start] {
        columns.require_any(&[column], issues);
    }
    let has_results =
        columns.index(Column::Finish).is_some_and(|index| table.rows.iter().any(|row| !row.cell(index).is_empty()));
    if has_results {
        columns.require_any(&[Column::LapsCompleted], issues);
        columns.require_any(&[Column::LapsLed], issues);
        columns.require_any(&[Column::Retired, Column::Status], issues);
    }
}

type RowsByRace<'a> = BTreeMap<(u16, u16), Vec<&'a Row>>;

fn group_by_race<'a>(
    table: &'a Table,
    columns: &Columns,
    limits: &CatalogLimits,
    issues: &mut Issues,
) -> RowsByRace<'a> {
    let mut groups = RowsByRace::new();
    for row in &table.rows {
        let mut cells = Cells { row, columns, limits, issues };
        if let Some(key) = read_key(&mut cells) {
            groups.entry(key).or_default().push(row);
        }
    }
    groups
}

/// Season and number, from their own columns or from the key.
fn read_key(cells: &mut Cells<'_>) -> Option<(u16, u16)> {
    if cells.columns.has(Column::Season) && cells.columns.has(Column::RaceNumber) {
        let seasons = u64::from(*SEASONS.start())..=u64::from(*SEASONS.end());
        let season = cells.whole(Column::Season, seasons);
        let number = cells.whole(Column::RaceNumber, 1..=u64::from(RACE_NUMBER_MAX));
        return season.zip(number);
    }
    if !cells.columns.has(Column::RaceKey) {
        return None;
    }
    let key = parse_race_key(cells.raw(Column::RaceKey));
    if key.is_none() {
        cells.refuse(Column::RaceKey, IssueKind::BadRaceKey);
    }
    key
}

/// Season and number of a key such as `2025-07`, where it is one.
#[must_use]
pub fn parse_race_key(key: &str) -> Option<(u16, u16)> {
    let (season, number) = key.split_once('-')?;
    let is_digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(season, 4) || !is_digits(number, 2) {
        return None;
    }
    let (season, number) = (season.parse().ok()?, number.parse().ok()?);
    (SEASONS.contains(&season) && (1..=RACE_NUMBER_MAX).contains(&number)).then_some((season, number))
}

/// Reads the rows of one race. It goes on after an issue, so that all of them are found.
struct RaceReader<'a> {
    rows: &'a [&'a Row],
    columns: &'a Columns,
    limits: &'a CatalogLimits,
    issues: &'a mut Issues,
}

impl<'a> RaceReader<'a> {
    fn read(&mut self, season: u16, number: u16) -> Option<RaceDraft> {
        self.check_field_size();
        self.check_consistent();
        let mut first = self.cells(0);
        let track = first.name(Column::Track);
        let name = first.name_or_empty(Column::RaceName);
        let track_type = read_track_type(&mut first);
        let race_laps = first.whole(Column::RaceLaps, 1..=u64::from(RACE_LAPS_MAX));
        let entries = self.read_entries(race_laps.unwrap_or(RACE_LAPS_MAX));
        self.check_drivers();
        self.check_positions(Column::Start);
        self.check_positions(Column::Finish);
        let (track, name) = (track?, name?);
        let name = if name.is_empty() { track.clone() } else { name };
        let (track_type, race_laps, entries) = (track_type?, race_laps?, entries?);
        Some(RaceDraft { season, number, name, track, track_type, race_laps, entries })
    }

    fn cells(&mut self, index: usize) -> Cells<'_> {
        Cells { row: self.rows[index], columns: self.columns, limits: self.limits, issues: self.issues }
    }

    fn check_field_size(&mut self) {
        let found = self.rows.len();
        if !(ENTRIES_MIN..=ENTRIES_MAX).contains(&found) {
            let kind = IssueKind::FieldSize { found, min: ENTRIES_MIN, max: ENTRIES_MAX };
            self.cells(0).refuse(Column::Driver, kind);
        }
    }

    fn check_consistent(&mut self) {
        for column in OF_THE_RACE {
            let (first, first_row) = (self.cells(0).raw(column).to_owned(), self.rows[0].number);
            for index in 1..self.rows.len() {
                let mut cells = self.cells(index);
                if cells.raw(column) != first {
                    cells.refuse(column, IssueKind::Inconsistent { first: first.clone(), first_row });
                }
            }
        }
    }

    fn read_entries(&mut self, race_laps: u16) -> Option<Vec<RaceEntry>> {
        let finish = self.columns.index(Column::Finish);
        let with_result = finish.and_then(|index| self.rows.iter().find(|row| !row.cell(index).is_empty()));
        let first_result_row = with_result.map(|row| row.number);
        let entries = self.rows.len() as u64;
        let read: Vec<Option<RaceEntry>> = (0..self.rows.len())
            .map(|index| read_entry(&mut self.cells(index), entries, race_laps, first_result_row))
            .collect();
        let mut entries: Vec<RaceEntry> = read.into_iter().collect::<Option<_>>()?;
        entries.sort_by_key(|entry| entry.result.as_ref().map_or(entry.start, |result| result.finish));
        Some(entries)
    }

    fn check_drivers(&mut self) {
        let mut seen: HashMap<String, (String, u64)> = HashMap::new();
        for index in 0..self.rows.len() {
            let mut cells = self.cells(index);
            let (driver, row) = (cells.raw(Column::Driver).to_owned(), cells.row.number);
            if driver.is_empty() {
                continue;
            }
            match seen.get(&normal_form(&driver)) {
                Some((first, first_row)) => {
                    let kind = IssueKind::DuplicateDriver { first: first.clone(), first_row: *first_row };
                    cells.refuse(Column::Driver, kind);
                }
                None => {
                    seen.insert(normal_form(&driver), (driver, row));
                }
            }
        }
    }

    /// With values in `1..=n`, which reading has checked, no duplicates means a permutation.
    fn check_positions(&mut self, column: Column) {
        let entries = self.rows.len();
        let mut seen: HashMap<u64, u64> = HashMap::new();
        for index in 0..entries {
            let mut cells = self.cells(index);
            let Ok(position) = cells.raw(column).parse::<u64>() else { continue };
            if let Some(&first_row) = seen.get(&position) {
                cells.refuse(column, IssueKind::DuplicatePosition { first_row, entries });
            } else {
                seen.insert(position, cells.row.number);
            }
        }
    }
}

fn read_track_type(cells: &mut Cells<'_>) -> Option<TrackType> {
    let text = cells.raw(Column::TrackType);
    let kind = TrackType::from_name(&text.to_lowercase().replace([' ', '-'], "_"));
    if kind.is_none() && cells.columns.has(Column::TrackType) {
        cells.refuse(Column::TrackType, IssueKind::UnknownTrackType);
    }
    kind
}

fn read_entry(cells: &mut Cells<'_>, entries: u64, race_laps: u16, first_result_row: Option<u64>) -> Option<RaceEntry> {
    let driver = cells.name(Column::Driver);
    let car_no = cells.name_or_empty(Column::CarNo);
    let team = cells.name_or_empty(Column::Team);
    let make = cells.name_or_empty(Column::Make);
    let start = cells.whole(Column::Start, 1..=entries);
    let result = match first_result_row {
        Some(first_row) => Some(read_result(cells, entries, race_laps, first_row)?),
        None => None,
    };
    Some(RaceEntry { driver: driver?, car_no: car_no?, team: team?, make: make?, start: start?, result })
}

fn read_result(cells: &mut Cells<'_>, entries: u64, race_laps: u16, first_row: u64) -> Option<EntryResult> {
    if cells.raw(Column::Finish).is_empty() {
        cells.refuse(Column::Finish, IssueKind::PartialResults { first_row });
        return None;
    }
    let finish = cells.whole(Column::Finish, 1..=entries);
    let laps_completed: Option<u16> = cells.whole(Column::LapsCompleted, 0..=u64::from(race_laps));
    let laps_led = cells.whole(Column::LapsLed, 0..=u64::from(laps_completed.unwrap_or(race_laps)));
    let fastest_laps = match cells.raw(Column::FastestLaps) {
        "" => Some(None),
        _ => cells.whole(Column::FastestLaps, 0..=u64::from(race_laps)).map(Some),
    };
    let retired = read_retired(cells);
    Some(EntryResult {
        finish: finish?,
        laps_completed: laps_completed?,
        laps_led: laps_led?,
        fastest_laps: fastest_laps?,
        retired: retired?,
    })
}

fn read_retired(cells: &mut Cells<'_>) -> Option<bool> {
    let retired = cells.retired()?;
    let column = [Column::Retired, Column::Status].into_iter().find(|&column| cells.columns.has(column))?;
    if retired.is_none() {
        cells.refuse(column, IssueKind::MissingValue);
    }
    retired
}
