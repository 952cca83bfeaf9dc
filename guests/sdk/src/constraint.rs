//! The constraint world: veto scenarios or lineups, one verdict byte each. A verdict depends on nothing but the judged item and
//! the inputs of `open`.

use crate::{LineupBlock, Plugin, Race, Refusal, ScenarioBlock, Slate};

/// A constraint: names its two judges. One that judges only scenarios sets `Lineups = NoLineupJudge`, and the reverse.
pub trait Constraint: Plugin {
    type Scenarios: ScenarioJudge;
    type Lineups: LineupJudge;
}

/// A judge of the scenarios of one race.
pub trait ScenarioJudge: Sized {
    /// Prepares to judge scenarios of `race`.
    ///
    /// # Errors
    /// A refusal that says what to change.
    fn open(race: Race, params: &str) -> Result<Self, Refusal>;

    /// One byte per scenario: 0 = keep, k = veto for the k-th reason.
    ///
    /// # Errors
    /// A refusal when the block does not fit the race.
    fn judge(&self, block: &ScenarioBlock) -> Result<Vec<u8>, Refusal>;
}

/// A judge of the lineups of one slate.
pub trait LineupJudge: Sized {
    /// Prepares to judge lineups over `slate`.
    ///
    /// # Errors
    /// A refusal that says what to change.
    fn open(slate: Slate, params: &str) -> Result<Self, Refusal>;

    /// One byte per lineup: 0 = keep, k = veto for the k-th reason.
    ///
    /// # Errors
    /// A refusal when the block does not fit the slate.
    fn judge(&self, block: &LineupBlock) -> Result<Vec<u8>, Refusal>;
}

/// The scenario judge of a constraint that judges only lineups: it refuses to open.
#[derive(Debug)]
pub enum NoScenarioJudge {}

impl ScenarioJudge for NoScenarioJudge {
    fn open(_: Race, _: &str) -> Result<Self, Refusal> {
        Err(Refusal::UnsupportedInput("this constraint does not judge scenarios".into()))
    }

    fn judge(&self, _: &ScenarioBlock) -> Result<Vec<u8>, Refusal> {
        match *self {}
    }
}

/// The lineup judge of a constraint that judges only scenarios: it refuses to open.
#[derive(Debug)]
pub enum NoLineupJudge {}

impl LineupJudge for NoLineupJudge {
    fn open(_: Slate, _: &str) -> Result<Self, Refusal> {
        Err(Refusal::UnsupportedInput("this constraint does not judge lineups".into()))
    }

    fn judge(&self, _: &LineupBlock) -> Result<Vec<u8>, Refusal> {
        match *self {}
    }
}
