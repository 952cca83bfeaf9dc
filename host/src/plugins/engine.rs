//! The one engine configuration, used by the server and by its compiler process, and the thread that advances the epoch.

use std::{
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use wasmtime::{Config, Engine, OperatorCost};

use super::sampler::{SAMPLE_TICK, StackSampler};

/// How often running guests look at their interrupt, where they also give way to requests: a request that has to wait for a guest's
/// thread waits no longer.
pub const EPOCH_TICK: Duration = Duration::from_millis(1);

/// The same while there is no guest, so that an idle server sleeps.
const IDLE_TICK: Duration = Duration::from_millis(10);

/// Stack of a guest, in bytes. Threads that call guests need twice as much.
const WASM_STACK_BYTES: usize = 512 << 10;

/// Fuel per 64 KiB page that a memory grows by: zeroing a page is work that no instruction pays for otherwise.
const FUEL_PER_PAGE: u8 = u8::MAX;

/// An engine as every paddock process configures it; two of them agree on compiled code.
///
/// # Errors
/// Where the host lacks something that the configuration needs.
pub fn new_engine() -> wasmtime::Result<Engine> {
    Engine::new(&engine_config())
}

fn engine_config() -> Config {
    let mut cost = OperatorCost::new();
    cost.variable.memory_grow_per_page = FUEL_PER_PAGE;
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .operator_cost(cost)
        .epoch_interruption(true)
        .concurrency_support(false)
        .shared_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        // What joins the components inside of one upload has two memories; a plugin's own modules have one, by `screen`.
        .wasm_multi_memory(true)
        .wasm_tail_call(false)
        .wasm_wide_arithmetic(false)
        .wasm_component_model_map(false)
        .wasm_component_model_implements(false)
        .max_wasm_stack(WASM_STACK_BYTES)
        .memory_init_cow(true);
    config
}

/// Shows that there is a guest for as long as it lives.
#[derive(Debug, Clone, Default)]
pub struct Presence(Arc<()>);

impl Presence {
    /// Whether there is a guest beside the ticker's own two.
    fn has_guests(&self) -> bool {
        Arc::strong_count(&self.0) > 2
    }
}

/// Advances the epoch of an engine every tick, mostly [`EPOCH_TICK`], until it is dropped.
///
/// A tick stops nobody. It makes each running guest look at its own task's interrupt, so one job can be cancelled without
/// touching the others.
#[derive(Debug)]
pub struct Ticker {
    presence: Presence,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub fn start(engine: &Engine, tick: Duration) -> std::io::Result<Self> {
        let engine = engine.weak();
        let (stop, stopped) = channel();
        let presence = Presence::default();
        let guests = presence.clone();
        let thread = std::thread::Builder::new().name("plugin-epoch".to_owned()).spawn(move || {
            let pause = || if guests.has_guests() { tick } else { IDLE_TICK };
            while stopped.recv_timeout(pause()) == Err(RecvTimeoutError::Timeout) {
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        })?;
        Ok(Self { presence, stop: Some(stop), thread: Some(thread) })
    }

    /// What a guest holds, so that the ticks come as often as they should.
    #[must_use]
    pub fn presence(&self) -> Presence {
        self.presence.clone()
    }

    /// Whether the thread is still there.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // Closing the channel wakes the thread at once.
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // The loop does not panic; were it to, there would be nobody left to tell.
            let _ = thread.join();
        }
    }
}

/// An engine with its ticker: what everything that runs guests holds on to, so that the ticker stops with the last of them.
#[derive(Debug)]
pub struct EngineRoom {
    /// The engine.
    pub engine: Engine,
    /// Its ticker.
    pub ticker: Ticker,
    /// Who looks at running guests with every tick; nobody but in `paddock plugin profile`.
    pub sampler: Option<Arc<StackSampler>>,
}

impl EngineRoom {
    /// A new engine with a running ticker.
    ///
    /// # Errors
    /// Where the engine or the thread cannot be had.
    pub fn open() -> wasmtime::Result<Self> {
        let engine = new_engine()?;
        let ticker = Ticker::start(&engine, EPOCH_TICK)?;
        Ok(Self { engine, ticker, sampler: None })
    }

    /// As [`Self::open`], with a sampler and a tick as short as its interval.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn sampling(sampler: Arc<StackSampler>) -> wasmtime::Result<Self> {
        let engine = new_engine()?;
        let ticker = Ticker::start(&engine, SAMPLE_TICK)?;
        Ok(Self { engine, ticker, sampler: Some(sampler) })
    }
}
