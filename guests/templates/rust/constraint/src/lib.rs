//! Vetoes scenarios that somebody wins from too far back.

use paddock_sdk::{
    Constraint, Description, NoLineupJudge, Plugin, Race, Refusal, ScenarioBlock, ScenarioJudge, VetoReason, params,
};
use serde::Deserialize;

/// What users may set; the host fills in the defaults and checks the bounds.
const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{"worst_start":{"type":"integer","minimum":1,"maximum":100,"default":10,"description":"The worst start position that a winner may have."}}}"#;

/// The verdict on a scenario whose winner started too far back: the number of the reason, counted from 1.
const TOO_FAR_BACK: u8 = 1;

struct WinnersFromTheFront;

#[derive(Deserialize)]
struct Params {
    worst_start: u16,
}

impl Plugin for WinnersFromTheFront {
    fn describe() -> Description {
        Description {
            name: "{{name}}".into(),
            version: "0.1.0".into(),
            summary: "Vetoes scenarios that somebody wins from too far back.".into(),
            params_schema: SCHEMA.into(),
            veto_reasons: vec![VetoReason {
                code: "winner-from-too-far-back".into(),
                summary: "The winner started behind `worst_start`.".into(),
                is_hard: false,
            }],
            judges_scenarios: true,
            ..Description::default()
        }
    }
}

impl Constraint for WinnersFromTheFront {
    type Scenarios = Judge;
    type Lineups = NoLineupJudge;
}

struct Judge {
    start: Vec<u16>,
    worst_start: u16,
}

impl ScenarioJudge for Judge {
    fn open(race: Race, text: &str) -> Result<Self, Refusal> {
        let Params { worst_start } = params::parse(text)?;
        Ok(Self { start: race.start, worst_start })
    }

    fn judge(&self, block: &ScenarioBlock) -> Result<Vec<u8>, Refusal> {
        Ok(block.finish.chunks_exact(self.start.len()).map(|finish| self.judge_one(finish)).collect())
    }
}

impl Judge {
    /// `finish` has the finish position of each entry.
    fn judge_one(&self, finish: &[u16]) -> u8 {
        let winner = finish.iter().position(|&place| place == 1);
        let is_too_far_back = winner.is_some_and(|entry| self.start[entry] > self.worst_start);
        if is_too_far_back { TOO_FAR_BACK } else { 0 }
    }
}

paddock_sdk::export_constraint!(WinnersFromTheFront);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_winner_from_behind_the_limit_is_vetoed() {
        let judge = Judge { start: vec![2, 1, 3], worst_start: 2 };
        assert_eq!(judge.judge_one(&[1, 2, 3]), 0);
        assert_eq!(judge.judge_one(&[2, 3, 1]), TOO_FAR_BACK);
    }
}
