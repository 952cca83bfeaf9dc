//! Reads a contest's list of players and salaries from CSV: DraftKings' salary file and upload template, FanDuel's player list,
//! and a plain table. It does not know which race they drive in.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    cells::Cells,
    columns::{Column, ColumnMap, Columns, header_key},
    issue::{ImportIssue, ImportRejected, IssueKind, Issues},
    limits::{CatalogLimits, ENTRIES_MAX, ENTRIES_MIN, SALARY_USD_MAX},
    names::normal_form,
    table::Table,
};

const WANTED: [Column; 7] = [
    Column::Driver,
    Column::FirstName,
    Column::LastName,
    Column::Salary,
    Column::Start,
    Column::ExternalId,
    Column::Positions,
];

/// Which operator's format a slate file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlateFormat {
    /// `DKSalaries.csv`, or the upload template that has the same table below and to the right of instructions.
    DraftKings,
    /// FanDuel's players list.
    FanDuel,
    /// A table with at least a driver and a salary.
    Plain,
}

/// A player of a slate file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlateRow {
    /// Line of the file, from 1.
    pub row: u64,
    /// Driver, as the file writes the name.
    pub driver: String,
    /// The operator's id of the player, where the file has one.
    pub external_id: Option<String>,
    /// Salary in whole contest dollars.
    pub salary_usd: u32,
    /// Positions that the player may take, where the file has a column of them.
    pub positions: Vec<String>,
    /// Start position, where the file has a column of them.
    pub start: Option<u16>,
}

/// The players of a slate file, in file order; drivers differ, and starts, where there are any, are a permutation of 1..=n.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlateFile {
    /// The format it was recognised as.
    pub format: SlateFormat,
    /// Name of the column that drivers were read from.
    pub driver_column: String,
    /// The players.
    pub rows: Vec<SlateRow>,
}

/// Reads a slate file; the format is recognised by its header.
///
/// # Errors
/// [`ImportRejected`] with everything that is wrong.
pub fn read_slate(bytes: &[u8], map: &ColumnMap, limits: &CatalogLimits) -> Result<SlateFile, ImportRejected> {
    let mut issues = Issues::new(limits.issues_max);
    let table = Table::read(bytes, limits, |cells| is_header(cells, map), &mut issues)?;
    let columns = Columns::resolve(&table.header, map, &WANTED, &mut issues);
    let has_two_names = columns.has(Column::FirstName) && columns.has(Column::LastName);
    if !has_two_names {
        columns.require_any(&[Column::Driver], &mut issues);
    }
    columns.require_any(&[Column::Salary], &mut issues);
    let players = table.rows.len();
    if !(ENTRIES_MIN..=ENTRIES_MAX).contains(&players) {
        let kind = IssueKind::FieldSize { found: players, min: ENTRIES_MIN, max: ENTRIES_MAX };
        issues.push(ImportIssue::of_file(kind));
    }
    let rows = read_rows(&table, &columns, limits, &mut issues);
    check_players(&rows, &columns, &mut issues);
    let name_column = if columns.has(Column::Driver) { Column::Driver } else { Column::LastName };
    let driver_column = columns.name(name_column).to_owned();
    let format = recognise(&table.header);
    issues.into_result(SlateFile { format, driver_column, rows: rows.into_iter().flatten().collect() })
}

/// Instructions above the table mention names and salaries in sentences, so whole cells are compared.
fn is_header(cells: &[String], map: &ColumnMap) -> bool {
    let is_named = |column: Column, usual: &[&str]| {
        let mapped = map.0.get(&column).map(String::as_str);
        cells.iter().any(|cell| mapped == Some(cell.as_str()) || usual.contains(&header_key(cell).as_str()))
    };
    is_named(Column::Salary, &["salary", "dksalary", "fdsalary", "price"])
        || is_named(Column::Driver, &["driver", "drivername"])
}

fn recognise(header: &[String]) -> SlateFormat {
    let keys: Vec<String> = header.iter().map(|name| header_key(name)).collect();
    let has = |wanted: &str| keys.iter().any(|key| key == wanted);
    if has("nameid") || has("rosterposition") && has("teamabbrev") {
        SlateFormat::DraftKings
    } else if has("fppg") {
        SlateFormat::FanDuel
    } else {
        SlateFormat::Plain
    }
}

fn read_rows(table: &Table, columns: &Columns, limits: &CatalogLimits, issues: &mut Issues) -> Vec<Option<SlateRow>> {
    let players = table.rows.len() as u64;
    table.rows.iter().map(|row| read_row(Cells { row, columns, limits, issues }, players)).collect()
}

fn read_row(mut cells: Cells<'_>, players: u64) -> Option<SlateRow> {
    let driver = read_driver(&mut cells);
    let external_id = cells.name_or_empty(Column::ExternalId);
    let positions = cells.name_or_empty(Column::Positions);
    let salary_usd = cells.whole(Column::Salary, 0..=u64::from(SALARY_USD_MAX));
    let start = match cells.columns.has(Column::Start) {
        true => cells.whole(Column::Start, 1..=players).map(Some),
        false => Some(None),
    };
    Some(SlateRow {
        row: cells.row.number,
        driver: driver?,
        external_id: external_id.map(|id| (!id.is_empty()).then_some(id))?,
        salary_usd: salary_usd?,
        positions: positions?.split('/').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        start: start?,
    })
}

fn read_driver(cells: &mut Cells<'_>) -> Option<String> {
    if cells.columns.has(Column::Driver) {
        return cells.name(Column::Driver);
    }
    let first = cells.name(Column::FirstName);
    let last = cells.name(Column::LastName);
    Some(format!("{} {}", first?, last?))
}

fn check_players(rows: &[Option<SlateRow>], columns: &Columns, issues: &mut Issues) {
    let entries = rows.len();
    let mut drivers: HashMap<String, &SlateRow> = HashMap::new();
    let mut starts: HashMap<u16, u64> = HashMap::new();
    for player in rows.iter().flatten() {
        if let Some(first) = drivers.get(&normal_form(&player.driver)) {
            let kind = IssueKind::DuplicateDriver { first: first.driver.clone(), first_row: first.row };
            let column = columns.name(Column::Driver);
            issues.push(ImportIssue::of_cell(player.row, column, &player.driver, kind));
        } else {
            drivers.insert(normal_form(&player.driver), player);
        }
        let Some(start) = player.start else { continue };
        if let Some(&first_row) = starts.get(&start) {
            let kind = IssueKind::DuplicatePosition { first_row, entries };
            issues.push(ImportIssue::of_cell(player.row, columns.name(Column::Start), &start.to_string(), kind));
        } else {
            starts.insert(start, player.row);
        }
    }
}
