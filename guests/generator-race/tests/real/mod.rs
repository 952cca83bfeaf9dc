//! Real results for the shape tests: read from the directory of real data, never from the repository.

use std::collections::HashMap;
use std::path::PathBuf;

use paddock_sdk::TrackType;

/// One real race, its cars in finish order.
#[derive(Debug, Clone)]
pub struct RealRace {
    pub track_type: TrackType,
    pub race_laps: u16,
    pub driver: Vec<String>,
    pub start: Vec<u16>,
    pub led: Vec<u16>,
    pub fastest: Vec<u16>,
    pub completed: Vec<u16>,
    pub retired: Vec<u8>,
    /// Rough worth of each driver: minus the mean of finish / field size over all races, shrunk, standardised in the field.
    pub worth: Vec<f64>,
}

/// The real races, or `None` with a line on stderr where they are absent.
///
/// # Panics
/// Where they are absent and the environment says CI=true.
pub fn races() -> Option<Vec<RealRace>> {
    let directory = std::env::var_os("PADDOCK_REAL_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = directory.join("cup_results_loop_2019_2025.csv");
    if !path.exists() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "real data not found at {}", path.display());
        eprintln!("skipped: real data not found at {}", path.display());
        return None;
    }
    let mut reader = csv::Reader::from_path(&path).expect("readable results");
    let headers = reader.headers().expect("a header").clone();
    let column = |name: &str| headers.iter().position(|header| header == name).expect("a known column");
    let number_columns =
        ["finish", "start", "laps_led", "fastest_laps", "laps_completed", "dnf", "race_laps"].map(column);
    let (race_column, driver_column, type_column) = (column("race_id"), column("driver"), column("track_type"));
    let mut rows: Vec<(String, TrackType, String, [u16; 7])> = reader
        .records()
        .map(|record| {
            let record = record.expect("a row");
            let numbers = number_columns.map(|index| record[index].parse().expect("a whole number"));
            let track_type = parse_track_type(&record[type_column]);
            (record[race_column].to_owned(), track_type, record[driver_column].to_owned(), numbers)
        })
        .collect();
    rows.sort_by(|a, b| (&a.0, a.3[0]).cmp(&(&b.0, b.3[0])));
    let mut races: Vec<RealRace> = rows.chunk_by(|a, b| a.0 == b.0).map(race_of).collect();
    add_worths(&mut races);
    Some(races)
}

fn race_of(rows: &[(String, TrackType, String, [u16; 7])]) -> RealRace {
    let column = |index: usize| rows.iter().map(|row| row.3[index]).collect::<Vec<u16>>();
    RealRace {
        track_type: rows[0].1,
        race_laps: rows[0].3[6],
        driver: rows.iter().map(|row| row.2.clone()).collect(),
        start: column(1),
        led: column(2),
        fastest: column(3),
        completed: column(4),
        retired: rows.iter().map(|row| row.3[5] as u8).collect(),
        worth: Vec::new(),
    }
}

fn parse_track_type(text: &str) -> TrackType {
    match text {
        "superspeedway" => TrackType::Superspeedway,
        "road" => TrackType::Road,
        "dirt" => TrackType::Dirt,
        "short" => TrackType::Short,
        "large_oval" => TrackType::LargeOval,
        "intermediate" => TrackType::Intermediate,
        other => panic!("{other} is no track type"),
    }
}

fn add_worths(races: &mut [RealRace]) {
    // Eight pseudo-races at 0.6 pull the drivers with few races to slightly behind the middle.
    let mut quality: HashMap<String, (f64, f64)> = HashMap::new();
    for race in races.iter() {
        for (index, driver) in race.driver.iter().enumerate() {
            let (sum, count) = quality.entry(driver.clone()).or_insert((0.6 * 8.0, 8.0));
            *sum += (index + 1) as f64 / race.driver.len() as f64;
            *count += 1.0;
        }
    }
    for race in races {
        let raw: Vec<f64> = race.driver.iter().map(|driver| -quality[driver].0 / quality[driver].1).collect();
        let mean = raw.iter().sum::<f64>() / raw.len() as f64;
        let deviation = (raw.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / raw.len() as f64).sqrt();
        race.worth = raw.iter().map(|x| (x - mean) / deviation).collect();
    }
}
