//! The built-in scenario constraint: what cannot happen in a race (hard rules), and what hardly ever does (soft rules, with
//! bounds as parameters). It judges whole races only, never who is good.
//!
//! The hard rules veto none of the 251 real races of 2019-2025 with official loop data; the soft ones, with their default bounds,
//! veto one in fifty of them at most. `tests/real_races.rs` holds both.

mod judge;
mod lanes;
mod params;
mod row;
mod rules;

use paddock_sdk::{Constraint, Description, NoLineupJudge, Plugin};

pub use judge::PhysicsJudge;
pub use params::Params;
pub use row::{Row, Totals};
pub use rules::{REASONS, Reason, Rules};

/// The plugin.
#[derive(Debug)]
pub struct RacePhysics;

impl Plugin for RacePhysics {
    fn describe() -> Description {
        Description {
            name: "constraint-race-physics".into(),
            version: "0.1.1".into(),
            summary: "Vetoes races that cannot happen, and races that hardly ever do.".into(),
            params_schema: params::schema(),
            veto_reasons: REASONS.iter().map(Reason::described).collect(),
            posterior_layout: None,
            judges_scenarios: true,
            judges_lineups: false,
        }
    }
}

impl Constraint for RacePhysics {
    type Scenarios = PhysicsJudge;
    type Lineups = NoLineupJudge;
}

paddock_sdk::export_constraint!(RacePhysics);
