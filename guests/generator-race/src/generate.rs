//! The generator as the contract sees it: checks its inputs, then fills blocks scenario by scenario.

use attrition_model::{LAYOUT, Posterior};
use paddock_sdk::{Description, Generator, Model, Plugin, Race, Refusal, Rng, ScenarioBlock};

use crate::draws::DrawSequence;
use crate::field::ENTRIES_MAX;
use crate::params;
use crate::scenario::{Row, Simulator};

/// Highest number of laps a race can have (the contract's limit).
const RACE_LAPS_MAX: u16 = 2000;

/// Most scenarios of one call (the contract's limit).
const SCENARIOS_MAX: u32 = 65_536;

/// A generator that is ready for one model and one race.
#[derive(Debug)]
pub struct RaceGenerator {
    posterior: Posterior,
    draws: DrawSequence,
    race: Race,
    simulator: Simulator,
    seed: u64,
}

impl Plugin for RaceGenerator {
    fn describe() -> Description {
        Description {
            name: "generator-race".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Draws whole races from an attrition-order posterior: finish, retirements, laps completed, laps led and \
                      fastest laps, shaped like 251 real races per type of track."
                .into(),
            params_schema: params::schema(),
            posterior_layout: Some(LAYOUT.into()),
            ..Description::default()
        }
    }
}

impl Generator for RaceGenerator {
    fn open(model: Model, race: Race, params: &str, seed: u64) -> Result<Self, Refusal> {
        let shape = params::shape_for(params, race.track_type)?;
        check_race(&race)?;
        let posterior = Posterior::new(model)?;
        Ok(Self {
            draws: DrawSequence::new(posterior.draw_count() as u64),
            posterior,
            simulator: Simulator::new(&shape, race.start.clone(), race.race_laps),
            race,
            seed,
        })
    }

    fn generate(&mut self, first_scenario: u64, scenarios: u32) -> Result<ScenarioBlock, Refusal> {
        if scenarios > SCENARIOS_MAX {
            return Err(unsupported(format!("{scenarios} scenarios in one call; at most {SCENARIOS_MAX}")));
        }
        if first_scenario.checked_add(u64::from(scenarios)).is_none() {
            return Err(unsupported("scenario numbers end at 18446744073709551615".into()));
        }
        let n = self.race.entries();
        let cells = n * scenarios as usize;
        let mut block = ScenarioBlock {
            scenarios,
            finish: vec![0; cells],
            laps_led: vec![0; cells],
            fastest_laps: vec![0; cells],
            laps_completed: vec![0; cells],
            retired: vec![0; cells],
        };
        for index in 0..scenarios {
            let cells = n * index as usize..n * (index as usize + 1);
            let row = Row {
                finish: &mut block.finish[cells.clone()],
                laps_led: &mut block.laps_led[cells.clone()],
                fastest_laps: &mut block.fastest_laps[cells.clone()],
                laps_completed: &mut block.laps_completed[cells.clone()],
                retired: &mut block.retired[cells],
            };
            self.generate_one(first_scenario + u64::from(index), row);
        }
        Ok(block)
    }
}

impl RaceGenerator {
    fn generate_one(&mut self, number: u64, row: Row<'_>) {
        let mut rng = Rng::for_stream(self.seed, number);
        let mut worth = [0.0; ENTRIES_MAX];
        let worth = &mut worth[..self.race.entries()];
        self.posterior.draw(self.draws.at(number)).worths(&self.race, &mut rng, worth);
        self.simulator.simulate(&mut rng, worth, row);
    }
}

/// # Errors
/// [`Refusal::UnsupportedInput`] that names what is out of range.
fn check_race(race: &Race) -> Result<(), Refusal> {
    let n = race.entries();
    if !(2..=ENTRIES_MAX).contains(&n) {
        return Err(unsupported(format!("a race of {n} entries; 2 to {ENTRIES_MAX} are possible")));
    }
    if race.driver.len() != n || race.team.len() != n {
        let (drivers, teams) = (race.driver.len(), race.team.len());
        return Err(unsupported(format!("{drivers} drivers and {teams} teams for {n} start positions")));
    }
    if !(1..=RACE_LAPS_MAX).contains(&race.race_laps) {
        return Err(unsupported(format!("a race of {} laps; 1 to {RACE_LAPS_MAX} are possible", race.race_laps)));
    }
    let mut is_taken = [false; ENTRIES_MAX];
    for &start in &race.start {
        match usize::from(start).checked_sub(1).and_then(|index| is_taken[..n].get_mut(index)) {
            Some(taken) if !*taken => *taken = true,
            _ => return Err(unsupported(format!("start positions must be a permutation of 1..={n}; see {start}"))),
        }
    }
    Ok(())
}

fn unsupported(message: String) -> Refusal {
    Refusal::UnsupportedInput(message)
}
