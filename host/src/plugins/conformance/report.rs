//! What the suite found, for people and programs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::plugin::{Usage, World};

/// A promise of the contract that the suite looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckName {
    /// The description follows the rules and stays the same when it is asked for again.
    Describe,
    /// The schema's defaults are complete, and the plugin opens with them.
    ParamsDefaults,
    /// The schema refuses what is outside of it, and the plugin copes with values at the schema's bounds.
    ParamsSchema,
    /// It runs to its end on the bundled race without a crash or a refusal.
    Runs,
    /// Lengths, ranges and permutations are as the contract says.
    Output,
    /// Every number is finite.
    Finite,
    /// Two fresh runs give the same bytes.
    Deterministic,
    /// Many small calls in another order give what one large call gives.
    BlockSplit,
    /// A chain that is restored from its checkpoint goes on bit for bit.
    Checkpoint,
    /// A checkpoint of something else is refused.
    ForeignCheckpoint,
    /// Each run stays within its fuel.
    Fuel,
    /// Each run stays within the memory of a guest.
    Memory,
    /// The suite stays within its time.
    Time,
}

impl CheckName {
    /// Every check, in the order in which they are made.
    pub const ALL: [Self; 13] = [
        Self::Describe,
        Self::ParamsDefaults,
        Self::ParamsSchema,
        Self::Runs,
        Self::Output,
        Self::Finite,
        Self::Deterministic,
        Self::BlockSplit,
        Self::Checkpoint,
        Self::ForeignCheckpoint,
        Self::Fuel,
        Self::Memory,
        Self::Time,
    ];

    /// The name used in reports and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::ParamsDefaults => "params-defaults",
            Self::ParamsSchema => "params-schema",
            Self::Runs => "runs",
            Self::Output => "output",
            Self::Finite => "finite",
            Self::Deterministic => "deterministic",
            Self::BlockSplit => "block-split",
            Self::Checkpoint => "checkpoint",
            Self::ForeignCheckpoint => "foreign-checkpoint",
            Self::Fuel => "fuel",
            Self::Memory => "memory",
            Self::Time => "time",
        }
    }

    /// What the author of a plugin that fails can do.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::Describe => "Return constants from `describe`; it may not depend on what happened before.",
            Self::ParamsDefaults => {
                "Give every required parameter a `default`, or the schema an `examples` entry, that the plugin opens with."
            }
            Self::ParamsSchema => {
                "Make the schema say what the plugin takes: a type and bounds for each parameter, `additionalProperties: false`."
            }
            Self::Runs => "Fix the crash or the refusal; the bundled race is an ordinary one.",
            Self::Output => "Return what the contract says at the named place.",
            Self::Finite => "Find where the number overflows or divides by zero.",
            Self::Deterministic => {
                "Take all randomness from the seed, and none from addresses or iteration order of hash maps."
            }
            Self::BlockSplit => {
                "Let each scenario, verdict or draw depend on its own number and the inputs of `open` only, never on earlier calls."
            }
            Self::Checkpoint => {
                "Write the whole state to the checkpoint, draws not yet taken and the generator's state included."
            }
            Self::ForeignCheckpoint => {
                "Begin checkpoints with a mark, a version and their length, and refuse others with `foreign-checkpoint`."
            }
            Self::Fuel => "Do less work per call: unroll inner loops, and move what does not change to `open`.",
            Self::Memory => "Free what a call has used before the next one.",
            Self::Time => "See which function takes long with `paddock plugin profile FILE`.",
        }
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Text that names no check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no check: expected one of {known}", known = CheckName::ALL.map(CheckName::as_str).join(", "))]
pub struct UnknownCheck(String);

impl FromStr for CheckName {
    type Err = UnknownCheck;

    fn from_str(text: &str) -> Result<Self, UnknownCheck> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or_else(|| UnknownCheck(text.to_owned()))
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// The promise is kept.
    Passed,
    /// It is not.
    Failed,
    /// There is nothing to look at, or another failed check stands before it; `found` says which.
    NotApplicable,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckReport {
    /// Which promise.
    pub name: CheckName,
    /// Whether it is kept.
    pub verdict: CheckVerdict,
    /// What was found, with places and numbers.
    pub found: String,
    /// What to do; absent unless it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub action: Option<String>,
    /// What the runs of this check cost; a run that ended badly while opening is not counted.
    pub usage: Usage,
    /// The command that repeats this check alone; put the component's path in place of `FILE`.
    pub reproduce: String,
}

/// What the suite found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConformanceReport {
    /// `name@version`.
    pub plugin: String,
    /// SHA-256 of the component, hexadecimal.
    pub hash: String,
    /// What the plugin does.
    pub world: World,
    /// Version of the suite; it changes when a check is added or asks for more.
    pub suite: u32,
    /// The seed that the suite ran with.
    pub seed: u64,
    /// Whether no check failed.
    pub passed: bool,
    /// The checks that were made, in order.
    pub checks: Vec<CheckReport>,
    /// What all runs cost together.
    pub usage: Usage,
    /// Time of the suite, in milliseconds.
    pub wall_ms: f64,
}

impl ConformanceReport {
    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &CheckReport> {
        self.checks.iter().filter(|check| check.verdict == CheckVerdict::Failed)
    }

    /// The report on one check, if it was made.
    #[must_use]
    pub fn check(&self, name: CheckName) -> Option<&CheckReport> {
        self.checks.iter().find(|check| check.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_found_by_its_name_and_says_what_to_do() {
        for name in CheckName::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
            assert_eq!(serde_json::json!(name), name.as_str());
            assert!(name.action().ends_with('.'));
        }
        assert!("sometimes".parse::<CheckName>().unwrap_err().to_string().contains("block-split"));
    }
}
