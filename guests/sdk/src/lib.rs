//! The Rust SDK for paddock plugins: typed traits for the three worlds, and the numerics a plugin needs to be deterministic and
//! fast inside a metered sandbox. It knows nothing of any particular model or rule.
//!
//! A plugin is a `crate-type = ["cdylib", "rlib"]` crate whose logic is ordinary Rust, tested natively; one export macro at the
//! bottom turns it into a component when compiled for wasm32 and expands to nothing elsewhere.

#[cfg(target_arch = "wasm32")]
extern crate self as paddock_sdk;

mod calibrator;
mod constraint;
mod export;
mod generator;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod glue;
pub mod kernels;
pub mod log;
pub mod nuts;
pub mod params;
pub mod random;
pub mod state;
mod types;

pub use calibrator::{Calibrator, Draws, History, Progress};
pub use constraint::{Constraint, LineupJudge, NoLineupJudge, NoScenarioJudge, ScenarioJudge};
pub use generator::Generator;
pub use random::Rng;
pub use types::{
    Description, LineupBlock, Model, Parameter, Race, Refusal, ScenarioBlock, Slate, TrackType, UNSEEN, VetoReason,
};

/// Who a plugin is. Every world needs it.
pub trait Plugin {
    /// Pure, quick and deterministic: the host calls it once at upload, under a small budget.
    fn describe() -> Description;
}
