//! The plugins that paddock ships: their components are part of the binary, and every team may use them.

use anyhow::{Context, Result};
use bytes::Bytes;

use crate::{
    catalog::{self, CatalogError, NewPlugin, UploadState},
    db::{Db, artifacts::ArtifactStore},
    plugins::{PluginRuntime, hash_of},
};

/// Built by `guests/build.sh` from the crates beside them; CI checks that they match.
const COMPONENTS: [&[u8]; 4] = [
    include_bytes!("../../../guests/components/calibrator-attrition.wasm"),
    include_bytes!("../../../guests/components/generator-race.wasm"),
    include_bytes!("../../../guests/components/constraint-race-physics.wasm"),
    include_bytes!("../../../guests/components/constraint-team-limit.wasm"),
];

/// Enters the built-in plugins that the catalog does not have yet, by the same way that an upload takes.
///
/// # Errors
/// Where a component is not taken, or the storage fails.
pub async fn enter(db: &Db, artifacts: &ArtifactStore, plugins: &PluginRuntime) -> Result<()> {
    for component in COMPONENTS {
        if catalog::is_shipped_plugin(db, &hash_of(component)).await? {
            continue;
        }
        let runtime = plugins.clone();
        let admitted = tokio::task::spawn_blocking(move || runtime.admit(component)).await?;
        let admitted = admitted.context("a built-in plugin was not taken")?;
        let label = format!("{}@{}", admitted.description.name, admitted.description.version);
        artifacts.put(Bytes::from_static(component)).await.context("a built-in plugin could not be stored")?;
        let new = NewPlugin {
            team: None,
            uploaded_by: None,
            state: UploadState::Active,
            hash: admitted.hash,
            description: admitted.description,
            size_bytes: component.len() as u64,
        };
        match catalog::insert_plugin(db, &new).await {
            Ok(_) => tracing::info!(plugin.name = %label, "a built-in plugin is there now"),
            // A version's bytes never change once a job may have pinned them.
            Err(CatalogError::VersionTaken { .. }) => {
                tracing::warn!(plugin.name = %label, "this data directory has other bytes under the same version and keeps them");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
