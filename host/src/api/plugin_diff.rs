//! Two versions of a plugin side by side.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{caller::Reader, error::ApiError, params::Query, plugin_views::named, state::ApiState};
use crate::{
    auth::Principal,
    catalog::{self, CatalogError, StoredPlugin},
    domain::problem::Problem,
    plugins::{
        Capabilities, capabilities,
        diff::{self, Facts, PluginDiff},
    },
};

/// Routes that compare versions.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(compare))
}

/// Which versions to compare.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DiffQuery {
    /// A version or an alias.
    #[param(example = "stable")]
    from: String,
    /// A version or an alias.
    #[param(example = "1.3.0")]
    to: String,
}

/// How two versions of a plugin differ.
///
/// What they ask of the host, what they promise to those who use them, and what they cost: what to look at before a promotion.
#[utoipa::path(
    get, path = "/v1/plugins/{name}/diff", tag = "plugins",
    params(("name" = String, Path, example = "my-rule"), DiffQuery),
    responses((status = 200, body = PluginDiff))
)]
async fn compare(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Path(name): Path<String>,
    Query(query): Query<DiffQuery>,
) -> Result<Json<PluginDiff>, ApiError> {
    let from = Looked::up(&state, &principal, &name, "from", &query.from).await?;
    let to = Looked::up(&state, &principal, &name, "to", &query.to).await?;
    Ok(Json(diff::diff(from.facts(), to.facts())))
}

/// A version with what is compared of it.
struct Looked {
    plugin: StoredPlugin,
    capabilities: Capabilities,
    test_fuel: Option<u64>,
}

impl Looked {
    async fn up(
        state: &ApiState,
        principal: &Principal,
        name: &str,
        field: &str,
        version: &str,
    ) -> Result<Self, ApiError> {
        let unknown = |detail: String| {
            Problem::invalid(field, detail, "Name a version or an alias that GET /v1/plugins?name= shows.")
        };
        let which = version.parse().map_err(|_| unknown(format!("`{version}` is no version and no alias.")))?;
        let found = catalog::find_plugin(state.db(), &principal.team, &named(name, which)?).await;
        let plugin = found?;
        let report = catalog::plugin_report(state.db(), &plugin.id).await?;
        // Read from the component and not from its report: what is shipped has none.
        let hash = plugin.hash.parse().map_err(|error| ApiError::internal(&error))?;
        let wasm = state.artifacts().get(&hash).await.map_err(CatalogError::from)?;
        let read = tokio::task::spawn_blocking(move || capabilities(&wasm)).await;
        Ok(Self {
            capabilities: read.map_err(|error| ApiError::internal(&error))?,
            test_fuel: report
                .as_ref()
                .and_then(|report| report.pointer("/conformance/usage/fuel").and_then(Value::as_u64)),
            plugin,
        })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            description: &self.plugin.description,
            capabilities: &self.capabilities,
            hash: &self.plugin.hash,
            size_bytes: self.plugin.size_bytes,
            test_fuel: self.test_fuel,
        }
    }
}
