//! A tiny component of our own that readiness runs: if it answers, guests can run.

use wasmtime::{
    Engine,
    component::{Component, Linker},
};

use crate::domain::interrupt::Interrupt;

use super::{
    limits::PluginLimits,
    log::{LogGate, NoLog},
    store::{GuestState, new_store},
};

/// The binary of [`PROBE_TEXT`]: a release build has no assembler.
const PROBE_BINARY: &[u8] = include_bytes!("probe.wasm");
/// Fuel for one answer.
const PROBE_FUEL: u64 = 1_000;
/// What it answers.
const ANSWER: u32 = 42;

/// A component whose `answer` returns 42.
#[cfg(test)]
const PROBE_TEXT: &str = r#"
(component
  (core module $module (func (export "answer") (result i32) i32.const 42))
  (core instance $instance (instantiate $module))
  (func (export "answer") (result u32) (canon lift (core func $instance "answer"))))
"#;

/// The compiled probe.
pub struct Probe {
    component: Component,
}

impl Probe {
    /// Compiles it, in this process: the bytes are ours.
    ///
    /// # Errors
    /// Where the compiler does not work.
    pub fn compile(engine: &Engine) -> wasmtime::Result<Self> {
        Ok(Self { component: Component::from_binary(engine, PROBE_BINARY)? })
    }

    /// Instantiates it in a fresh store and asks for the answer.
    ///
    /// # Errors
    /// What does not work.
    pub fn run(&self, engine: &Engine, linker: &Linker<GuestState>, limits: &PluginLimits) -> wasmtime::Result<()> {
        let log = LogGate::new(std::sync::Arc::new(NoLog), limits);
        let mut store = new_store(engine, limits, std::sync::Arc::new(Interrupt::new()), log, PROBE_FUEL)?;
        let instance = linker.instantiate(&mut store, &self.component)?;
        let answer = instance.get_typed_func::<(), (u32,)>(&mut store, "answer")?.call(&mut store, ())?.0;
        wasmtime::ensure!(answer == ANSWER, "the probe answered {answer} instead of {ANSWER}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_s_binary_is_its_text() {
        assert_eq!(wat::parse_str(PROBE_TEXT).unwrap(), PROBE_BINARY);
    }
}
