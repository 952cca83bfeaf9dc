//! No rule vetoes what has happened: the hard rules by their nature, the soft ones by their default bounds.

use std::path::PathBuf;

use constraint_race_physics::{PhysicsJudge, REASONS};
use paddock_sdk::{Race, ScenarioBlock, ScenarioJudge, TrackType};

/// Real races with official loop data, cars in finish order, or `None` with a line on standard error where they are absent.
fn races() -> Option<Vec<(String, Race, ScenarioBlock)>> {
    let directory = std::env::var_os("PADDOCK_REAL_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = directory.join("cup_results_loop_2019_2025.csv");
    if !path.exists() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "real data not found at {}", path.display());
        eprintln!("skipped: real data not found at {}", path.display());
        return None;
    }
    let mut reader = csv::Reader::from_path(&path).unwrap();
    let header = reader.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|found| found == name).unwrap();
    let key = column("race_id");
    let numbers = ["finish", "start", "laps_led", "fastest_laps", "laps_completed", "dnf", "race_laps"].map(column);
    let mut rows: Vec<(String, [u16; 7])> = reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            (record[key].to_owned(), numbers.map(|index| record[index].parse().unwrap()))
        })
        .collect();
    rows.sort();
    Some(rows.chunk_by(|a, b| a.0 == b.0).map(race_of).collect())
}

fn race_of(rows: &[(String, [u16; 7])]) -> (String, Race, ScenarioBlock) {
    let column = |index: usize| rows.iter().map(|row| row.1[index]).collect::<Vec<u16>>();
    let race = Race {
        track_type: TrackType::Intermediate,
        race_laps: rows[0].1[6],
        driver: vec![0; rows.len()],
        team: vec![0; rows.len()],
        start: column(1),
    };
    let scenario = ScenarioBlock {
        scenarios: 1,
        finish: column(0),
        laps_led: column(2),
        fastest_laps: column(3),
        laps_completed: column(4),
        retired: rows.iter().map(|row| u8::from(row.1[5] != 0)).collect(),
    };
    (rows[0].0.clone(), race, scenario)
}

#[test]
fn no_real_race_is_vetoed() {
    let Some(races) = races() else { return };
    assert_eq!(races.len(), 251);
    let vetoed = races.into_iter().filter_map(|(key, race, scenario)| {
        let verdict = PhysicsJudge::open(race, "{}").unwrap().judge(&scenario).unwrap()[0];
        (verdict > 0).then(|| format!("{key}: {}", REASONS[usize::from(verdict) - 1].code))
    });
    assert_eq!(vetoed.collect::<Vec<_>>(), Vec::<String>::new());
}
