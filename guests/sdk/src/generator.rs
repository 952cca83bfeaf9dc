//! The generator world: draw possible races from a fitted model, numbered so that any split of the work gives the same races.

use crate::{Model, Plugin, Race, Refusal, ScenarioBlock};

/// A generator that is ready for one model and one race.
pub trait Generator: Plugin + Sized {
    /// Prepares for `model` and `race`.
    ///
    /// # Errors
    /// A refusal that says what to change; [`Refusal::ForeignModel`] when the layout is not the one this generator reads.
    fn open(model: Model, race: Race, params: &str, seed: u64) -> Result<Self, Refusal>;

    /// Generates the scenarios numbered `first_scenario .. first_scenario + scenarios`. Key all randomness by the scenario's
    /// own number: `Rng::for_stream(seed, number)`.
    ///
    /// # Errors
    /// A refusal when no scenario can be drawn.
    fn generate(&mut self, first_scenario: u64, scenarios: u32) -> Result<ScenarioBlock, Refusal>;
}
