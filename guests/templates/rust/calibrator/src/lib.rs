//! Fits how far in front each driver tends to finish. A starting point: every driver's mean has a normal prior, so the posterior
//! is known and is drawn from directly; put a sampler in its place (`paddock_sdk::nuts`) when the model grows.

use paddock_sdk::{
    Calibrator, Description, Draws, History, Parameter, Plugin, Progress, Refusal, Rng,
    params,
    state::{Reader, Writer},
};
use serde::Deserialize;

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{"draws":{"type":"integer","minimum":10,"maximum":20000,"default":200,"description":"Draws to keep per chain."},"prior_races":{"type":"number","minimum":0.1,"maximum":100,"default":2,"description":"How many races of average results the prior is worth."}}}"#;

/// Standard deviation of one race's result around a driver's mean, on the scale of -1 (last) to 1 (first).
const NOISE: f64 = 0.5;

struct MeanFinish {
    /// Mean and standard deviation of each driver's posterior.
    posterior: Vec<(f64, f64)>,
    draws: u32,
    /// Draws made, and those of them that the host has taken.
    done: u32,
    taken: u32,
    seed: u64,
    chain_index: u32,
}

#[derive(Deserialize)]
struct Params {
    draws: u32,
    prior_races: f64,
}

impl Plugin for MeanFinish {
    fn describe() -> Description {
        Description {
            name: "{{name}}".into(),
            version: "0.1.0".into(),
            summary: "Fits how far in front each driver tends to finish.".into(),
            params_schema: SCHEMA.into(),
            posterior_layout: Some("{{name}}/1".into()),
            ..Description::default()
        }
    }
}

impl Calibrator for MeanFinish {
    fn open(history: History, text: &str, seed: u64, chain_index: u32) -> Result<Self, Refusal> {
        let Params { draws, prior_races } = params::parse(text)?;
        let posterior = posterior(&history, prior_races);
        Ok(Self { posterior, draws, done: 0, taken: 0, seed, chain_index })
    }

    fn restore(
        history: History,
        text: &str,
        seed: u64,
        chain_index: u32,
        checkpoint: &[u8],
    ) -> Result<Self, Refusal> {
        let mut chain = Self::open(history, text, seed, chain_index)?;
        let mut reader = Reader::new(checkpoint);
        chain.done = reader.u32()?;
        chain.taken = reader.u32()?;
        reader.end()?;
        if chain.done > chain.draws || chain.taken > chain.done {
            return Err(Refusal::ForeignCheckpoint("the checkpoint is of a longer chain".into()));
        }
        Ok(chain)
    }

    fn layout(&self) -> Vec<Parameter> {
        vec![Parameter { name: "driver".into(), shape: vec![self.posterior.len() as u32], is_main: true }]
    }

    fn step(&mut self, iterations: u32) -> Result<Progress, Refusal> {
        self.done = self.done.saturating_add(iterations).min(self.draws);
        Ok(Progress {
            iterations_done: self.done,
            iterations_total: self.draws,
            is_warming_up: false,
            divergences: 0,
            gradients: 0,
        })
    }

    fn take_draws(&mut self) -> Draws {
        let numbers = self.taken..self.done;
        self.taken = self.done;
        Draws { draw_count: numbers.len() as u32, values: numbers.flat_map(|number| self.draw(number)).collect() }
    }

    fn checkpoint(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u32(self.done);
        writer.u32(self.taken);
        writer.finish()
    }
}

impl MeanFinish {
    /// A draw is a function of its own number, so that any interruption leaves the same draws.
    fn draw(&self, number: u32) -> Vec<f64> {
        let mut random = Rng::for_stream(self.seed, u64::from(self.chain_index) << 32 | u64::from(number));
        self.posterior.iter().map(|(mean, deviation)| mean + deviation * random.normal()).collect()
    }
}

/// Mean and standard deviation of each driver, given results on the scale of -1 (last) to 1 (first).
fn posterior(history: &History, prior_races: f64) -> Vec<(f64, f64)> {
    let drivers = history.driver_count as usize;
    let (mut sums, mut weights) = (vec![0.0; drivers], vec![prior_races; drivers]);
    for race in 0..history.races() {
        let rows = history.rows(race);
        let last = (rows.len().max(2) - 1) as f64;
        for row in rows {
            let driver = history.driver[row] as usize;
            sums[driver] += history.weight[race] * (1.0 - 2.0 * f64::from(history.finish[row] - 1) / last);
            weights[driver] += history.weight[race];
        }
    }
    sums.iter().zip(&weights).map(|(sum, weight)| (sum / weight, NOISE / weight.sqrt())).collect()
}

paddock_sdk::export_calibrator!(MeanFinish);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_who_wins_has_the_larger_mean() {
        let history = History {
            race_offsets: vec![0, 2],
            weight: vec![1.0],
            driver_count: 2,
            driver: vec![1, 0],
            finish: vec![1, 2],
            ..History::default()
        };
        let fitted = posterior(&history, 1.0);
        assert_eq!((fitted[1].0, fitted[0].0), (0.5, -0.5));
    }
}
