//! The catalog: races, slates, contests, models and plugins of each team, and the files they come from. It runs nothing.

mod cells;
pub mod columns;
pub mod contests;
mod error;
pub mod history;
pub mod issue;
pub mod limits;
mod models;
pub mod names;
pub mod plugins;
pub mod race_file;
pub mod race_warning;
mod races;
mod references;
mod rows;
pub mod slate_file;
pub mod slate_match;
mod slates;
pub mod synthetic;
mod table;
pub mod upcoming;

#[cfg(test)]
mod tests;

pub use self::{
    contests::ContestBook,
    error::CatalogError,
    history::{build_history, race_setup},
    limits::CatalogLimits,
    models::{NewModel, StoredModel, insert_model, list_models, model},
    names::normal_form,
    plugins::{
        NewPlugin, StoredPlugin, UploadState, deprecate_plugin, disable_plugin, find_plugin, insert_plugin,
        is_shipped_plugin, list_plugins, plugin_report, settle_plugin,
    },
    races::{RaceSummary, RacesStored, history_races, insert_races, list_races, race, race_by_key, races_by_ids},
    references::artifacts_in_use,
    rows::{ListCursor, Listed},
    slates::{NewSlate, SlateRace, SlateSummary, insert_slate, insert_slate_in, list_slates, slate},
};
