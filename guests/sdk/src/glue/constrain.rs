//! Joins a [`Constraint`](crate::Constraint) and its two judges to the `judgement` export.

use super::Exported;
use super::constraint::exports::paddock::plugin::judgement as wit;
use super::shared::paddock::plugin::types::{LineupBlock, Race, Refusal, ScenarioBlock, Slate};
use crate::{Constraint, LineupJudge, ScenarioJudge};

impl<P: Constraint + 'static> wit::Guest for Exported<P> {
    type ScenarioJudge = Judge<P::Scenarios>;
    type LineupJudge = Judge<P::Lineups>;
}

/// The resource behind a judge handle of either kind.
pub struct Judge<J>(J);

impl<J: ScenarioJudge + 'static> wit::GuestScenarioJudge for Judge<J> {
    fn open(race: Race, params: String) -> Result<wit::ScenarioJudge, Refusal> {
        Ok(wit::ScenarioJudge::new(Self(J::open(race.into(), &params)?)))
    }

    fn judge(&self, block: ScenarioBlock) -> Result<Vec<u8>, Refusal> {
        Ok(self.0.judge(&block.into())?)
    }
}

impl<J: LineupJudge + 'static> wit::GuestLineupJudge for Judge<J> {
    fn open(slate: Slate, params: String) -> Result<wit::LineupJudge, Refusal> {
        Ok(wit::LineupJudge::new(Self(J::open(slate.into(), &params)?)))
    }

    fn judge(&self, block: LineupBlock) -> Result<Vec<u8>, Refusal> {
        Ok(self.0.judge(&block.into())?)
    }
}
