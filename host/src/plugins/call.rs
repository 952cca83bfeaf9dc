//! One running guest: a fresh store, the account of what its calls cost, and the decision how a call ended.

use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Store, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::domain::{interrupt::Interrupt, plugin::Usage};

use super::{
    check::BadValue,
    engine::{EngineRoom, Presence},
    limits::PluginLimits,
    log::{GuestLog, LogGate, clean_text},
    outcome::{Outcome, PluginFailure, RefusalKind},
    rejection::Rejection,
    store::{GuestState, HostMemory, MemoryAccount, PastMemory, Stopped, new_store},
};

/// Frames of a trap that are shown; enough to find the place, short enough to read.
const BACKTRACE_FRAMES: usize = 5;
/// Longest text of a refusal that is shown, in bytes.
const REFUSAL_BYTES: usize = 2_000;

/// What a session gets from the task that opens it.
#[derive(Clone)]
pub struct CallContext {
    /// Raised when the task must stop; a running guest stops within two epoch ticks.
    pub interrupt: Arc<Interrupt>,
    /// Budget of the whole session, in units of fuel, instantiation included.
    pub fuel: u64,
    /// Where the guest's log lines go.
    pub log: Arc<dyn GuestLog>,
}

/// Who a guest is, for failures.
#[derive(Debug, Clone)]
pub struct GuestName {
    /// Name, or what stands for it before the plugin has said it.
    pub plugin: String,
    /// Version, empty before the plugin has said it.
    pub version: String,
}

/// What a guest answers, before the reason of a refusal is translated.
pub type Answer<R> = Result<R, (RefusalKind, String)>;

/// A guest with its store. After any failure but a refusal it stays failed: its memory may be in any state.
pub struct Guest {
    store: Store<GuestState>,
    name: GuestName,
    budget: u64,
    usage: Usage,
    failed: Option<PluginFailure>,
    interrupt: Arc<Interrupt>,
    _presence: Presence,
}

impl Guest {
    /// A guest that has not run yet; one of the second tier has a seed for its WASI.
    ///
    /// # Errors
    /// Where the host cannot make a store.
    pub fn new(
        room: &EngineRoom,
        limits: &PluginLimits,
        name: GuestName,
        context: &CallContext,
        wasi_seed: Option<u64>,
    ) -> Result<Self, PluginFailure> {
        let gate = LogGate::new(Arc::clone(&context.log), limits);
        let mut store = new_store(&room.engine, limits, Arc::clone(&context.interrupt), gate, context.fuel)
            .map_err(|error| name.failure("instantiate", Outcome::HostFailed { message: error.to_string() }))?;
        store.data_mut().watch(room.sampler.clone());
        if let Some(seed) = wasi_seed {
            store.data_mut().give_wasi(seed, limits);
        }
        Ok(Self {
            store,
            name,
            budget: context.fuel,
            usage: Usage::default(),
            failed: None,
            interrupt: Arc::clone(&context.interrupt),
            _presence: room.ticker.presence(),
        })
    }

    /// Runs guest code and accounts for it. `copied_bytes` is what goes in; what comes out is added by [`Self::received`].
    ///
    /// # Errors
    /// How it ended, where it did not finish; the same failure again where an earlier call failed.
    pub fn call<R>(
        &mut self,
        function: &str,
        copied_bytes: usize,
        run: impl FnOnce(&mut Store<GuestState>) -> wasmtime::Result<R>,
    ) -> Result<R, PluginFailure> {
        self.run(function, copied_bytes, outcome_of, run)
    }

    /// Runs what brings the guest up: instantiation and looking up its exports.
    ///
    /// # Errors
    /// As [`Self::call`]; what is no trap and no limit means that the component does not fit.
    pub fn start<R>(
        &mut self,
        run: impl FnOnce(&mut Store<GuestState>) -> wasmtime::Result<R>,
    ) -> Result<R, PluginFailure> {
        self.run("instantiate", 0, outcome_of_start, run)
    }

