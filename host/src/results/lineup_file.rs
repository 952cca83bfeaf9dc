//! Lineups as files: the operators' upload forms, a table of everything known of each lineup as CSV or Arrow. It reads results, not
//! stores.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};

use super::portfolio::{LineupDriver, PortfolioLineup, PortfolioSummary};

/// Which file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineupFile {
    /// What DraftKings' lineup upload takes: a row of player ids per lineup.
    DraftKings,
    /// What FanDuel's lineup upload takes.
    FanDuel,
    /// A table with a row per lineup.
    Csv,
    /// The same table as an Arrow IPC file.
    Arrow,
}

/// Why there is no such file.
#[derive(Debug, thiserror::Error)]
pub enum LineupFileError {
    /// Import the operator's own salary file: its ids are what an upload names players by.
    #[error("the slate has no player id for {0}")]
    NoId(String),
    /// A number could not be written; a defect of paddock.
    #[error("the file could not be written: {0}")]
    Write(String),
}

/// What FanDuel calls the place of a driver.
const FANDUEL_PLACE: &str = "Driver";

/// A column of the table.
struct Column {
    name: String,
    cells: Cells,
}

/// Cells of a column, one per lineup.
enum Cells {
    Text(Vec<String>),
    Count(Vec<u32>),
    Salary(Vec<u64>),
    Number(Vec<Option<f64>>),
}

/// Writes the file.
///
/// # Errors
/// [`LineupFileError`] where a player has no id that an upload could name.
pub fn lineup_file(portfolio: &PortfolioSummary, file: LineupFile) -> Result<Vec<u8>, LineupFileError> {
    match file {
        LineupFile::DraftKings => upload(portfolio, |slot| slot),
        LineupFile::FanDuel => upload(portfolio, |slot| if slot == "D" { FANDUEL_PLACE } else { slot }),
        LineupFile::Csv => csv(&columns(portfolio)),
        LineupFile::Arrow => arrow(columns(portfolio)).map_err(|error| LineupFileError::Write(error.to_string())),
    }
}

/// A header of places, and one row of player ids per lineup.
fn upload(portfolio: &PortfolioSummary, name: fn(&str) -> &str) -> Result<Vec<u8>, LineupFileError> {
    let mut rows = Vec::with_capacity(portfolio.lineups.len() + 1);
    let first = portfolio.lineups.first().map(|lineup| lineup.drivers.as_slice()).unwrap_or_default();
    rows.push(first.iter().map(|driver| name(&driver.slot).to_owned()).collect());
    for lineup in &portfolio.lineups {
        let id = |driver: &LineupDriver| {
            driver.external_id.clone().ok_or_else(|| LineupFileError::NoId(driver.driver.clone()))
        };
        rows.push(lineup.drivers.iter().map(id).collect::<Result<Vec<String>, _>>()?);
    }
    write_csv(&rows)
}

fn write_csv(rows: &[Vec<String>]) -> Result<Vec<u8>, LineupFileError> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(|error| LineupFileError::Write(error.to_string()))?;
    }
    writer.into_inner().map_err(|error| LineupFileError::Write(error.to_string()))
}

fn csv(columns: &[Column]) -> Result<Vec<u8>, LineupFileError> {
    let count = columns.first().map_or(0, |column| column.cells.len());
    let mut rows = vec![columns.iter().map(|column| column.name.clone()).collect()];
    rows.extend((0..count).map(|row| columns.iter().map(|column| column.cells.text(row)).collect()));
    write_csv(&rows)
}

fn arrow(columns: Vec<Column>) -> Result<Vec<u8>, ArrowError> {
    let fields: Vec<Field> = columns.iter().map(|column| column.cells.field(&column.name)).collect();
    let arrays = columns.into_iter().map(|column| column.cells.into_array()).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), arrays)?;
    let mut writer = FileWriter::try_new(Vec::new(), &schema)?;
    writer.write(&batch)?;
    writer.into_inner()
}

/// Everything that is known of each lineup. Names of drivers' columns are places, numbered where there are several.
fn columns(portfolio: &PortfolioSummary) -> Vec<Column> {
    let lineups = &portfolio.lineups;
    let mut columns = Vec::new();
    let mut push = |name: &str, cells: Cells| columns.push(Column { name: name.to_owned(), cells });
    push("lineup", Cells::Count((1..=lineups.len() as u32).collect()));
    for place in 0..lineups.first().map_or(0, |lineup| lineup.drivers.len()) {
        let name = format!("driver_{}", place + 1);
        push(&name, Cells::Text(lineups.iter().map(|lineup| driver_at(lineup, place)).collect()));
    }
    push("salary_usd", Cells::Salary(lineups.iter().map(|lineup| lineup.salary_usd).collect()));
    let numbers = |of: &dyn Fn(&PortfolioLineup) -> Option<f64>| Cells::Number(lineups.iter().map(of).collect());
    push("value", numbers(&|lineup| Some(lineup.value)));
    push("contribution", numbers(&|lineup| lineup.contribution));
    push("mean", numbers(&|lineup| Some(lineup.score.mean)));
    push("sd", numbers(&|lineup| Some(lineup.score.sd)));
    let quantiles = lineups.first().map(|lineup| lineup.score.quantiles.as_slice()).unwrap_or_default();
    for (index, quantile) in quantiles.iter().enumerate() {
        let name = format!("q{:02}", (quantile.probability * 100.0).round());
        push(&name, numbers(&|lineup| lineup.score.quantiles.get(index).map(|quantile| quantile.points)));
    }
    push("upper_cvar", numbers(&|lineup| Some(lineup.score.upper_cvar)));
    push("fresh", numbers(&|lineup| lineup.validation.as_ref().map(|fresh| fresh.fresh)));
    push("interval_low", numbers(&|lineup| lineup.validation.as_ref().map(|fresh| fresh.interval_low)));
    push("interval_high", numbers(&|lineup| lineup.validation.as_ref().map(|fresh| fresh.interval_high)));
    push("best_share", numbers(&|lineup| lineup.wins.as_ref().map(|wins| wins.best_share)));
    columns
}

