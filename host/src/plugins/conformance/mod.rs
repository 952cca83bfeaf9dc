//! The conformance suite: runs a plugin on a made-up race in several ways and says which promises of the contract it keeps. The
//! same suite stands at the door of the server and behind `paddock plugin check`. It knows no database and no job.
//!
//! One honest run comes first (`runs`); the other checks compare it with runs that must not differ (`evidence`).

mod evidence;
mod inputs;
mod limits;
mod probes;
mod report;
mod runs;
mod suite;

pub use inputs::Inputs;
pub use limits::ConformanceLimits;
pub use report::{CheckName, CheckReport, CheckVerdict, ConformanceReport};

use super::{outcome::PluginFailure, plugin::LoadedPlugin};

/// What to check, and with what.
#[derive(Debug, Clone, Default)]
pub struct ConformanceOptions {
    /// The checks to make; all where it is empty.
    pub only: Vec<CheckName>,
    /// Seeds the plugin, and the scenarios and lineups that constraints are shown.
    pub seed: u64,
    /// Other inputs than the bundled ones.
    pub inputs: Option<Inputs>,
}

impl LoadedPlugin {
    /// Runs the suite within [`ConformanceLimits`]. What the plugin does wrong is in the report.
    ///
    /// # Errors
    /// The host's own failure, which says nothing of the plugin.
    pub fn conformance(&self, options: &ConformanceOptions) -> Result<ConformanceReport, PluginFailure> {
        suite::run(self, options)
    }
}
