//! Joins a [`Generator`](crate::Generator) to the `generation` export.

use std::cell::RefCell;

use super::Exported;
use super::generator::exports::paddock::plugin::generation as wit;
use super::shared::paddock::plugin::types::{Model, Race, Refusal, ScenarioBlock};
use crate::Generator;

impl<P: Generator + 'static> wit::Guest for Exported<P> {
    type Generator = Ready<P>;
}

/// The resource behind a generator handle.
pub struct Ready<P>(RefCell<P>);

impl<P: Generator + 'static> wit::GuestGenerator for Ready<P> {
    fn open(model: Model, race: Race, params: String, seed: u64) -> Result<wit::Generator, Refusal> {
        let generator = P::open(model.into(), race.into(), &params, seed)?;
        Ok(wit::Generator::new(Self(RefCell::new(generator))))
    }

    fn generate(&self, first_scenario: u64, scenarios: u32) -> Result<ScenarioBlock, Refusal> {
        Ok(self.0.borrow_mut().generate(first_scenario, scenarios)?.into())
    }
}
