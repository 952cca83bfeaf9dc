//! Joins a [`Calibrator`](crate::Calibrator) to the `calibration` export.

use std::cell::RefCell;

use super::Exported;
use super::calibrator::exports::paddock::plugin::calibration as wit;
use super::shared::paddock::plugin::types::{Parameter, Refusal};
use crate::{Calibrator, History};

impl<P: Calibrator + 'static> wit::Guest for Exported<P> {
    type Chain = Chain<P>;
}

/// The resource behind a chain handle. The contract's methods take `&self`; a component is single-threaded, so a cell does.
pub struct Chain<P>(RefCell<P>);

impl<P: Calibrator + 'static> wit::GuestChain for Chain<P> {
    fn open(history: wit::History, params: String, seed: u64, chain_index: u32) -> Result<wit::Chain, Refusal> {
        let chain = P::open(history.into(), &params, seed, chain_index)?;
        Ok(wit::Chain::new(Self(RefCell::new(chain))))
    }

    fn restore(
        history: wit::History,
        params: String,
        seed: u64,
        chain_index: u32,
        checkpoint: Vec<u8>,
    ) -> Result<wit::Chain, Refusal> {
        let chain = P::restore(history.into(), &params, seed, chain_index, &checkpoint)?;
        Ok(wit::Chain::new(Self(RefCell::new(chain))))
    }

    fn layout(&self) -> Vec<Parameter> {
        self.0.borrow().layout().into_iter().map(Into::into).collect()
    }

    fn step(&self, iterations: u32) -> Result<wit::Progress, Refusal> {
        let progress = self.0.borrow_mut().step(iterations)?;
        Ok(wit::Progress {
            iterations_done: progress.iterations_done,
            iterations_total: progress.iterations_total,
            is_warming_up: progress.is_warming_up,
            divergences: progress.divergences,
            gradients: progress.gradients,
        })
    }

    fn take_draws(&self) -> wit::Draws {
        let draws = self.0.borrow_mut().take_draws();
        wit::Draws { draw_count: draws.draw_count, values: draws.values }
    }

    fn checkpoint(&self) -> Vec<u8> {
        self.0.borrow().checkpoint()
    }
}

impl From<wit::History> for History {
    fn from(history: wit::History) -> Self {
        Self {
            race_offsets: history.race_offsets,
            track: history.track,
            track_type: history.track_type.into_iter().map(Into::into).collect(),
            race_laps: history.race_laps,
            weight: history.weight,
            driver_count: history.driver_count,
            team_count: history.team_count,
            driver: history.driver,
            team: history.team,
            start: history.start,
            finish: history.finish,
            laps_completed: history.laps_completed,
            laps_led: history.laps_led,
            retired: history.retired,
        }
    }
}
