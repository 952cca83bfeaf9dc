//! Sessions: one guest each, opened for one task. The host drives them, checks all that they return, and keeps their account.

pub mod chain;
pub mod generator;
pub mod judge;

use super::{outcome::PluginFailure, plugin::LoadedPlugin};

impl LoadedPlugin {
    /// An input that the contract cannot express.
    fn too_large(&self, function: &str, what: &str) -> PluginFailure {
        let message = format!("the number of {what} is past 32 bits");
        self.refused(function, super::outcome::RefusalKind::UnsupportedInput, &message)
    }
}
