//! What the demo works on: race results and a slate, from files or made up.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::catalog::synthetic;

/// Files with results, the first one that exists counts: the one with fastest laps is the better history.
const RESULT_FILES: [&str; 2] = ["cup_results_loop_2019_2025.csv", "cup_results_2016_2025.csv"];
/// The slate, with start positions.
const SLATE_FILE: &str = "slate_bristol37.csv";

/// Whose rules the lineups follow.
const CONTEST: &str = "draftkings-nascar-classic-2021";

/// Files as the API takes them.
pub struct Inputs {
    /// Where they come from, for people.
    pub description: String,
    /// Races with results, CSV.
    pub races: Vec<u8>,
    /// Slate, CSV.
    pub slate: Vec<u8>,
    /// Query of the slate's import: its name, its contest, and the race that it is for.
    pub slate_query: Vec<(&'static str, String)>,
}

impl Inputs {
    /// Reads the real files of `directory`, or makes a season up.
    ///
    /// # Errors
    /// Where a file is missing.
    pub fn load(directory: Option<&Path>, seed: u64) -> Result<Self> {
        match directory {
            Some(directory) => real(directory),
            None => Ok(synthetic(seed)),
        }
    }
}

fn real(directory: &Path) -> Result<Inputs> {
    let Some(results) = RESULT_FILES.iter().map(|name| directory.join(name)).find(|path| path.is_file()) else {
        bail!("{} has neither {} nor {}", directory.display(), RESULT_FILES[0], RESULT_FILES[1]);
    };
    Ok(Inputs {
        description: format!("real results and salaries from {}", directory.display()),
        races: read(&results)?,
        slate: read(&directory.join(SLATE_FILE))?,
        slate_query: query(&[
            ("name", "Bristol, main slate"),
            ("contest", CONTEST),
            ("race", "2026-08"),
            ("race_name", "Bristol, spring 2026"),
            ("track", "Bristol Motor Speedway"),
            ("track_type", "short"),
            ("race_laps", "500"),
        ]),
    })
}

fn synthetic(seed: u64) -> Inputs {
    let season = synthetic::season(seed);
    Inputs {
        description: format!("{} made-up races of fictional drivers (seed {seed})", synthetic::RACES),
        races: season.races_csv.into_bytes(),
        slate: season.slate_csv.into_bytes(),
        slate_query: query(&[
            ("name", "Made-up slate"),
            ("contest", CONTEST),
            ("race", &season.next_race),
            ("race_name", &season.next_race_name),
            ("track", &season.next_track),
            ("track_type", season.next_track_type.as_str()),
            ("race_laps", &season.next_race_laps.to_string()),
        ]),
    }
}

fn query(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
