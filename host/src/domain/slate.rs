//! Slates: the entries of a race with their salaries in a contest.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{RaceId, SlateId};

/// A race entry that can be picked, with its salary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SlateEntry {
    /// Driver name, as the race's entry has it (the importer matched it).
    pub driver: String,
    /// The contest operator's own id of the player, where the file had one; upload files need it.
    pub external_id: Option<String>,
    /// Salary in whole contest dollars.
    pub salary_usd: u32,
    /// Positions that the entry may take, where the file had a column of them; contests that tell places apart need them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<String>,
    /// Index of the entry in its race's `entries`.
    pub race_entry: u16,
}

/// A slate of a team's catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Slate {
    /// Id in the catalog.
    pub id: SlateId,
    /// Name for people.
    pub name: String,
    /// Key of the contest whose rules apply, for example `draftkings-nascar-classic-2021`.
    pub contest: String,
    /// The race.
    pub race: RaceId,
    /// Entries, in file order.
    pub entries: Vec<SlateEntry>,
}
