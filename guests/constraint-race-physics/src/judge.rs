//! The judge of the scenarios of one race.

use paddock_sdk::{Race, Refusal, ScenarioBlock, ScenarioJudge, params};

use crate::{Params, Row, Rules};

/// Judges scenarios of one race.
#[derive(Debug)]
pub struct PhysicsJudge {
    start: Vec<u16>,
    rules: Rules,
}

impl ScenarioJudge for PhysicsJudge {
    fn open(race: Race, text: &str) -> Result<Self, Refusal> {
        let params: Params = params::parse(text)?;
        if params.moves_min > params.moves_max {
            let Params { moves_min, moves_max, .. } = params;
            return Err(Refusal::InvalidParams(format!("moves_min is {moves_min}, above moves_max, {moves_max}")));
        }
        let rules = Rules::new(race.race_laps, race.start.len(), &params);
        Ok(Self { start: race.start, rules })
    }

    fn judge(&self, block: &ScenarioBlock) -> Result<Vec<u8>, Refusal> {
        let n = self.start.len();
        let cells = n * block.scenarios as usize;
        if n == 0 || block.finish.len() != cells || block.retired.len() != cells {
            return Err(Refusal::UnsupportedInput(format!("a block whose rows do not have {n} entries")));
        }
        let rows = block
            .finish
            .chunks_exact(n)
            .zip(block.laps_led.chunks_exact(n))
            .zip(block.fastest_laps.chunks_exact(n))
            .zip(block.laps_completed.chunks_exact(n))
            .zip(block.retired.chunks_exact(n));
        let verdicts = rows.map(|((((finish, laps_led), fastest_laps), laps_completed), retired)| {
            let row = Row { start: &self.start, finish, laps_led, fastest_laps, laps_completed, retired };
            self.rules.first_broken(&row)
        });
        Ok(verdicts.collect())
    }
}
