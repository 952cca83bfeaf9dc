//! Named maxima of imports and histories.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Entries of a race: fewest and most, as the plugin contract has them.
pub const ENTRIES_MIN: usize = 2;
/// See [`ENTRIES_MIN`].
pub const ENTRIES_MAX: usize = 100;
/// Most laps of a race, as the plugin contract has it.
pub const RACE_LAPS_MAX: u16 = 2000;
/// Highest salary in whole contest dollars, as the plugin contract has it.
pub const SALARY_USD_MAX: u32 = 1_000_000;
/// Highest number of a race within its season: keys have two digits, so that they sort in race order.
pub const RACE_NUMBER_MAX: u16 = 99;
/// Seasons that a race can belong to.
pub const SEASONS: std::ops::RangeInclusive<u16> = 1900..=2200;

/// Limits of the catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogLimits {
    /// Largest CSV file, in bytes.
    pub file_bytes_max: usize,
    /// Most rows of a CSV file, header and blank lines not counted.
    pub file_rows_max: usize,
    /// Longest cell of a CSV file, in characters; an unclosed quote runs into this.
    pub cell_chars_max: usize,
    /// Most problems of a file that are listed; further ones are counted.
    pub issues_max: usize,
    /// Longest name of a driver, team, track or race, in characters.
    pub name_chars_max: usize,
    /// Least similarity in 0..=1 at which two names that differ after normalisation count as the same driver.
    pub name_similarity_min: f64,
    /// Least distance in similarity between the best and the next best name; below it the match is ambiguous.
    pub name_similarity_margin: f64,
    /// Most races of a history.
    pub history_races_max: u32,
    /// Most aliases of a plugin.
    pub plugin_aliases_max: usize,
    /// Most teams that a plugin is shared with by name; past it, make it public.
    pub plugin_shares_max: usize,
    /// Most rows of a page of a list.
    pub page_rows_max: u32,
    /// Directory with further contests, one JSON file each, read at the start. All nodes of a fleet need the same ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contests_dir: Option<PathBuf>,
}

impl Default for CatalogLimits {
    fn default() -> Self {
        Self {
            file_bytes_max: 16 << 20,
            file_rows_max: 100_000,
            cell_chars_max: 1_000,
            issues_max: 50,
            name_chars_max: 100,
            name_similarity_min: 0.92,
            name_similarity_margin: 0.03,
            history_races_max: 1_000,
            plugin_aliases_max: 16,
            plugin_shares_max: 64,
            page_rows_max: 500,
            contests_dir: None,
        }
    }
}
