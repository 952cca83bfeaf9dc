//! The way of an upload: screened, compiled in a process of its own, described, tested, and only then active.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{error::ApiError, state::ApiState};
use crate::{
    auth::Principal,
    catalog::{self, NewPlugin, StoredPlugin, UploadState},
    domain::{plugin::PluginDescription, problem::Problem},
    plugins::{Admitted, Capabilities, ConformanceOptions, ConformanceReport, LoadedPlugin, capabilities},
};

/// What was found on an upload's way in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UploadReport {
    /// SHA-256 of the component, hexadecimal.
    pub hash: String,
    /// What it asks of the host.
    pub capabilities: Capabilities,
    /// Time to compile it, in milliseconds; 0 where the compiled code was there already.
    pub compile_ms: f64,
    /// How it kept the promises of the contract on a bundled race.
    pub conformance: ConformanceReport,
}

/// Takes an upload in, as far as it comes. Gives the version as it stands then, and whether it is new.
///
/// # Errors
/// Why it is no plugin, or not one that can have this name and version; nothing of it is kept then.
pub async fn take_in(state: &ApiState, principal: &Principal, wasm: Bytes) -> Result<(StoredPlugin, bool), ApiError> {
    let (admitted, capabilities) = admit(state, wasm.clone()).await?;
    let size_bytes = wasm.len() as u64;
    state.artifacts().put(wasm).await?;
    let new = NewPlugin {
        team: Some(principal.team.clone()),
        uploaded_by: Some(principal.key.clone()),
        state: UploadState::Compiled,
        hash: admitted.hash.clone(),
        description: admitted.description.clone(),
        size_bytes,
    };
    let (plugin, is_new) = catalog::insert_plugin(state.db(), &new).await?;
    if plugin.state == UploadState::Active {
        return Ok((plugin, is_new));
    }
    let conformance = test(admitted.plugin).await?;
    let is_taken = conformance.passed || !state.plugins().limits().conformance_required;
    let settled = if is_taken { UploadState::Active } else { UploadState::Rejected };
    let report = UploadReport { hash: admitted.hash, capabilities, compile_ms: admitted.compile_ms, conformance };
    let told = serde_json::to_value(&report).map_err(|error| ApiError::internal(&error))?;
    let plugin = catalog::settle_plugin(state.db(), &plugin, settled, &told).await?;
    Ok((plugin, true))
}

/// What the author of an upload that has failed its tests is told: the failed tests, and where the whole report is.
///
/// # Errors
/// Where the database fails.
pub async fn rejection(state: &ApiState, plugin: &StoredPlugin, mut refusal: Problem) -> Result<Problem, ApiError> {
    let report = catalog::plugin_report(state.db(), &plugin.id).await?;
    let report = report.and_then(|report| UploadReport::deserialize(report).ok());
    let failed: Vec<String> = report
        .iter()
        .flat_map(|report| report.conformance.failed())
        .map(|check| format!("{}: {}", check.name, check.found))
        .collect();
    let PluginDescription { name, version, .. } = &plugin.description;
    refusal.detail = format!("{} has failed its tests: {}.", plugin.label(), failed.join("; "));
    refusal.action = format!(
        "Correct it and upload it again, under the same version if you like. GET /v1/plugins/{name}/{version}/report has how to \
         repeat each test with `paddock plugin check`."
    );
    Ok(refusal)
}

/// The tests run guest code, which blocks.
async fn test(plugin: LoadedPlugin) -> Result<ConformanceReport, ApiError> {
    let testing = tokio::task::spawn_blocking(move || plugin.conformance(&ConformanceOptions::default()));
    testing.await.map_err(|error| ApiError::internal(&error))?.map_err(ApiError::from)
}

/// Screening, compiling and describing block; none of it may hold up the async runtime.
async fn admit(state: &ApiState, wasm: Bytes) -> Result<(Admitted, Capabilities), ApiError> {
    let plugins = state.plugins().clone();
    let admitting = tokio::task::spawn_blocking(move || plugins.admit(&wasm).map(|found| (found, capabilities(&wasm))));
    admitting.await.map_err(|error| ApiError::internal(&error))?.map_err(ApiError::from)
}
