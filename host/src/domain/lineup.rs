//! Lineups: the slate entries that one contest entry picks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Slate entry indices, ascending and distinct.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Lineup(pub Vec<u16>);

impl Lineup {
    /// The lineup of these slate entries, in any order.
    #[must_use]
    pub fn new(mut entries: Vec<u16>) -> Self {
        entries.sort_unstable();
        Self(entries)
    }

    /// Slate entry indices, ascending.
    #[must_use]
    pub fn entries(&self) -> &[u16] {
        &self.0
    }

    /// How many entries of `self` are not in `other`.
    #[must_use]
    pub fn differences(&self, other: &Self) -> usize {
        self.0.iter().filter(|entry| other.0.binary_search(entry).is_err()).count()
    }
}
