//! Runs plugins: third-party WebAssembly components, metered and sandboxed, behind checks on all that goes in and comes out.
//! Knows no job, no database and no HTTP; which plugins a team has is the catalog's to know.
//!
//! An upload goes `screen` -> `compile` (a child process) -> `cache` -> `describe`, and becomes a [`LoadedPlugin`]. A task opens
//! a session on it: a fresh store with a fuel budget, interrupted by the task's own [`Interrupt`](crate::domain::interrupt).

mod cache;
mod call;
mod capabilities;
mod check;
mod code_shape;
mod compile;
mod conformance;
mod describe;
pub mod diff;
mod engine;
#[cfg(fuzzing)]
pub mod fuzzing;
mod interfaces;
mod limits;
mod log;
mod outcome;
mod params;
mod plugin;
mod probe;
mod rejection;
mod runtime;
mod sampler;
mod screen;
mod session;
mod slices;
mod store;
mod v0_1;
mod wasi;

pub use call::CallContext;
pub use capabilities::{Capabilities, Tier, capabilities};
pub use compile::{COMPILE_SUBCOMMAND, compile_child_main};
pub use conformance::{
    CheckName, CheckReport, CheckVerdict, ConformanceLimits, ConformanceOptions, ConformanceReport, Inputs,
};
pub use interfaces::{Interfaces, interfaces_of};
pub use limits::PluginLimits;
pub use log::{GuestLog, GuestLogLevel, NoLog};
pub use outcome::{Outcome, PluginFailure, RefusalKind};
pub use plugin::LoadedPlugin;
pub use rejection::Rejection;
pub use runtime::{Admitted, PluginRuntime, PluginsConfig, RuntimeError, hash_of};
pub use sampler::StackSampler;
pub use session::{
    chain::{ChainSession, Progress},
    generator::GeneratorSession,
    judge::{LineupJudgeSession, ScenarioJudgeSession, SlateView},
};
