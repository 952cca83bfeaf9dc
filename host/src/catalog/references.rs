//! Which artifacts the catalog needs: posteriors of models, components of plugins.

use std::collections::HashSet;

use serde_json::json;

use super::{error::CatalogError, rows};
use crate::db::{Db, artifacts::ArtifactHash};

const IN_USE: &str = "
    SELECT artifact AS hash FROM models WHERE artifact IN (SELECT value ->> 'hash' FROM json_each($1))
    UNION SELECT hash FROM plugins WHERE hash IN (SELECT value ->> 'hash' FROM json_each($1))";

/// Which of these artifacts a model or a plugin needs.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn artifacts_in_use(db: &Db, asked: &[ArtifactHash]) -> Result<HashSet<ArtifactHash>, CatalogError> {
    let asked: Vec<_> = asked.iter().map(|hash| json!({ "hash": hash })).collect();
    let found = sqlx::query(IN_USE).bind(json!(asked).to_string()).fetch_all(db.read()).await?;
    found.iter().map(|row| rows::parsed(row, "hash", "models.artifact")).collect()
}
