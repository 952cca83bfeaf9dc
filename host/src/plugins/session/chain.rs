//! One Markov chain of a calibrator.

use std::sync::Arc;

use serde_json::{Map, Value};
use wasmtime::component::ResourceAny;

use crate::{
    domain::{
        history::History,
        model::Parameter,
        plugin::{Usage, World},
    },
    plugins::{
        call::{CallContext, Guest},
        check::{BadValue, ChainClock, check_finite, check_layout, check_length},
        limits::PluginLimits,
        outcome::PluginFailure,
        plugin::LoadedPlugin,
        v0_1::{bindings::exports::paddock::plugin::calibration, convert},
    },
};

/// Iterations that the contract allows in one step.
const STEP_ITERATIONS_MAX: u32 = 10_000;

/// Where a chain stands after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Iterations done, warm-up included.
    pub iterations_done: u32,
    /// Iterations of the whole chain, warm-up included.
    pub iterations_total: u32,
    /// Whether the sampler still adapts.
    pub is_warming_up: bool,
    /// Divergent transitions after warm-up so far.
    pub divergences: u32,
    /// Gradient evaluations so far.
    pub gradients: u64,
}

impl Progress {
    /// Whether the chain is complete.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.iterations_done == self.iterations_total
    }
}

/// A chain in its guest.
pub struct ChainSession {
    guest: Guest,
    exports: calibration::Guest,
    chain: ResourceAny,
    layout: Vec<Parameter>,
    columns: usize,
    clock: ChainClock,
    /// Draws that the guest can have ready at most: one per iteration since the last hand-over.
    draws_ready_max: u32,
    /// Values of all draws of the chain so far.
    values: usize,
    limits: Arc<PluginLimits>,
}

impl LoadedPlugin {
    /// Starts chain `chain_index` of a fit. All chains of a fit get the same seed.
    ///
    /// # Errors
    /// How it ended, where the guest did not open the chain or returned a bad layout.
    pub fn open_chain(
        &self,
        context: &CallContext,
        history: &History,
        params: &Map<String, Value>,
        seed: u64,
        chain_index: u32,
    ) -> Result<ChainSession, PluginFailure> {
        const FUNCTION: &str = "chain.open";
        let params = self.params_json(FUNCTION, params)?;
        let track_types = convert::track_types(history);
        let input = convert::history(history, &track_types).map_err(|what| self.too_large(FUNCTION, what))?;
        let (mut guest, exports) = self.start(context, seed, World::Calibrator, |exports, store, instance| {
            exports.load_calibration(store, instance)
        })?;
        let copied_bytes = history_bytes(history) + params.len();
        let chain = guest.ask(FUNCTION, copied_bytes, |store| {
            let opened = exports.chain().call_open(store, input, &params, seed, chain_index)?;
            Ok(convert::answer(opened, |chain| chain))
        })?;
        ChainSession::new(guest, exports, chain, ChainStart::Fresh, Arc::clone(self.limits()))
    }

    /// Continues a chain from its checkpoint, with the inputs that [`Self::open_chain`] got.
    ///
    /// # Errors
    /// As [`Self::open_chain`]; a checkpoint of something else is refused.
    pub fn restore_chain(
        &self,
        context: &CallContext,
        history: &History,
        params: &Map<String, Value>,
        seed: u64,
        chain_index: u32,
        checkpoint: &[u8],
    ) -> Result<ChainSession, PluginFailure> {
        const FUNCTION: &str = "chain.restore";
        let params = self.params_json(FUNCTION, params)?;
        let track_types = convert::track_types(history);
        let input = convert::history(history, &track_types).map_err(|what| self.too_large(FUNCTION, what))?;
        let (mut guest, exports) = self.start(context, seed, World::Calibrator, |exports, store, instance| {
            exports.load_calibration(store, instance)
        })?;
        let copied_bytes = history_bytes(history) + params.len() + checkpoint.len();
        let chain = guest.ask(FUNCTION, copied_bytes, |store| {
            let restored = exports.chain().call_restore(store, input, &params, seed, chain_index, checkpoint)?;
            Ok(convert::answer(restored, |chain| chain))
        })?;
        ChainSession::new(guest, exports, chain, ChainStart::Restored, Arc::clone(self.limits()))
    }
}

/// How a chain came to be, which says what is known of its clock.
enum ChainStart {
    Fresh,
    Restored,
}

impl ChainSession {
    fn new(
        mut guest: Guest,
        exports: calibration::Guest,
        chain: ResourceAny,
        start: ChainStart,
        limits: Arc<PluginLimits>,
    ) -> Result<Self, PluginFailure> {
        const FUNCTION: &str = "chain.layout";
        let layout = guest.call(FUNCTION, 0, |store| exports.chain().call_layout(store, chain))?;
        let layout = convert::layout(layout);
        let columns = guest.checked(FUNCTION, check_layout(&layout, &limits))?;
        let (done, draws_ready_max) = match start {
            ChainStart::Fresh => (Some(0), 0),
            ChainStart::Restored => (None, limits.chain_iterations_max),
        };
        let clock = ChainClock { done, total: None };
        Ok(Self { guest, exports, chain, layout, columns, clock, draws_ready_max, values: 0, limits })
    }

