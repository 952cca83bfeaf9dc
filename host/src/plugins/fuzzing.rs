//! What the fuzz targets of `tests/fuzz` reach beside the room's public surface; not there in any other build.

pub use super::{
    describe::{RawDescription, check_description},
    screen::screen,
};

use crate::domain::plugin::{PluginDescription, VetoReason, World};

/// A description as a guest may return it: name, version, summary, code and summary of a veto reason, posterior layout and schema.
/// What is empty and need not be there is not.
#[must_use]
pub fn described(world: World, texts: [String; 7]) -> RawDescription {
    let [name, version, summary, code, reason, layout, params_schema] = texts;
    let reason = VetoReason { code, summary: reason, is_hard: true };
    RawDescription {
        params_schema,
        description: PluginDescription {
            world,
            name,
            version,
            summary,
            params_schema: serde_json::Value::Null,
            veto_reasons: if reason.code.is_empty() { Vec::new() } else { vec![reason] },
            posterior_layout: Some(layout).filter(|layout| !layout.is_empty()),
            judges_scenarios: world == World::Constraint,
            judges_lineups: false,
        },
    }
}
