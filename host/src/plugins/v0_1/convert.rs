//! Between domain types and those of contract version 0.1.0. Nothing is checked here, and what goes into a guest is borrowed.

use crate::{
    domain::{
        history::History,
        model::{Parameter, Posterior},
        plugin::{PluginDescription, VetoReason, World},
        race::TrackType,
        scenario::{RaceSetup, ScenarioBlock},
    },
    plugins::{call::Answer, describe::RawDescription, outcome::RefusalKind},
};

use super::bindings::{exports::paddock::plugin as exports, paddock::plugin::types};

/// Index that stands for a driver or a team that the model has not seen.
const UNSEEN: u32 = u32::MAX;

/// The track type as the contract has it.
pub const fn track_type(kind: TrackType) -> types::TrackType {
    match kind {
        TrackType::Superspeedway => types::TrackType::Superspeedway,
        TrackType::Road => types::TrackType::Road,
        TrackType::Dirt => types::TrackType::Dirt,
        TrackType::Short => types::TrackType::Short,
        TrackType::LargeOval => types::TrackType::LargeOval,
        TrackType::Intermediate => types::TrackType::Intermediate,
    }
}

/// What a function that may refuse has answered.
pub fn answer<R, T>(result: Result<R, types::Refusal>, convert: impl FnOnce(R) -> T) -> Answer<T> {
    result.map(convert).map_err(|refusal| match refusal {
        types::Refusal::InvalidParams(message) => (RefusalKind::InvalidParams, message),
        types::Refusal::UnsupportedInput(message) => (RefusalKind::UnsupportedInput, message),
        types::Refusal::ForeignCheckpoint(message) => (RefusalKind::ForeignCheckpoint, message),
        types::Refusal::ForeignModel(message) => (RefusalKind::ForeignModel, message),
    })
}

/// What the plugin says of itself.
pub fn raw_description(found: exports::plugin::Description, world: World) -> RawDescription {
    let reason = |reason: exports::plugin::VetoReason| VetoReason {
        code: reason.code,
        summary: reason.summary,
        is_hard: reason.is_hard,
    };
    RawDescription {
        params_schema: found.params_schema,
        description: PluginDescription {
            world,
            name: found.name,
            version: found.version,
            summary: found.summary,
            params_schema: serde_json::Value::Null,
            veto_reasons: found.veto_reasons.into_iter().map(reason).collect(),
            posterior_layout: found.posterior_layout,
            judges_scenarios: found.judges_scenarios,
            judges_lineups: found.judges_lineups,
        },
    }
}

/// A posterior layout that a calibrator returned.
pub fn layout(found: Vec<types::ParameterResult>) -> Vec<Parameter> {
    let parameter =
        |block: types::ParameterResult| Parameter { name: block.name, shape: block.shape, is_main: block.is_main };
    found.into_iter().map(parameter).collect()
}

/// The columns of a posterior layout that a generator gets.
pub fn layout_param(layout: &[Parameter]) -> Vec<types::ParameterParam<'_>> {
    layout
        .iter()
        .map(|Parameter { name, shape, is_main }| types::ParameterParam { name, shape, is_main: *is_main })
        .collect()
}

/// The model that a generator gets, with its layout from [`layout_param`].
///
/// # Errors
/// The name of a count that is past 32 bits.
pub fn model<'a>(
    posterior: &'a Posterior,
    parameters: &'a [types::ParameterParam<'a>],
) -> Result<types::Model<'a>, &'static str> {
    let count = |value: usize, name| u32::try_from(value).map_err(|_| name);
    Ok(types::Model {
        layout: &posterior.layout,
        parameters,
        driver_count: count(posterior.drivers.len(), "drivers")?,
        team_count: count(posterior.teams.len(), "teams")?,
        draw_count: count(posterior.draws, "draws")?,
        draws: &posterior.values,
    })
}

/// The track types of a history, one per race.
pub fn track_types(history: &History) -> Vec<types::TrackType> {
    history.track_type.iter().map(|&kind| track_type(kind)).collect()
}

/// The history that a calibrator gets, with its track types from [`track_types`].
///
/// # Errors
/// The name of a count that is past 32 bits.
pub fn history<'a>(
    history: &'a History,
    track_type: &'a [types::TrackType],
) -> Result<exports::calibration::History<'a>, &'static str> {
    Ok(exports::calibration::History {
        race_offsets: &history.race_offsets,
        track: &history.track,
        track_type,
        race_laps: &history.race_laps,
        weight: &history.weight,
        driver_count: u32::try_from(history.drivers.len()).map_err(|_| "drivers")?,
        team_count: u32::try_from(history.teams.len()).map_err(|_| "teams")?,
        driver: &history.driver,
        team: &history.team,
        start: &history.start,
        finish: &history.finish,
        laps_completed: &history.laps_completed,
        laps_led: &history.laps_led,
        retired: &history.retired,
    })
}

/// A race's indices as the contract has them; what [`race`] borrows.
pub struct RaceIndices {
    driver: Vec<u32>,
    team: Vec<u32>,
}

impl RaceIndices {
    /// The indices of this race.
    pub fn of(setup: &RaceSetup) -> Self {
        let known = |indices: &[Option<u32>]| indices.iter().map(|index| index.unwrap_or(UNSEEN)).collect();
        Self { driver: known(&setup.driver), team: known(&setup.team) }
    }
}

/// The race that a generator or a constraint gets.
pub fn race<'a>(setup: &'a RaceSetup, indices: &'a RaceIndices) -> types::Race<'a> {
    types::Race {
        track_type: track_type(setup.track_type),
        race_laps: setup.race_laps,
        driver: &indices.driver,
        team: &indices.team,
        start: &setup.start,
    }
}

/// Generated scenarios of a race with `entries` entries.
pub fn scenarios(found: types::ScenarioBlockResult, entries: usize) -> ScenarioBlock {
    ScenarioBlock {
        scenarios: found.scenarios as usize,
        entries,
        finish: found.finish,
        laps_led: found.laps_led,
        fastest_laps: found.fastest_laps,
        laps_completed: found.laps_completed,
        retired: found.retired,
    }
}

/// Rows `first .. first + scenarios` of a block, as a constraint gets them.
pub fn scenario_rows(block: &ScenarioBlock, first: usize, scenarios: u32) -> types::ScenarioBlockParam<'_> {
    let cells = first * block.entries..(first + scenarios as usize) * block.entries;
    types::ScenarioBlockParam {
        scenarios,
        finish: &block.finish[cells.clone()],
        laps_led: &block.laps_led[cells.clone()],
        fastest_laps: &block.fastest_laps[cells.clone()],
        laps_completed: &block.laps_completed[cells.clone()],
        retired: &block.retired[cells],
    }
}