fn driver_at(lineup: &PortfolioLineup, place: usize) -> String {
    lineup.drivers.get(place).map(|driver| driver.driver.clone()).unwrap_or_default()
}

impl Cells {
    const fn len(&self) -> usize {
        match self {
            Self::Text(cells) => cells.len(),
            Self::Count(cells) => cells.len(),
            Self::Salary(cells) => cells.len(),
            Self::Number(cells) => cells.len(),
        }
    }

    fn text(&self, row: usize) -> String {
        match self {
            Self::Text(cells) => harmless(&cells[row]),
            Self::Count(cells) => cells[row].to_string(),
            Self::Salary(cells) => cells[row].to_string(),
            Self::Number(cells) => cells[row].map(|number| number.to_string()).unwrap_or_default(),
        }
    }

    fn field(&self, name: &str) -> Field {
        match self {
            Self::Text(_) => Field::new(name, DataType::Utf8, false),
            Self::Count(_) => Field::new(name, DataType::UInt32, false),
            Self::Salary(_) => Field::new(name, DataType::UInt64, false),
            Self::Number(_) => Field::new(name, DataType::Float64, true),
        }
    }

    fn into_array(self) -> ArrayRef {
        match self {
            Self::Text(cells) => Arc::new(StringArray::from(cells)),
            Self::Count(cells) => Arc::new(UInt32Array::from(cells)),
            Self::Salary(cells) => Arc::new(UInt64Array::from(cells)),
            Self::Number(cells) => Arc::new(Float64Array::from(cells)),
        }
    }
}

/// A name that a spreadsheet would run as a formula, with an apostrophe before it (OWASP, CSV injection).
fn harmless(name: &str) -> String {
    if name.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{name}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use arrow_array::{cast::AsArray, types::Float64Type};
    use arrow_ipc::reader::FileReader;

    use super::*;
    use crate::{
        domain::spec::Objective,
        optimize::{LineupScore, PointsQuantile, PortfolioEnd},
    };

    fn portfolio() -> PortfolioSummary {
        let driver = |name: &str, id: Option<&str>, slot: &str| LineupDriver {
            driver: name.to_owned(),
            external_id: id.map(str::to_owned),
            salary_usd: 9_000,
            slot: slot.to_owned(),
        };
        let lineup = |drivers: Vec<LineupDriver>, value: f64| PortfolioLineup {
            salary_usd: 18_000,
            drivers,
            value,
            certificate: None,
            contribution: None,
            score: LineupScore {
                mean: 100.5,
                sd: 20.0,
                quantiles: vec![PointsQuantile { probability: 0.05, points: 60.0 }],
                upper_cvar: 150.25,
            },
            validation: None,
            wins: None,
        };
        PortfolioSummary {
            contest: "test-2021".to_owned(),
            objective: Objective::Mean,
            worth: None,
            lineups: vec![
                lineup(vec![driver("Ada", Some("11"), "CPT"), driver("Bo, Jr.", Some("12"), "D")], 120.0),
                lineup(vec![driver("=Cy", Some("13"), "CPT"), driver("Ada", Some("11"), "D")], 110.0),
            ],
            end: PortfolioEnd::Complete,
            lineup_vetoes: Vec::new(),
            exposure: Vec::new(),
            validation: None,
            stability: None,
        }
    }

    fn text(file: LineupFile) -> String {
        String::from_utf8(lineup_file(&portfolio(), file).unwrap()).unwrap()
    }

    #[test]
    fn uploads_name_the_places_and_then_the_players_by_id() {
        assert_eq!(text(LineupFile::DraftKings), "CPT,D\r\n11,12\r\n13,11\r\n");
        assert_eq!(text(LineupFile::FanDuel), "CPT,Driver\r\n11,12\r\n13,11\r\n");
        let mut portfolio = portfolio();
        portfolio.lineups[1].drivers[0].external_id = None;
        let error = lineup_file(&portfolio, LineupFile::DraftKings).unwrap_err();
        assert!(error.to_string().contains("=Cy"), "{error}");
    }

    #[test]
    fn the_table_quotes_names_and_defuses_formulas() {
        let table = text(LineupFile::Csv);
        let mut lines = table.lines();
        assert!(lines.next().unwrap().starts_with("lineup,driver_1,driver_2,salary_usd,value,"));
        assert!(lines.next().unwrap().starts_with("1,Ada,\"Bo, Jr.\",18000,120,,100.5,20,60,150.25,"));
        assert!(lines.next().unwrap().starts_with("2,'=Cy,Ada,"));
    }

    #[test]
    fn the_arrow_file_has_the_same_columns() {
        let bytes = lineup_file(&portfolio(), LineupFile::Arrow).unwrap();
        let batch = FileReader::try_new(Cursor::new(bytes), None).unwrap().next().unwrap().unwrap();
        let names: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names.join(","), text(LineupFile::Csv).lines().next().unwrap());
        let values = batch.column_by_name("value").unwrap().as_primitive::<Float64Type>();
        assert_eq!(values.values().to_vec(), [120.0, 110.0]);
        let drivers = batch.column_by_name("driver_1").unwrap().as_string::<i32>();
        assert_eq!(drivers.value(1), "=Cy");
    }
}
