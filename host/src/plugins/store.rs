//! What belongs to one running guest on the host's side: its memory account, its interrupt and its log; and the linker that
//! offers the only import there is.

use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::{
    Engine, ResourceLimiter, Store, StoreContextMut, UpdateDeadline,
    component::{ComponentType, Lift, Linker, ResourceTableError, WasmStr},
};
use wasmtime_wasi::{WasiCtxView, WasiView};

use crate::domain::interrupt::{Interrupt, StopReason};

use super::{
    limits::PluginLimits,
    log::{GuestLogLevel, LogGate, SharedLog, clean_text},
    sampler::StackSampler,
    wasi::VirtualWasi,
};

/// Fuel for one logged line beside one unit per byte: taking the call and checking the text is work that the guest's
/// instructions do not pay for.
const FUEL_PER_LOG_LINE: u64 = 100;

/// The state of one guest.
pub struct GuestState {
    /// What it has of memory and tables.
    pub account: MemoryAccount,
    interrupt: Arc<Interrupt>,
    log: SharedLog,
    wasi: Option<Box<VirtualWasi>>,
    sampler: Option<Arc<StackSampler>>,
}

impl GuestState {
    /// Gives the guest its WASI. Guests of the default tier have none, and no import that could ask for it.
    pub fn give_wasi(&mut self, seed: u64, limits: &PluginLimits) {
        self.wasi = Some(Box::new(VirtualWasi::new(seed, &self.log, limits)));
    }
}

impl GuestState {
    /// Lets a sampler look at the guest with every tick.
    pub fn watch(&mut self, sampler: Option<Arc<StackSampler>>) {
        self.sampler = sampler;
    }
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let log = &self.log;
        self.wasi.get_or_insert_with(|| Box::new(VirtualWasi::new(0, log, &PluginLimits::default()))).view()
    }
}

/// The guest was told to stop.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the task must stop: {0:?}")]
pub struct Stopped(pub StopReason);

/// The guest asked for more than it may have.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{wanted} {unit} are past the limit {name} = {limit}")]
pub struct PastMemory {
    /// What it would have had in all.
    pub wanted: usize,
    /// What it may have.
    pub limit: usize,
    /// What is counted.
    pub unit: &'static str,
    /// Name of the limit.
    pub name: &'static str,
}

/// The operating system had no memory for a guest that is within its limits.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the machine has no memory left for a guest that is within its limits: {0}")]
pub struct HostMemory(pub String);

/// Counts a guest's memory over **all** of its linear memories; the limiter that comes with the engine looks at each alone.
#[derive(Debug)]
pub struct MemoryAccount {
    memory_bytes: usize,
    /// Highest sum so far, in bytes.
    pub memory_bytes_peak: usize,
    table_elements: usize,
    /// What the growth that was allowed last added, to be taken back should it fail.
    last_growth_bytes: usize,
    memory_bytes_max: usize,
    table_elements_max: usize,
    memories_max: usize,
    tables_max: usize,
    instances_max: usize,
    handles_max: usize,
}

impl MemoryAccount {
    const fn new(limits: &PluginLimits) -> Self {
        Self {
            memory_bytes: 0,
            memory_bytes_peak: 0,
            table_elements: 0,
            last_growth_bytes: 0,
            memory_bytes_max: limits.memory_bytes_max,
            table_elements_max: limits.table_elements_max,
            memories_max: limits.memories_max,
            tables_max: limits.tables_max,
            instances_max: limits.instances_max,
            handles_max: limits.handles_max,
        }
    }

    /// The limit on a count that the engine says was crossed. The engine enforces these itself and has no type for it.
    pub fn past_count(&self, error: &wasmtime::Error) -> Option<PastMemory> {
        let message = error.root_cause().to_string();
        let is_table_full = error.is::<ResourceTableError>();
        if is_table_full || message.ends_with("store handle limit exceeded") {
            let wanted = self.handles_max + 1;
            return Some(PastMemory { wanted, limit: self.handles_max, unit: "handles", name: "handles_max" });
        }
        let (what, wanted) = message.strip_prefix("resource limit exceeded: ")?.split_once(" count too high at ")?;
        let (unit, name, limit) = match what {
            "memory" => ("memories", "memories_max", self.memories_max),
            "table" => ("tables", "tables_max", self.tables_max),
            _ => ("instances", "instances_max", self.instances_max),
        };
        Some(PastMemory { wanted: wanted.parse().ok()?, limit, unit, name })
    }
}

impl ResourceLimiter for MemoryAccount {
    /// Past the limit the guest traps, so that the outcome says "out of memory" whatever its allocator would have made of
    /// a failed growth.
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.last_growth_bytes = 0;
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let growth = desired.saturating_sub(current);
        let wanted = self.memory_bytes.saturating_add(growth);
        if wanted > self.memory_bytes_max {
            let limit = self.memory_bytes_max;
            return Err(PastMemory { wanted, limit, unit: "bytes of memory", name: "memory_bytes_max" }.into());
        }
        self.memory_bytes = wanted;
        self.last_growth_bytes = growth;
        self.memory_bytes_peak = self.memory_bytes_peak.max(wanted);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        if self.last_growth_bytes == 0 {
            return Ok(());
        }
        self.memory_bytes -= self.last_growth_bytes;
        self.last_growth_bytes = 0;
        Err(HostMemory(error.to_string()).into())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let wanted = self.table_elements.saturating_add(desired.saturating_sub(current));
        if wanted > self.table_elements_max {
            let limit = self.table_elements_max;
            return Err(PastMemory { wanted, limit, unit: "table elements", name: "table_elements_max" }.into());
        }
        self.table_elements = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances_max
    }

    fn tables(&self) -> usize {
        self.tables_max
    }

    fn memories(&self) -> usize {
        self.memories_max
    }
}

