//! Conversions between the bindings' shared types and the SDK's plain ones. Lists are moved, not copied.

use super::Exported;
use super::description::exports::paddock::plugin::plugin as wit_plugin;
use super::shared::paddock::plugin::types as wit;
use crate::{LineupBlock, Model, Parameter, Plugin, Race, Refusal, ScenarioBlock, Slate, TrackType, VetoReason};

impl From<wit::TrackType> for TrackType {
    fn from(track_type: wit::TrackType) -> Self {
        match track_type {
            wit::TrackType::Superspeedway => Self::Superspeedway,
            wit::TrackType::Road => Self::Road,
            wit::TrackType::Dirt => Self::Dirt,
            wit::TrackType::Short => Self::Short,
            wit::TrackType::LargeOval => Self::LargeOval,
            wit::TrackType::Intermediate => Self::Intermediate,
        }
    }
}

impl From<Refusal> for wit::Refusal {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidParams(text) => Self::InvalidParams(text),
            Refusal::UnsupportedInput(text) => Self::UnsupportedInput(text),
            Refusal::ForeignCheckpoint(text) => Self::ForeignCheckpoint(text),
            Refusal::ForeignModel(text) => Self::ForeignModel(text),
        }
    }
}

impl From<wit::Parameter> for Parameter {
    fn from(parameter: wit::Parameter) -> Self {
        Self { name: parameter.name, shape: parameter.shape, is_main: parameter.is_main }
    }
}

impl From<Parameter> for wit::Parameter {
    fn from(parameter: Parameter) -> Self {
        Self { name: parameter.name, shape: parameter.shape, is_main: parameter.is_main }
    }
}

impl From<wit::Model> for Model {
    fn from(model: wit::Model) -> Self {
        Self {
            layout: model.layout,
            parameters: model.parameters.into_iter().map(Into::into).collect(),
            driver_count: model.driver_count,
            team_count: model.team_count,
            draw_count: model.draw_count,
            draws: model.draws,
        }
    }
}

impl From<wit::Race> for Race {
    fn from(race: wit::Race) -> Self {
        Self {
            track_type: race.track_type.into(),
            race_laps: race.race_laps,
            driver: race.driver,
            team: race.team,
            start: race.start,
        }
    }
}

impl From<ScenarioBlock> for wit::ScenarioBlock {
    fn from(block: ScenarioBlock) -> Self {
        Self {
            scenarios: block.scenarios,
            finish: block.finish,
            laps_led: block.laps_led,
            fastest_laps: block.fastest_laps,
            laps_completed: block.laps_completed,
            retired: block.retired,
        }
    }
}

impl From<wit::ScenarioBlock> for ScenarioBlock {
    fn from(block: wit::ScenarioBlock) -> Self {
        Self {
            scenarios: block.scenarios,
            finish: block.finish,
            laps_led: block.laps_led,
            fastest_laps: block.fastest_laps,
            laps_completed: block.laps_completed,
            retired: block.retired,
        }
    }
}

impl From<wit::LineupBlock> for LineupBlock {
    fn from(block: wit::LineupBlock) -> Self {
        Self { lineups: block.lineups, roster_size: block.roster_size, entry: block.entry }
    }
}

impl From<wit::Slate> for Slate {
    fn from(slate: wit::Slate) -> Self {
        Self {
            driver: slate.driver,
            team: slate.team,
            make: slate.make,
            salary_usd: slate.salary_usd,
            start: slate.start,
            salary_cap_usd: slate.salary_cap_usd,
        }
    }
}

impl<P: Plugin + 'static> wit_plugin::Guest for Exported<P> {
    fn describe() -> wit_plugin::Description {
        let described = P::describe();
        wit_plugin::Description {
            name: described.name,
            version: described.version,
            summary: described.summary,
            params_schema: described.params_schema,
            veto_reasons: described.veto_reasons.into_iter().map(Into::into).collect(),
            posterior_layout: described.posterior_layout,
            judges_scenarios: described.judges_scenarios,
            judges_lineups: described.judges_lineups,
        }
    }
}

impl From<VetoReason> for wit_plugin::VetoReason {
    fn from(reason: VetoReason) -> Self {
        Self { code: reason.code, summary: reason.summary, is_hard: reason.is_hard }
    }
}
