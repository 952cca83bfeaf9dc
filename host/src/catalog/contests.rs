//! The contests that paddock ships: versioned data files, checked when they are loaded.

use std::{collections::BTreeMap, fs, path::Path};

use crate::domain::contest::Contest;

/// A new season's rules are a new file here; a published one is not edited, because results refer to it by key.
const FILES: [(&str, &str); 3] = [
    ("draftkings-nascar-classic-2015.json", include_str!("../../data/contests/draftkings-nascar-classic-2015.json")),
    ("draftkings-nascar-classic-2021.json", include_str!("../../data/contests/draftkings-nascar-classic-2021.json")),
    ("fanduel-nascar-2016.json", include_str!("../../data/contests/fanduel-nascar-2016.json")),
];

/// Largest roster, as the plugin contract has it.
const ROSTER_MAX: u16 = 32;
/// Most kinds of places: their sets become rules.
const SLOTS_MAX: usize = 8;
/// How much of points or salary a place may count.
const PERCENT: std::ops::RangeInclusive<u32> = 1..=1_000;
/// Most points of one term of a scoring table, in hundredths; keeps sums far from overflow.
const TERM_HUNDREDTHS_MAX: i64 = 10_000_000;

/// A contest file that does not describe a contest.
#[derive(Debug, thiserror::Error)]
pub enum ContestFileError {
    /// The directory or a file in it cannot be read; correct `catalog.contests_dir` or the permissions.
    #[error("contests cannot be read from {place}: {source}")]
    Unreadable {
        /// The directory or file.
        place: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Not JSON of a contest; the text names the field.
    #[error("contest file {file} is not a contest: {source}")]
    Malformed {
        /// Name of the file.
        file: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A field with a value that no contest has.
    #[error("contest file {file}: {field} {complaint}")]
    Invalid {
        /// Name of the file.
        file: String,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        complaint: &'static str,
    },
    /// Two files with the same key.
    #[error("contest file {file} has the key {key}, which another file has already")]
    DuplicateKey {
        /// Name of the second file.
        file: String,
        /// The key.
        key: String,
    },
}

/// Contests by key.
#[derive(Debug, Clone, PartialEq)]
pub struct ContestBook(BTreeMap<String, Contest>);

impl ContestBook {
    /// The contests that paddock ships.
    ///
    /// # Errors
    /// [`ContestFileError`] where a shipped file is wrong; a test keeps that from happening.
    pub fn embedded() -> Result<Self, ContestFileError> {
        let mut book = Self(BTreeMap::new());
        for (file, text) in FILES {
            book.add(file, text)?;
        }
        Ok(book)
    }

    /// The contests that paddock ships, and those of a directory.
    ///
    /// # Errors
    /// [`ContestFileError`] that names the file.
    pub fn with_files(directory: Option<&Path>) -> Result<Self, ContestFileError> {
        let mut book = Self::embedded()?;
        let Some(directory) = directory else { return Ok(book) };
        let unreadable = |place: &Path| {
            let place = place.display().to_string();
            |source| ContestFileError::Unreadable { place, source }
        };
        let listed = fs::read_dir(directory).map_err(unreadable(directory))?;
        let files = listed.map(|file| file.map(|file| file.path())).collect::<Result<Vec<_>, _>>();
        let mut files = files.map_err(unreadable(directory))?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file).map_err(unreadable(&file))?;
            book.add(&file.display().to_string(), &text)?;
        }
        Ok(book)
    }

