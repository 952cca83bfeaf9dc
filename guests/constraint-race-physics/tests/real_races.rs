//! Hard rules veto nothing that has happened; soft ones, with their default bounds, hardly anything.

use std::path::PathBuf;

use constraint_race_physics::{PhysicsJudge, REASONS};
use paddock_sdk::{Race, ScenarioBlock, ScenarioJudge, TrackType};

/// One in fifty of the 251 races.
const SOFT_VETOES_MAX: usize = 5;

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
fn hard_rules_veto_no_real_race_and_soft_ones_hardly_any() {
    let Some(races) = races() else { return };
    assert_eq!(races.len(), 251);
    let vetoed: Vec<(String, u8)> = races
        .into_iter()
        .map(|(key, race, scenario)| (key, PhysicsJudge::open(race, "{}").unwrap().judge(&scenario).unwrap()[0]))
        .filter(|(_, verdict)| *verdict > 0)
        .collect();
    let hard: Vec<_> = vetoed.iter().filter(|(_, verdict)| REASONS[usize::from(*verdict) - 1].is_hard).collect();
    assert!(hard.is_empty(), "{hard:?}");
    assert!(vetoed.len() <= SOFT_VETOES_MAX, "{vetoed:?}");
}