    fn run<R>(
        &mut self,
        function: &str,
        copied_bytes: usize,
        classify: fn(&wasmtime::Error, u64, &MemoryAccount) -> Outcome,
        run: impl FnOnce(&mut Store<GuestState>) -> wasmtime::Result<R>,
    ) -> Result<R, PluginFailure> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        // The epoch callback only runs once the guest loops; a chain of short calls must stop too.
        if let Some(reason) = self.interrupt.reason() {
            return Err(self.fail(function, Outcome::Stopped(reason)));
        }
        let started_ms = thread_cpu_ms();
        let result = run(&mut self.store);
        self.account(thread_cpu_ms() - started_ms, copied_bytes);
        result.map_err(|error| {
            let outcome = classify(&error, self.budget, &self.store.data().account);
            self.fail(function, outcome)
        })
    }

    /// Like [`Self::call`], for functions that may refuse. A refusal does not end the guest.
    ///
    /// # Errors
    /// As [`Self::call`], and the refusal.
    pub fn ask<R>(
        &mut self,
        function: &str,
        copied_bytes: usize,
        run: impl FnOnce(&mut Store<GuestState>) -> wasmtime::Result<Answer<R>>,
    ) -> Result<R, PluginFailure> {
        self.call(function, copied_bytes, run)?.map_err(|(kind, message)| self.name.refused(function, kind, &message))
    }

    /// Adds what the guest handed over to the account.
    pub fn received(&mut self, bytes: usize) {
        self.usage.copied_bytes += bytes as u64;
    }

    /// Turns a value that breaks the contract into the failure that it is.
    ///
    /// # Errors
    /// The failure, where the check failed.
    pub fn checked<R>(&mut self, function: &str, check: Result<R, BadValue>) -> Result<R, PluginFailure> {
        check.map_err(|bad| {
            let outcome = Outcome::BadOutput { place: bad.place, found: bad.found, expected: bad.expected };
            self.fail(function, outcome)
        })
    }

    /// What the guest has cost so far.
    #[must_use]
    pub const fn usage(&self) -> Usage {
        self.usage
    }

    fn account(&mut self, cpu_ms: f64, copied_bytes: usize) {
        self.usage.cpu_ms += cpu_ms;
        self.usage.calls += 1;
        self.usage.copied_bytes += copied_bytes as u64;
        self.usage.memory_peak_bytes = self.store.data().account.memory_bytes_peak as u64;
        // After a trap or an interrupt the reading lags behind; the CPU time does not.
        self.usage.fuel = self.budget.saturating_sub(self.store.get_fuel().unwrap_or(0));
    }

    fn fail(&mut self, function: &str, outcome: Outcome) -> PluginFailure {
        let failure = self.name.failure(function, outcome);
        self.failed = Some(failure.clone());
        failure
    }
}

impl GuestName {
    /// The failure of this plugin in this function.
    #[must_use]
    pub fn failure(&self, function: &str, outcome: Outcome) -> PluginFailure {
        PluginFailure {
            plugin: self.plugin.clone(),
            version: self.version.clone(),
            function: function.to_owned(),
            outcome,
        }
    }

    /// The refusal of this plugin in this function.
    #[must_use]
    pub fn refused(&self, function: &str, kind: RefusalKind, message: &str) -> PluginFailure {
        let message = clean_text(message, REFUSAL_BYTES).into_owned();
        self.failure(function, Outcome::Refused { kind, message })
    }
}

/// How a call ended that did not return.
fn outcome_of(error: &wasmtime::Error, budget: u64, account: &MemoryAccount) -> Outcome {
    // What is left are results that the canonical ABI cannot read: text that is not UTF-8, more bytes than the transfer
    // limit, pointers outside of the memory.
    known_outcome(error, budget, account).unwrap_or_else(|| bad_encoding(error.root_cause().to_string()))
}

/// How bringing up a guest ended.
fn outcome_of_start(error: &wasmtime::Error, budget: u64, account: &MemoryAccount) -> Outcome {
    known_outcome(error, budget, account)
        .unwrap_or_else(|| Outcome::Rejected(Rejection::OtherTypes { message: format!("{error:#}") }))
}

fn known_outcome(error: &wasmtime::Error, budget: u64, account: &MemoryAccount) -> Option<Outcome> {
    if let Some(stopped) = error.downcast_ref::<Stopped>() {
        return Some(Outcome::Stopped(stopped.0));
    }
    if let Some(past) = error.downcast_ref::<PastMemory>().copied().or_else(|| account.past_count(error)) {
        let (wanted, limit) = (past.wanted as u64, past.limit as u64);
        return Some(Outcome::OutOfMemory { wanted, limit, unit: past.unit, name: past.name });
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return Some(Outcome::Trapped { trap: format!("it exited with status {}", exit.0), backtrace: Vec::new() });
    }
    if let Some(host) = error.downcast_ref::<HostMemory>() {
        return Some(Outcome::HostFailed { message: host.to_string() });
    }
    Some(match error.downcast_ref::<Trap>()? {
        Trap::OutOfFuel => Outcome::OutOfFuel { budget },
        trap if is_lying_value(*trap) => bad_encoding(trap.to_string()),
        trap => Outcome::Trapped { trap: trap.to_string(), backtrace: backtrace_of(error) },
    })
}

/// Traps that the host raises while it reads what the guest returned.
const fn is_lying_value(trap: Trap) -> bool {
    matches!(
        trap,
        Trap::StringOutOfBounds
            | Trap::ListOutOfBounds
            | Trap::InvalidDiscriminant
            | Trap::UnalignedPointer
            | Trap::InvalidChar
    )
}

fn bad_encoding(message: String) -> Outcome {
    Outcome::BadOutput {
        place: "the encoded result".to_owned(),
        found: message,
        expected: "values inside the guest's memory, encoded as the component model says".to_owned(),
    }
}

fn backtrace_of(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let names = backtrace.frames().iter().filter_map(|frame| frame.func_name());
    names.take(BACKTRACE_FRAMES).map(|name| clean_text(name, 200).into_owned()).collect()
}

/// CPU time of this thread, in milliseconds.
fn thread_cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a thread does not run for the 285 years that 53 bits of seconds hold"
    )]
    let seconds = time.tv_sec as f64;
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a second fit 30 bits")]
    let nanoseconds = time.tv_nsec as f64;
    seconds.mul_add(1e3, nanoseconds / 1e6)
}