    /// Reads, checks and adds a contest file.
    ///
    /// # Errors
    /// [`ContestFileError`] that names the field; the book is unchanged.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), ContestFileError> {
        let contest: Contest = serde_json::from_str(text)
            .map_err(|source| ContestFileError::Malformed { file: file.to_owned(), source })?;
        if let Some((field, complaint)) = complaint(&contest) {
            return Err(ContestFileError::Invalid { file: file.to_owned(), field, complaint });
        }
        if self.0.contains_key(&contest.key) {
            return Err(ContestFileError::DuplicateKey { file: file.to_owned(), key: contest.key });
        }
        self.0.insert(contest.key.clone(), contest);
        Ok(())
    }

    /// The contest with this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Contest> {
        self.0.get(key)
    }

    /// All contests, by key.
    pub fn list(&self) -> impl Iterator<Item = &Contest> {
        self.0.values()
    }

    /// The rules that an operator's contest had in a season.
    #[must_use]
    pub fn in_force(&self, operator: &str, season: u16) -> Option<&Contest> {
        self.list().find(|contest| {
            contest.operator.eq_ignore_ascii_case(operator)
                && contest.first_season <= season
                && contest.last_season.is_none_or(|last| season <= last)
        })
    }
}

/// The first thing that is wrong with a contest: its field and what is wrong.
fn complaint(contest: &Contest) -> Option<(&'static str, &'static str)> {
    let scoring = &contest.scoring;
    let terms = [
        scoring.place_differential_hundredths,
        scoring.lap_led_hundredths,
        scoring.fastest_lap_hundredths,
        scoring.lap_completed_hundredths,
    ];
    let mut points = scoring.finish_hundredths.iter().chain(&terms);
    let is_key_letter = |letter: u8| matches!(letter, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if contest.key.is_empty() || contest.key.len() > 64 || !contest.key.bytes().all(is_key_letter) {
        Some(("key", "must be 1 to 64 of a-z, 0-9 and -"))
    } else if !contest.key.ends_with(&format!("-{}", contest.first_season)) {
        Some(("key", "must end with the first season the rules hold for"))
    } else if contest.last_season.is_some_and(|last| last < contest.first_season) {
        Some(("last_season", "must not be before first_season"))
    } else if contest.name.is_empty() || contest.operator.is_empty() || contest.source.is_empty() {
        Some(("name, operator and source", "must not be empty"))
    } else if !(1..=ROSTER_MAX).contains(&contest.roster_size) {
        Some(("roster_size", "must be in 1..=32"))
    } else if let Some(complaint) = slots_complaint(contest) {
        Some(("slots", complaint))
    } else if contest.salary_cap_usd == 0 {
        Some(("salary_cap_usd", "must be positive"))
    } else if scoring.finish_hundredths.is_empty() || !scoring.finish_hundredths.is_sorted_by(|a, b| a >= b) {
        Some(("scoring.finish_hundredths", "must be a list that never rises"))
    } else if points.any(|points| points.abs() > TERM_HUNDREDTHS_MAX) {
        Some(("scoring", "must have terms of at most 100,000 points"))
    } else {
        None
    }
}

/// What is wrong with the places of a contest that tells them apart.
fn slots_complaint(contest: &Contest) -> Option<&'static str> {
    let slots = &contest.slots;
    let mut names: Vec<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if slots.is_empty() {
        None
    } else if slots.len() > SLOTS_MAX {
        Some("must be at most 8 kinds of places")
    } else if names.len() < slots.len() || names[0].is_empty() {
        Some("must have names that differ")
    } else if slots.iter().map(|slot| u32::from(slot.count)).sum::<u32>() != u32::from(contest.roster_size) {
        Some("must have roster_size places together")
    } else if slots.iter().any(|slot| slot.count == 0) {
        Some("must each have a place")
    } else if !slots.iter().all(|slot| PERCENT.contains(&slot.points_percent) && PERCENT.contains(&slot.salary_percent))
    {
        Some("must count from 1 to 1,000 percent of points and salary")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contest_may_tell_its_places_apart() {
        let with = |slots: &str| {
            let text = FILES[2].1.replace("\"salary_cap_usd\"", &format!("\"slots\": {slots}, \"salary_cap_usd\""));
            ContestBook(BTreeMap::new()).add("x", &text)
        };
        let captain = r#"{ "name": "CPT", "count": 1, "points_percent": 150, "salary_percent": 150 }"#;
        assert!(with(&format!("[{captain}, {{ \"name\": \"D\", \"count\": 4 }}]")).is_ok());
        let wrong = [
            format!("[{captain}]"),
            format!("[{captain}, {{ \"name\": \"CPT\", \"count\": 4 }}]"),
            format!("[{captain}, {{ \"name\": \"A\", \"count\": 4 }}, {{ \"name\": \"B\", \"count\": 0 }}]"),
            r#"[{ "name": "D", "count": 5, "points_percent": 1001 }]"#.to_owned(),
            format!(
                "[{}]",
                (0..9).map(|slot| format!("{{ \"name\": \"{slot}\", \"count\": 1 }}")).collect::<Vec<_>>().join(",")
            ),
        ];
        for slots in wrong {
            let error = with(&slots).unwrap_err();
            assert!(matches!(error, ContestFileError::Invalid { field: "slots", .. }), "{slots}: {error}");
        }
    }

    #[test]
    fn every_shipped_contest_loads_under_the_key_its_file_is_named_for() {
        let book = ContestBook::embedded().unwrap();
        assert_eq!(book.list().count(), FILES.len());
        for (file, _) in FILES {
            assert!(book.get(file.trim_end_matches(".json")).is_some(), "{file}");
        }
    }

    #[test]
    fn a_directory_adds_contests_and_a_wrong_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let text = FILES[2].1.replace("fanduel-nascar-2016", "ours-2016");
        fs::write(directory.path().join("ours.json"), &text).unwrap();
        fs::write(directory.path().join("notes.txt"), "no contest").unwrap();
        let book = ContestBook::with_files(Some(directory.path())).unwrap();
        assert!(book.get("ours-2016").is_some() && book.list().count() == FILES.len() + 1);
        fs::write(directory.path().join("twice.json"), &text).unwrap();
        let error = ContestBook::with_files(Some(directory.path())).unwrap_err();
        assert!(error.to_string().contains("twice.json"), "{error}");
        let error = ContestBook::with_files(Some(&directory.path().join("absent"))).unwrap_err();
        assert!(matches!(error, ContestFileError::Unreadable { .. }), "{error}");
    }

    #[test]
    fn a_season_has_the_rules_that_were_in_force() {
        let book = ContestBook::embedded().unwrap();
        let key = |operator, season| book.in_force(operator, season).map(|contest| contest.key.as_str());
        assert_eq!(key("DraftKings", 2020), Some("draftkings-nascar-classic-2015"));
        assert_eq!(key("draftkings", 2021), Some("draftkings-nascar-classic-2021"));
        assert_eq!(key("FanDuel", 2030), Some("fanduel-nascar-2016"));
        assert_eq!(key("DraftKings", 1999), None);
    }

    /// The sums for fields of 36 to 40 cars are published with the table; a misprinted step would change them.
    #[test]
    fn finish_points_sum_to_the_published_totals() {
        let book = ContestBook::embedded().unwrap();
        let table = &book.get("draftkings-nascar-classic-2021").unwrap().scoring.finish_hundredths;
        for (entries, total) in [(36, 872), (37, 876), (38, 879), (39, 881), (40, 882)] {
            assert_eq!(table[..entries].iter().sum::<i64>(), total * 100, "{entries} cars");
        }
    }

    #[test]
    fn an_unknown_field_or_an_impossible_value_is_refused_by_name() {
        let mut book = ContestBook::embedded().unwrap();
        let good = FILES[2].1;
        let unknown = good.replace("\"roster_size\"", "\"roster\": 1, \"roster_size\"");
        assert!(matches!(book.add("x", &unknown), Err(ContestFileError::Malformed { .. })));
        let no_roster = good.replace("\"roster_size\": 5", "\"roster_size\": 0");
        let error = book.add("x", &no_roster).unwrap_err();
        assert!(matches!(error, ContestFileError::Invalid { field: "roster_size", .. }), "{error}");
        assert!(matches!(book.add("x", good), Err(ContestFileError::DuplicateKey { .. })));
    }
}
