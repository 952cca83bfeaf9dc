//! Payouts of a contest: what an entry costs, what the places win, and whom the other entrants are expected to pick.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A contest that lineups are entered in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayoutSpec {
    /// Entries in the contest, one's own included.
    pub entrants: u32,
    /// What each entry costs, in US dollars.
    #[serde(default)]
    pub entry_fee_usd: f64,
    /// What the places win, from the first place on without a gap; places after the last one win nothing.
    pub prizes: Vec<PrizeSpec>,
    /// In how many of the others' lineups each driver is expected, in percent. Drivers that are not named share what is left of
    /// the lineups' places evenly.
    #[serde(default)]
    pub ownership: BTreeMap<String, f64>,
}

/// Places that win the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrizeSpec {
    /// First place.
    pub from: u32,
    /// Last place.
    pub to: u32,
    /// What each of them wins, in US dollars; no more than the places before.
    pub usd: f64,
}
