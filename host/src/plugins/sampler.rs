//! Looks at what running guests do: their call stacks, once per tick of the epoch. For `paddock plugin profile`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use wasmtime::{AsContext, WasmBacktrace};

use super::log::clean_text;

/// How often a sampler looks.
pub const SAMPLE_TICK: Duration = Duration::from_millis(1);
/// Longest name of a function that is kept, in bytes.
const NAME_BYTES: usize = 300;

/// Stacks that were seen, and how often.
#[derive(Debug, Default)]
pub struct StackSampler {
    stacks: Mutex<BTreeMap<Vec<String>, u64>>,
}

impl StackSampler {
    /// Adds the stack of the guest that runs in this store.
    pub(super) fn look(&self, store: impl AsContext) {
        let backtrace = WasmBacktrace::force_capture(store);
        let name = |frame: &wasmtime::FrameInfo| match frame.func_name() {
            Some(name) => clean_text(&format!("{:#}", rustc_demangle::demangle(name)), NAME_BYTES).into_owned(),
            None => format!("function {}", frame.func_index()),
        };
        let stack: Vec<String> = backtrace.frames().iter().rev().map(name).collect();
        if !stack.is_empty() {
            *self.stacks.lock().unwrap_or_else(PoisonError::into_inner).entry(stack).or_default() += 1;
        }
    }

    /// All stacks, outermost function first, with how often each was seen.
    #[must_use]
    pub fn stacks(&self) -> Vec<(Vec<String>, u64)> {
        let stacks = self.stacks.lock().unwrap_or_else(PoisonError::into_inner);
        stacks.iter().map(|(stack, count)| (stack.clone(), *count)).collect()
    }
}
