//! Turns races into what a model reads: the history it is fitted on, and the setup of the race it is asked about.

use std::collections::{BTreeMap, HashMap};

use super::names::normal_form;
use crate::domain::{
    history::History,
    problem::Problem,
    race::{EntryResult, Race, RaceEntry},
    scenario::RaceSetup,
    spec::HistorySpec,
};

/// A history that cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HistoryError {
    /// Import results first, or ask for a later race.
    #[error("no race with results{}: import results first", .before.as_ref().map(|key| format!(" before {key}")).unwrap_or_default())]
    NoRaces {
        /// Key of the race before which there are none, where one was named.
        before: Option<String>,
    },
    /// Ask for a number of races within the limit.
    #[error("trailing_races is {found}, it must be in 1..={limit}")]
    TrailingRaces {
        /// What was asked for.
        found: u32,
        /// The most races of a history.
        limit: u32,
    },
    /// Name a race as season and number.
    #[error("`{found}` is not a race's season and number")]
    Before {
        /// What was asked for.
        found: String,
    },
    /// Ask for a positive half-life.
    #[error("half_life_races is {found}, it must be positive and finite")]
    HalfLife {
        /// What was asked for, in races.
        found: f64,
    },
}

impl HistoryError {
    /// The failure as users read it; the fields are those of a [`HistorySpec`].
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        let detail = format!("{self}.");
        match self {
            Self::NoRaces { .. } => {
                Problem::invalid("/before", detail, "Import results with POST /v1/races, or ask for a later race.")
            }
            Self::Before { .. } => {
                Problem::invalid("/before", detail, "Send season and number of a race, for example `2025-07`.")
            }
            Self::TrailingRaces { limit, .. } => {
                let limit = format!("1..={limit} races");
                Problem::invalid("/trailing_races", detail, format!("Ask for {limit}.")).with_limit(limit)
            }
            Self::HalfLife { .. } => Problem::invalid("/half_life_races", detail, "Send a positive number of races.")
                .with_limit("above 0 races"),
        }
    }
}

/// Checks the half-life of a selection.
///
/// # Errors
/// [`HistoryError::HalfLife`] where it is not positive and finite.
pub fn check_half_life(spec: &HistorySpec) -> Result<(), HistoryError> {
    if spec.half_life_races.is_finite() && spec.half_life_races > 0.0 {
        Ok(())
    } else {
        Err(HistoryError::HalfLife { found: spec.half_life_races })
    }
}

/// The history of `races`, which are given oldest first and have results. A race's weight is `0.5^(age / half_life_races)`,
/// where the newest has age 0.
///
/// Drivers and teams are one where their normal forms are; the newest spelling names them.
#[must_use]
pub fn build_history(races: &[Race], half_life_races: f64) -> History {
    let races: Vec<&Race> = races.iter().collect();
    let drivers = Register::of(&races, |entry| &entry.driver);
    let teams = Register::of(&races, |entry| &entry.team);
    let tracks = Register::of_tracks(&races);
    let mut history = History {
        race_offsets: vec![0],
        drivers: drivers.names.clone(),
        teams: teams.names.clone(),
        ..History::default()
    };
    for (position, race) in races.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a history has at most thousands of races")]
        let age_races = (races.len() - 1 - position) as f64;
        history.track.push(tracks.index(&race.track));
        history.track_type.push(race.track_type);
        history.race_laps.push(race.race_laps);
        history.weight.push(0.5_f64.powf(age_races / half_life_races).max(f64::MIN_POSITIVE));
        push_entries(&mut history, race, &drivers, &teams);
    }
    history
}

fn push_entries(history: &mut History, race: &Race, drivers: &Register, teams: &Register) {
    let with_result = race.entries.iter().filter_map(|entry| Some((entry, entry.result.as_ref()?)));
    let mut rows: Vec<(&RaceEntry, &EntryResult)> = with_result.collect();
    rows.sort_by_key(|(_, result)| result.finish);
    for (entry, result) in rows {
        history.driver.push(drivers.index(&entry.driver));
        history.team.push(teams.index(&entry.team));
        history.start.push(entry.start);
        history.finish.push(result.finish);
        history.laps_completed.push(result.laps_completed);
        history.laps_led.push(result.laps_led);
        history.retired.push(u8::from(result.retired));
    }
    history.race_offsets.push(u32::try_from(history.driver.len()).unwrap_or(u32::MAX));
}

/// Names with an index each. Spellings are looked up first, because normalising tens of thousands of names is what would
/// make building a history slow.
struct Register {
    names: Vec<String>,
    by_spelling: HashMap<String, u32>,
}

impl Register {
    fn of(races: &[&Race], name: fn(&RaceEntry) -> &String) -> Self {
        Self::new(races.iter().flat_map(|race| race.entries.iter().map(name)))
    }

    fn of_tracks(races: &[&Race]) -> Self {
        Self::new(races.iter().map(|race| &race.track))
    }

    /// Of names in the order of races; the latest spelling is the one that stays.
    fn new<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        let mut form_of: HashMap<&str, String> = HashMap::new();
        let mut latest: BTreeMap<String, &str> = BTreeMap::new();
        for name in names {
            let form = form_of.entry(name).or_insert_with(|| normal_form(name));
            match latest.get_mut(form) {
                Some(spelling) => *spelling = name,
                None => {
                    latest.insert(form.clone(), name);
                }
            }
        }
        let index: HashMap<&str, u32> = latest.keys().map(String::as_str).zip(0..).collect();
        let by_spelling = form_of.iter().map(|(name, form)| ((*name).to_owned(), index[form.as_str()])).collect();
        Self { names: latest.values().map(|&name| name.to_owned()).collect(), by_spelling }
    }

    fn index(&self, name: &str) -> u32 {
        self.by_spelling.get(name).copied().unwrap_or(u32::MAX)
    }
}

/// The setup of a race for a model that knows these drivers and teams. Names are compared in normal form; the unknown stay
/// unknown, which the model answers for.
#[must_use]
pub fn race_setup(race: &Race, drivers: &[String], teams: &[String]) -> RaceSetup {
    let index_of =
        |names: &[String]| -> HashMap<String, u32> { names.iter().map(|name| normal_form(name)).zip(0..).collect() };
    let (drivers, teams) = (index_of(drivers), index_of(teams));
    let team_index = |team: &String| teams.get(&normal_form(team)).copied().filter(|_| !team.is_empty());
    RaceSetup {
        track_type: race.track_type,
        race_laps: race.race_laps,
        driver: race.entries.iter().map(|entry| drivers.get(&normal_form(&entry.driver)).copied()).collect(),
        team: race.entries.iter().map(|entry| team_index(&entry.team)).collect(),
        start: race.entries.iter().map(|entry| entry.start).collect(),
    }
}
