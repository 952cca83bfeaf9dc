//! Rules for lineups and portfolios, in the words of who asks for them. Drivers are named as the slate does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const fn one() -> u32 {
    1
}

/// What every lineup must satisfy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum LineupRule {
    /// At least and at most so many of these drivers.
    Group {
        /// Drivers.
        drivers: Vec<String>,
        /// Fewest of them in a lineup.
        #[serde(default)]
        at_least: u32,
        /// Most of them in a lineup; absent = any number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most: Option<u32>,
    },
    /// A lineup with any of these drivers has others too.
    IfAny {
        /// Drivers.
        drivers: Vec<String>,
        /// The others.
        then: Vec<String>,
        /// Fewest of the others.
        #[serde(default = "one")]
        at_least: u32,
    },
    /// No lineup has this driver and any of the others.
    Never {
        /// Driver.
        driver: String,
        /// The others.
        with: Vec<String>,
    },
    /// At most so many drivers of any one team.
    TeamLimit {
        /// Drivers.
        at_most: u32,
    },
    /// At most so many drivers of any one make.
    MakeLimit {
        /// Drivers.
        at_most: u32,
    },
    /// The drivers' numbers sum to one in a range; a driver that is not named counts 0.
    Sum {
        /// What the numbers are, for messages.
        name: String,
        /// Number per driver.
        numbers: BTreeMap<String, f64>,
        /// Least sum; absent = any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<f64>,
        /// Greatest sum; absent = any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most: Option<f64>,
    },
}

/// How many of a portfolio's lineups a driver may and must be in. Percentages are rounded so that they are kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExposureSpec {
    /// Driver; absent = each driver of the slate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Fewest lineups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lineups_min: Option<u32>,
    /// Most lineups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lineups_max: Option<u32>,
    /// Least percentage of the lineups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent_min: Option<f64>,
    /// Greatest percentage of the lineups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent_max: Option<f64>,
}