/// A fresh store for one session.
///
/// # Errors
/// Where the engine does not meter fuel; it always does.
pub fn new_store(
    engine: &Engine,
    limits: &PluginLimits,
    interrupt: Arc<Interrupt>,
    log: LogGate,
    fuel: u64,
) -> wasmtime::Result<Store<GuestState>> {
    let log = Arc::new(Mutex::new(log));
    let account = MemoryAccount::new(limits);
    let mut store = Store::new(engine, GuestState { account, interrupt, log, wasi: None, sampler: None });
    store.limiter(|state| &mut state.account);
    store.set_fuel(fuel)?;
    store.set_hostcall_fuel(limits.transfer_bytes_max);
    store.set_max_component_handles(limits.handles_max);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|context| {
        if let Some(sampler) = context.data().sampler.clone() {
            sampler.look(&context);
        }
        match context.data().interrupt.reason() {
            None => Ok(UpdateDeadline::Continue(1)),
            Some(reason) => Err(Stopped(reason).into()),
        }
    });
    Ok(store)
}

/// The contract's log levels, in its order.
#[expect(dead_code, reason = "values come out of guests, by their number")]
#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

impl From<Level> for GuestLogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

/// The linker of the default tier: `paddock:plugin/log`, and nothing else.
///
/// # Errors
/// Where the import cannot be defined.
pub fn new_linker(engine: &Engine) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = Linker::new(engine);
    linker.instance("paddock:plugin/log@0.1.0")?.func_wrap("log", log_line)?;
    Ok(linker)
}

/// Copies no more than the line may have, and takes fuel for the whole text: otherwise a loop that logs a megabyte would
/// cost the host far more than the guest's fuel says.
fn log_line(mut store: StoreContextMut<'_, GuestState>, (level, message): (Level, WasmStr)) -> wasmtime::Result<()> {
    let log = Arc::clone(&store.data().log);
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let (is_kept, line_bytes_max) = (log.is_open(), log.line_bytes_max());
    let (text_bytes, line) = {
        let text = message.to_str(&store)?;
        // A line that will be dropped is not worth cleaning: a guest may log millions.
        let line = is_kept.then(|| clean_text(&text, line_bytes_max).into_owned());
        (text.len() as u64, line.unwrap_or_default())
    };
    let fuel = store.get_fuel()?.saturating_sub(text_bytes + FUEL_PER_LOG_LINE);
    store.set_fuel(fuel)?;
    log.line(level.into(), &line);
    Ok(())
}

#[cfg(test)]
mod tests {
    use wasmtime::component::Component;

    use super::super::{engine::new_engine, log::NoLog};
    use super::*;

    /// Two core modules, each with a memory of 20 pages and a table of 30 elements.
    const TWO_OF_EACH: &str = r#"(component
        (core module $one (memory 20) (table 30 funcref))
        (core module $other (memory 20) (table 30 funcref))
        (core instance (instantiate $one))
        (core instance (instantiate $other)))"#;

    /// What instantiating [`TWO_OF_EACH`] crosses.
    fn crossed(limits: &PluginLimits) -> Option<PastMemory> {
        let engine = new_engine().unwrap();
        let log = LogGate::new(Arc::new(NoLog), limits);
        let mut store = new_store(&engine, limits, Arc::new(Interrupt::new()), log, 1_000_000).unwrap();
        let component = Component::from_binary(&engine, &wat::parse_str(TWO_OF_EACH).unwrap()).unwrap();
        let error = new_linker(&engine).unwrap().instantiate(&mut store, &component).err()?;
        let typed = error.downcast_ref::<PastMemory>().copied();
        Some(typed.or_else(|| store.data().account.past_count(&error)).unwrap_or_else(|| panic!("{error:#}")))
    }

    #[test]
    fn memories_and_tables_are_summed_and_counted() {
        let room = PluginLimits {
            memory_bytes_max: 40 * 65_536,
            table_elements_max: 60,
            memories_max: 2,
            tables_max: 2,
            instances_max: 2,
            ..PluginLimits::default()
        };
        assert!(crossed(&room).is_none());
        let found = crossed(&PluginLimits { memory_bytes_max: 40 * 65_536 - 1, ..room.clone() }).unwrap();
        assert_eq!((found.name, found.wanted), ("memory_bytes_max", 40 * 65_536));
        let found = crossed(&PluginLimits { table_elements_max: 59, ..room.clone() }).unwrap();
        assert_eq!((found.name, found.wanted), ("table_elements_max", 60));
        for (name, limits) in [
            ("memories_max", PluginLimits { memories_max: 1, ..room.clone() }),
            ("tables_max", PluginLimits { tables_max: 1, ..room.clone() }),
            ("instances_max", PluginLimits { instances_max: 1, ..room }),
        ] {
            let found = crossed(&limits).unwrap();
            assert_eq!((found.name, found.wanted, found.limit), (name, 2, 1));
        }
    }
}
