//! Turns races into what a model reads: the history it is fitted on, and the setup of the race it is asked about.

use std::collections::{BTreeMap, HashMap};

use super::{limits::CatalogLimits, names::normal_form};
use crate::domain::{
    history::History,
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
    /// Ask for a positive half-life.
    #[error("half_life_races is {found}, it must be positive and finite")]
    HalfLife {
        /// What was asked for, in races.
        found: f64,
    },
}

/// The latest races with results before a key, oldest first, as `spec` asks for. Ties do not occur: keys are unique.
///
/// # Errors
/// [`HistoryError`] where there is none, or `spec` is out of range.
pub fn select_races<'a>(
    races: &'a [Race],
    spec: &HistorySpec,
    limits: &CatalogLimits,
) -> Result<Vec<&'a Race>, HistoryError> {
    let limit = limits.history_races_max;
    if !(1..=limit).contains(&spec.trailing_races) {
        return Err(HistoryError::TrailingRaces { found: spec.trailing_races, limit });
    }
    if !(spec.half_life_races.is_finite() && spec.half_life_races > 0.0) {
        return Err(HistoryError::HalfLife { found: spec.half_life_races });
    }
    let is_before = |race: &Race| spec.before.as_ref().is_none_or(|before| race.key() < *before);
    let mut selected: Vec<&Race> = races.iter().filter(|race| race.has_results() && is_before(race)).collect();
    selected.sort_by_key(|race| (race.season, race.number));
    let surplus = selected.len().saturating_sub(spec.trailing_races as usize);
    selected.drain(..surplus);
    if selected.is_empty() { Err(HistoryError::NoRaces { before: spec.before.clone() }) } else { Ok(selected) }
}

/// The history of the races that `spec` asks for. A race's weight is `0.5^(age / half_life_races)`, where the newest has age 0.
///
/// Drivers and teams are one where their names are the same in normal form, and are named as in their latest race; they are
/// numbered in the order of these forms. So the same races give the same history, in whatever order they come.
///
/// # Errors
/// [`HistoryError`] where there is no race, or `spec` is out of range.
pub fn build_history(races: &[Race], spec: &HistorySpec, limits: &CatalogLimits) -> Result<History, HistoryError> {
    let races = select_races(races, spec, limits)?;
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
        history.weight.push(0.5_f64.powf(age_races / spec.half_life_races).max(f64::MIN_POSITIVE));
        push_entries(&mut history, race, &drivers, &teams);
    }
    Ok(history)
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
