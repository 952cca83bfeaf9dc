//! Fitted models of a team. The posterior itself is an artifact.

use serde_json::Value;
use sqlx::Row as _;

use super::{
    error::CatalogError,
    rows::{self, ListCursor, Listed},
};
use crate::{
    db::{Db, Row},
    domain::ids::{JobId, ModelId, TeamId},
};

const MODEL: &str = "model";

/// A model to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewModel {
    /// Its id, given by whoever planned the fit, so that storing it twice changes nothing.
    pub id: ModelId,
    /// Whose it is.
    pub team: TeamId,
    /// The job that fitted it.
    pub job: JobId,
    /// Calibrator, `name@version`.
    pub calibrator: String,
    /// Content hash of the calibrator.
    pub calibrator_hash: String,
    /// Posterior layout.
    pub layout: String,
    /// Posterior draws.
    pub draws: usize,
    /// Hash of the posterior's artifact.
    pub artifact: String,
    /// Races of the history.
    pub races: usize,
    /// Key of the oldest race.
    pub first_race: String,
    /// Key of the latest race.
    pub last_race: String,
    /// How the fit went.
    pub fit: Value,
}

/// A model of the catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredModel {
    /// The model.
    pub id: ModelId,
    /// The job that fitted it.
    pub job: JobId,
    /// Calibrator, `name@version`.
    pub calibrator: String,
    /// Content hash of the calibrator.
    pub calibrator_hash: String,
    /// Posterior layout.
    pub layout: String,
    /// Posterior draws.
    pub draws: usize,
    /// Hash of the posterior's artifact.
    pub artifact: String,
    /// Races of the history.
    pub races: usize,
    /// Key of the oldest race.
    pub first_race: String,
    /// Key of the latest race.
    pub last_race: String,
    /// How the fit went.
    pub fit: Value,
    /// When it was stored, in microseconds since 1970-01-01 UTC.
    pub created_us: i64,
}

const INSERT: &str = "
    INSERT INTO models (id, team_id, job_id, calibrator, calibrator_hash, layout, draws, artifact, races, first_race,
        last_race, fit, created_us)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now_us FROM clock WHERE true
    ON CONFLICT (id) DO NOTHING";

/// Stores a model; a second time changes nothing.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn insert_model(db: &Db, new: &NewModel) -> Result<(), CatalogError> {
    let mut tx = db.write().await?;
    sqlx::query(INSERT)
        .bind(new.id.as_str())
        .bind(new.team.as_str())
        .bind(new.job.as_str())
        .bind(&new.calibrator)
        .bind(&new.calibrator_hash)
        .bind(&new.layout)
        .bind(i64::try_from(new.draws).unwrap_or(i64::MAX))
        .bind(&new.artifact)
        .bind(i64::try_from(new.races).unwrap_or(i64::MAX))
        .bind(&new.first_race)
        .bind(&new.last_race)
        .bind(rows::to_text(&new.fit, "models.fit")?)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

const FIND: &str = "
    SELECT id, job_id, calibrator, calibrator_hash, layout, draws, artifact, races, first_race, last_race, fit, created_us
    FROM models WHERE id = $1 AND team_id = $2";

const OWNER: &str = "SELECT team_id FROM models WHERE id = $1";

/// A model of the team.
///
/// # Errors
/// [`CatalogError::NotFound`], [`CatalogError::NotYours`], or [`CatalogError::Db`].
pub async fn model(db: &Db, team: &TeamId, id: &ModelId) -> Result<StoredModel, CatalogError> {
    match sqlx::query(FIND).bind(id.as_str()).bind(team.as_str()).fetch_optional(db.read()).await? {
        Some(row) => read_model(&row),
        None => Err(rows::absent(db, OWNER, MODEL, id.as_str(), team).await),
    }
}

const LIST: &str = "
    SELECT id, job_id, calibrator, calibrator_hash, layout, draws, artifact, races, first_race, last_race, fit, created_us
    FROM models
    WHERE team_id = $1 AND (CAST($2 AS BIGINT) IS NULL OR (created_us, id) < ($2, $3))
    ORDER BY created_us DESC, id DESC LIMIT $4";

/// A page of the team's models, newest first.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn list_models(
    db: &Db,
    team: &TeamId,
    after: Option<&ListCursor>,
    limit: u32,
) -> Result<Listed<StoredModel>, CatalogError> {
    let found = sqlx::query(LIST)
        .bind(team.as_str())
        .bind(after.map(|cursor| cursor.order))
        .bind(after.map(|cursor| cursor.id.as_str()))
        .bind(rows::rows_asked(limit))
        .fetch_all(db.read())
        .await?;
    let items = found.iter().map(read_model).collect::<Result<Vec<_>, _>>()?;
    Ok(rows::page(items, limit, |model| ListCursor { order: model.created_us, id: model.id.as_str().to_owned() }))
}

fn read_model(row: &Row) -> Result<StoredModel, CatalogError> {
    Ok(StoredModel {
        id: rows::parsed(row, "id", "models.id")?,
        job: rows::parsed(row, "job_id", "models.job_id")?,
        calibrator: row.try_get("calibrator")?,
        calibrator_hash: row.try_get("calibrator_hash")?,
        layout: row.try_get("layout")?,
        draws: rows::number(row, "draws", "models.draws")?,
        artifact: row.try_get("artifact")?,
        races: rows::number(row, "races", "models.races")?,
        first_race: row.try_get("first_race")?,
        last_race: row.try_get("last_race")?,
        fit: rows::json(row, "fit", "models.fit")?,
        created_us: row.try_get("created_us")?,
    })
}
