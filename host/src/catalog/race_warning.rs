//! What is unusual about a race and yet happens in real sources: told to the user, not refused.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::race_file::RaceDraft;
use crate::domain::race::EntryResult;

/// Something unusual about an imported race.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RaceWarning {
    /// Key of the race, `2025-07`.
    pub race: String,
    /// Stable key of the kind of warning.
    pub code: String,
    /// What is unusual, with numbers.
    pub message: String,
}

/// Everything unusual about a race.
pub(super) fn unusual(race: &RaceDraft) -> Vec<RaceWarning> {
    let results: Vec<&EntryResult> = race.entries.iter().filter_map(|entry| entry.result.as_ref()).collect();
    let mut found = Vec::new();
    let mut warn = |code: &str, message: String| {
        found.push(RaceWarning { race: race.key(), code: code.to_owned(), message });
    };
    for (car_no, times) in shared_cars(race) {
        warn("shared-car-number", format!("{times} entries have car number {car_no}"));
    }
    if results.is_empty() {
        return found;
    }
    let race_laps = u32::from(race.race_laps);
    let led: u32 = results.iter().map(|result| u32::from(result.laps_led)).sum();
    if led != race_laps {
        warn("laps-led-sum", format!("laps led sum to {led}, the race had {race_laps} laps"));
    }
    let fastest: u32 = results.iter().map(|result| u32::from(result.fastest_laps.unwrap_or(0))).sum();
    if fastest > race_laps {
        warn("fastest-laps-sum", format!("fastest laps sum to {fastest}, the race had {race_laps} laps"));
    }
    if results[0].laps_completed < race.race_laps {
        let completed = results[0].laps_completed;
        warn("winner-short", format!("the winner completed {completed} of {race_laps} laps"));
    }
    found
}

/// Car numbers that more than one entry has, in entry order.
fn shared_cars(race: &RaceDraft) -> Vec<(&str, usize)> {
    let mut times: HashMap<&str, usize> = HashMap::new();
    let numbers = || race.entries.iter().map(|entry| entry.car_no.as_str()).filter(|number| !number.is_empty());
    for number in numbers() {
        *times.entry(number).or_default() += 1;
    }
    let mut shared = Vec::new();
    for number in numbers() {
        if let Some(count) = times.remove(number).filter(|&count| count > 1) {
            shared.push((number, count));
        }
    }
    shared
}