    /// The blocks of a draw in order, checked: names unique, sizes in range.
    #[must_use]
    pub fn layout(&self) -> &[Parameter] {
        &self.layout
    }

    /// Columns of a draw.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Advances by at most `iterations` iterations, cut to the 1..=10000 that the contract allows.
    ///
    /// # Errors
    /// How it ended; a clock that stands still, runs back or changes its total is bad output.
    pub fn step(&mut self, iterations: u32) -> Result<Progress, PluginFailure> {
        const FUNCTION: &str = "chain.step";
        let asked = iterations.clamp(1, STEP_ITERATIONS_MAX);
        let Self { guest, exports, chain, .. } = self;
        let found = guest.ask(FUNCTION, 0, |store| {
            let stepped = exports.chain().call_step(store, *chain, asked)?;
            Ok(convert::answer(stepped, |progress| progress))
        })?;
        let advanced = self.clock.advance(found.iterations_done, found.iterations_total, asked, &self.limits);
        let went = guest.checked(FUNCTION, advanced)?;
        self.draws_ready_max = self.draws_ready_max.saturating_add(went);
        Ok(Progress {
            iterations_done: found.iterations_done,
            iterations_total: found.iterations_total,
            is_warming_up: found.is_warming_up,
            divergences: found.divergences,
            gradients: found.gradients,
        })
    }

    /// Says where a restored chain stood when its checkpoint was taken, and how many values its draws had until then: its next
    /// step has to go on from there.
    pub const fn resume_at(&mut self, iterations_done: u32, iterations_total: u32, values: usize) {
        self.clock = ChainClock { done: Some(iterations_done), total: Some(iterations_total) };
        self.values = values;
    }

    /// The draws since the last call, shape `[draws][columns]`, finite.
    ///
    /// # Errors
    /// How it ended; more draws than iterations, another shape, a value that is not finite or more draws in all than the host
    /// keeps of a chain are bad output.
    pub fn take_draws(&mut self) -> Result<Vec<f64>, PluginFailure> {
        const FUNCTION: &str = "chain.take-draws";
        let Self { guest, exports, chain, .. } = self;
        let found = guest.call(FUNCTION, 0, |store| exports.chain().call_take_draws(store, *chain))?;
        guest.received(size_of_val(found.values.as_slice()));
        let check = check_draws(found.draw_count, &found.values, self.columns, self.draws_ready_max);
        self.values = self.values.saturating_add(found.values.len());
        let check = check.and_then(|()| check_kept(self.values, &self.limits));
        guest.checked(FUNCTION, check)?;
        self.draws_ready_max = 0;
        Ok(found.values)
    }

    /// The chain's whole state but the draws already taken.
    ///
    /// # Errors
    /// How it ended; a checkpoint past the limit is bad output.
    pub fn checkpoint(&mut self) -> Result<Vec<u8>, PluginFailure> {
        const FUNCTION: &str = "chain.checkpoint";
        let Self { guest, exports, chain, .. } = self;
        let checkpoint = guest.call(FUNCTION, 0, |store| exports.chain().call_checkpoint(store, *chain))?;
        guest.received(checkpoint.len());
        let most = self.limits.checkpoint_bytes_max;
        let check = if checkpoint.len() <= most {
            Ok(checkpoint)
        } else {
            let expected = format!("at most checkpoint_bytes_max = {most}");
            Err(BadValue::new("length of checkpoint", checkpoint.len(), expected))
        };
        guest.checked(FUNCTION, check)
    }

    /// What the guest has cost so far.
    #[must_use]
    pub const fn usage(&self) -> Usage {
        self.guest.usage()
    }
}

fn check_draws(count: u32, values: &[f64], columns: usize, ready_max: u32) -> Result<(), BadValue> {
    if count > ready_max {
        return Err(BadValue::new("draw-count", count, format!("at most {ready_max}, one per iteration")));
    }
    check_length("values", values.len(), (count as usize).saturating_mul(columns))?;
    check_finite("values", values, columns)
}

fn check_kept(values: usize, limits: &PluginLimits) -> Result<(), BadValue> {
    let (bytes, most) = (values.saturating_mul(size_of::<f64>()), limits.chain_draw_bytes_max);
    if bytes <= most {
        return Ok(());
    }
    Err(BadValue::new("draws in all, in bytes", bytes, format!("at most chain_draw_bytes_max = {most}")))
}

/// Size of a history in the guest, in bytes.
fn history_bytes(history: &History) -> usize {
    let races = history.races() * (size_of::<u32>() + size_of::<u8>() + size_of::<u16>() + size_of::<f64>());
    let entries = history.driver.len() * (2 * size_of::<u32>() + 4 * size_of::<u16>() + size_of::<u8>());
    races + entries + size_of_val(history.race_offsets.as_slice())
}
