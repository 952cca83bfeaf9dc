//! The shipped contests against the points that operators gave, row by row, where the real results are at hand.

use std::{collections::HashMap, fs, path::PathBuf};

use paddock::{
    catalog::{CatalogLimits, ContestBook, columns::ColumnMap, race_file::read_races},
    score::contest::{Performance, points},
};

/// Rows of the file.
const ROWS: usize = 9_503;

fn results() -> Option<Vec<u8>> {
    let directory = std::env::var_os("PADDOCK_REAL_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = directory.join("cup_results_loop_2019_2025.csv");
    if path.exists() {
        return Some(fs::read(path).unwrap());
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "real data not found at {}", path.display());
    eprintln!("skipped: real data not found at {}", path.display());
    None
}

/// Points in hundredths by race, driver and column.
fn given(bytes: &[u8], column: &str) -> HashMap<(String, String), i64> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|found| found == name).unwrap();
    let (race, driver, column) = (place("race_id"), place("driver"), place(column));
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        let hundredths = (row[column].parse::<f64>().unwrap() * 100.0).round() as i64;
        ((row[race].to_owned(), row[driver].to_owned()), hundredths)
    });
    rows.collect()
}

/// Rows that the contest scores otherwise than the file does, and rows compared.
fn mismatches(bytes: &[u8], contest: &str, column: &str) -> (Vec<String>, usize) {
    let book = ContestBook::embedded().unwrap();
    let contest = book.get(contest).unwrap();
    let given = given(bytes, column);
    let file = read_races(bytes, &ColumnMap::default(), &CatalogLimits::default()).unwrap();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for race in &file.races {
        for entry in &race.entries {
            let result = entry.result.as_ref().unwrap();
            let scored = points(&contest.scoring, &Performance::of_result(entry, result));
            let expected = given[&(race.key(), entry.driver.clone())];
            compared += 1;
            if scored != expected {
                wrong.push(format!("{} place {}: {scored} instead of {expected}", race.key(), result.finish));
            }
        }
    }
    (wrong, compared)
}

#[test]
fn fanduel_points_are_those_of_the_operator_in_every_row() {
    let Some(bytes) = results() else { return };
    assert_eq!(mismatches(&bytes, "fanduel-nascar-2016", "fd_points"), (Vec::new(), ROWS));
}

/// The source scored 2019 and 2020 by the rules that DraftKings has since 2021 as well, so the rules of today give every row.
#[test]
fn draftkings_points_of_today_are_those_of_the_source_in_every_row() {
    let Some(bytes) = results() else { return };
    assert_eq!(mismatches(&bytes, "draftkings-nascar-classic-2021", "dk_points"), (Vec::new(), ROWS));
}

/// Which explains all that the older rules give otherwise: they differ in the finish table and by 0.05 per fastest lap.
#[test]
fn the_older_draftkings_rules_differ_from_the_newer_ones_as_published() {
    let book = ContestBook::embedded().unwrap();
    let table = |key: &str| book.get(key).unwrap().scoring.clone();
    let (older, newer) = (table("draftkings-nascar-classic-2015"), table("draftkings-nascar-classic-2021"));
    assert_eq!(older.fastest_lap_hundredths - newer.fastest_lap_hundredths, 5);
    assert_eq!(older.lap_led_hundredths, newer.lap_led_hundredths);
    assert_eq!(older.place_differential_hundredths, newer.place_differential_hundredths);
    let differences: Vec<i64> =
        older.finish_hundredths.iter().zip(&newer.finish_hundredths).map(|(older, newer)| older - newer).collect();
    assert_eq!(differences[..2], [100, 0]);
    assert!(differences.iter().all(|difference| (0..=400).contains(difference)), "{differences:?}");
}
