//! Draws finishing orders from the built-in model's driver strengths. A starting point: nobody retires, and the winner leads.

use paddock_sdk::{Description, Generator, Model, Plugin, Race, Refusal, Rng, ScenarioBlock, UNSEEN, params};
use serde::Deserialize;

/// The posterior layout that this generator reads, which the built-in `calibrator-attrition` writes.
const LAYOUT: &str = "attrition-plackett-luce/1";

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{"spread":{"type":"number","minimum":0.1,"maximum":10,"default":1,"description":"How much luck there is beside strength."}}}"#;

struct OrderGenerator {
    /// Strengths of the race's entries, one list per posterior draw.
    strengths: Vec<Vec<f64>>,
    race_laps: u16,
    spread: f64,
    seed: u64,
}

#[derive(Deserialize)]
struct Params {
    spread: f64,
}

impl Plugin for OrderGenerator {
    fn describe() -> Description {
        Description {
            name: "{{name}}".into(),
            version: "0.1.0".into(),
            summary: "Draws finishing orders from driver strengths and luck.".into(),
            params_schema: SCHEMA.into(),
            posterior_layout: Some(LAYOUT.into()),
            ..Description::default()
        }
    }
}

impl Generator for OrderGenerator {
    fn open(model: Model, race: Race, text: &str, seed: u64) -> Result<Self, Refusal> {
        let Params { spread } = params::parse(text)?;
        let first = first_driver_column(&model)?;
        let strength = |draw: &[f64], driver: u32| if driver == UNSEEN { 0.0 } else { draw[first + driver as usize] };
        let strengths = (0..model.draw_count as usize)
            .filter_map(|index| model.draw(index))
            .map(|draw| race.driver.iter().map(|&driver| strength(draw, driver)).collect())
            .collect();
        Ok(Self { strengths, race_laps: race.race_laps, spread, seed })
    }

    fn generate(&mut self, first_scenario: u64, scenarios: u32) -> Result<ScenarioBlock, Refusal> {
        let mut block = ScenarioBlock { scenarios, ..ScenarioBlock::default() };
        for number in first_scenario..first_scenario + u64::from(scenarios) {
            self.push_scenario(number, &mut block);
        }
        Ok(block)
    }
}

impl OrderGenerator {
    /// A scenario is a function of its own number, so that the host may split the work as it likes.
    fn push_scenario(&self, number: u64, block: &mut ScenarioBlock) {
        let strengths = &self.strengths[(number % self.strengths.len() as u64) as usize];
        let mut random = Rng::for_stream(self.seed, number);
        let keys: Vec<f64> = strengths.iter().map(|strength| strength + self.spread * random.gumbel()).collect();
        let finish = places(&keys);
        let laps = |place: &u16| if *place == 1 { self.race_laps } else { 0 };
        block.laps_led.extend(finish.iter().map(laps));
        block.fastest_laps.extend(finish.iter().map(laps));
        block.laps_completed.extend(finish.iter().map(|_| self.race_laps));
        block.retired.extend(finish.iter().map(|_| 0));
        block.finish.extend(finish);
    }
}

/// The place of each key, the largest first.
fn places(keys: &[f64]) -> Vec<u16> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|&a, &b| keys[b].total_cmp(&keys[a]));
    let mut places = vec![0; keys.len()];
    for (place, entry) in (1..).zip(order) {
        places[entry] = place;
    }
    places
}

fn first_driver_column(model: &Model) -> Result<usize, Refusal> {
    let before = model.parameters.iter().position(|block| block.name == "driver");
    let before = before.ok_or_else(|| Refusal::ForeignModel("the model has no block `driver`".into()))?;
    Ok(model.parameters[..before].iter().map(|block| block.columns()).sum())
}

paddock_sdk::export_generator!(OrderGenerator);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_key_comes_first() {
        assert_eq!(places(&[0.5, 2.0, -1.0]), [2, 1, 3]);
    }
}
