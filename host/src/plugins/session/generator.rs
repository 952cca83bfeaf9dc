//! A generator that is ready for one model and one race.

use serde_json::{Map, Value};
use wasmtime::component::ResourceAny;

use crate::{
    domain::{
        model::Posterior,
        plugin::{Usage, World},
        scenario::{RaceSetup, ScenarioBlock},
    },
    plugins::{
        call::{CallContext, Guest},
        check::check_scenarios,
        outcome::{PluginFailure, RefusalKind},
        plugin::LoadedPlugin,
        v0_1::{bindings::exports::paddock::plugin::generation, convert},
    },
};

/// Entries that the contract allows in a race; the check of a row's finish positions relies on it.
const RACE_ENTRIES: std::ops::RangeInclusive<usize> = 2..=100;

/// A generator in its guest.
pub struct GeneratorSession {
    guest: Guest,
    exports: generation::Guest,
    generator: ResourceAny,
    entries: usize,
    race_laps: u16,
    block_scenarios_max: u32,
}

impl LoadedPlugin {
    /// Opens a generator.
    ///
    /// # Errors
    /// How it ended. A model of another posterior layout than the plugin reads is refused before the guest sees it.
    pub fn open_generator(
        &self,
        context: &CallContext,
        posterior: &Posterior,
        race: &RaceSetup,
        params: &Map<String, Value>,
        seed: u64,
    ) -> Result<GeneratorSession, PluginFailure> {
        const FUNCTION: &str = "generator.open";
        self.check_model_layout(FUNCTION, posterior)?;
        if !RACE_ENTRIES.contains(&race.start.len()) {
            let message = format!("the race has {} entries, the contract allows 2..=100", race.start.len());
            return Err(self.refused(FUNCTION, RefusalKind::UnsupportedInput, &message));
        }
        let params = self.params_json(FUNCTION, params)?;
        let layout = convert::layout_param(&posterior.parameters);
        let model = convert::model(posterior, &layout).map_err(|what| self.too_large(FUNCTION, what))?;
        let indices = convert::RaceIndices::of(race);
        let input = convert::race(race, &indices);
        let (mut guest, exports) = self.start(context, seed, World::Generator, |exports, store, instance| {
            exports.load_generation(store, instance)
        })?;
        let copied_bytes = size_of_val(posterior.values.as_slice()) + race_bytes(race) + params.len();
        let generator = guest.ask(FUNCTION, copied_bytes, |store| {
            let opened = exports.generator().call_open(store, model, input, &params, seed)?;
            Ok(convert::answer(opened, |generator| generator))
        })?;
        Ok(GeneratorSession {
            guest,
            exports,
            generator,
            entries: race.start.len(),
            race_laps: race.race_laps,
            block_scenarios_max: self.limits().generate_block_scenarios.max(1),
        })
    }

    fn check_model_layout(&self, function: &str, posterior: &Posterior) -> Result<(), PluginFailure> {
        match self.description().posterior_layout.as_deref() {
            Some(own) if own != posterior.layout => {
                let message = format!("it reads the posterior layout `{own}`, the model has `{}`", posterior.layout);
                Err(self.refused(function, RefusalKind::ForeignModel, &message))
            }
            _ => Ok(()),
        }
    }
}

impl GeneratorSession {
    /// The scenarios numbered `first_scenario .. first_scenario + scenarios`, asked for in as many calls as the block limit
    /// needs.
    ///
    /// # Errors
    /// How it ended; what is no possible race is bad output.
    pub fn generate(&mut self, first_scenario: u64, scenarios: u32) -> Result<ScenarioBlock, PluginFailure> {
        let mut block = self.generate_block(first_scenario, scenarios.min(self.block_scenarios_max))?;
        let mut done = block.scenarios as u64;
        while done < u64::from(scenarios) {
            let left = u64::from(scenarios) - done;
            let asked = u32::try_from(left).map_or(self.block_scenarios_max, |left| left.min(self.block_scenarios_max));
            block.append(&self.generate_block(first_scenario + done, asked)?);
            done += u64::from(asked);
        }
        Ok(block)
    }

    fn generate_block(&mut self, first_scenario: u64, scenarios: u32) -> Result<ScenarioBlock, PluginFailure> {
        const FUNCTION: &str = "generator.generate";
        let Self { guest, exports, generator, entries, .. } = self;
        let block = guest.ask(FUNCTION, 0, |store| {
            let generated = exports.generator().call_generate(store, *generator, first_scenario, scenarios)?;
            Ok(convert::answer(generated, |block| convert::scenarios(block, *entries)))
        })?;
        guest.received(block_bytes(&block));
        guest.checked(FUNCTION, check_scenarios(&block, scenarios as usize, self.race_laps))?;
        Ok(block)
    }

    /// What the guest has cost so far.
    #[must_use]
    pub const fn usage(&self) -> Usage {
        self.guest.usage()
    }
}

/// Size of a race in the guest, in bytes.
pub(super) fn race_bytes(race: &RaceSetup) -> usize {
    race.start.len() * (2 * size_of::<u32>() + size_of::<u16>())
}

/// Size of a block in the guest, in bytes.
pub(super) fn block_bytes(block: &ScenarioBlock) -> usize {
    size_of_val(block.finish.as_slice())
        + size_of_val(block.laps_led.as_slice())
        + size_of_val(block.fastest_laps.as_slice())
        + size_of_val(block.laps_completed.as_slice())
        + size_of_val(block.retired.as_slice())
}
