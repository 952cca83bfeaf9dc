//! Races of a team: past ones with results, coming ones without.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::Row as _;
use utoipa::ToSchema;

use super::{
    error::CatalogError,
    history::{HistoryError, check_half_life},
    limits::CatalogLimits,
    race_file::RaceDraft,
    rows::{self, ListCursor, Listed},
};
use crate::{
    db::{Db, Row, WriteTx},
    domain::{
        ids::{RaceId, TeamId},
        race::{Race, RaceEntry, TrackType, race_key},
        spec::HistorySpec,
    },
};

const RACE: &str = "race";

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RacesStored {
    /// Races that were not there before.
    pub inserted: usize,
    /// Races that were there with other content.
    pub replaced: usize,
    /// Races that were there already.
    pub unchanged: usize,
}

/// A race without its entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RaceSummary {
    /// The race.
    pub id: RaceId,
    /// Season and number, `2025-07`.
    pub key: String,
    /// Name of the race.
    pub name: String,
    /// Name of the track.
    pub track: String,
    /// Kind of track.
    pub track_type: TrackType,
    /// Laps run, or scheduled for a race to come.
    pub race_laps: u16,
    /// Entries.
    pub entries: u16,
    /// Whether it has been run.
    pub has_results: bool,
}

/// Stores races, all or none. A race that is there already keeps its id; importing the same content again changes nothing.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn insert_races(db: &Db, team: &TeamId, races: &[RaceDraft]) -> Result<RacesStored, CatalogError> {
    let mut tx = db.write().await?;
    let mut stored = RacesStored::default();
    for draft in races {
        match store_race(&mut tx, team, draft).await?.1 {
            Change::Inserted => stored.inserted += 1,
            Change::Replaced => stored.replaced += 1,
            Change::None => stored.unchanged += 1,
        }
    }
    tx.commit().await?;
    Ok(stored)
}

/// What storing a race changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Inserted,
    Replaced,
    None,
}

const FIND_BY_KEY: &str = "
    SELECT id, team_id, season, number, name, track, track_type, race_laps, entries
    FROM races WHERE team_id = $1 AND season = $2 AND number = $3";

const UPSERT: &str = "
    INSERT INTO races (id, team_id, season, number, name, track, track_type, race_laps, entry_count, has_results, entries,
        created_us, updated_us)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now_us, now_us FROM clock WHERE true
    ON CONFLICT (team_id, season, number) DO UPDATE SET name = excluded.name, track = excluded.track,
        track_type = excluded.track_type, race_laps = excluded.race_laps, entry_count = excluded.entry_count,
        has_results = excluded.has_results, entries = excluded.entries, updated_us = excluded.updated_us";

/// Stores one race within the caller's transaction.
pub(super) async fn store_race(
    tx: &mut WriteTx,
    team: &TeamId,
    draft: &RaceDraft,
) -> Result<(Race, Change), CatalogError> {
    let found = sqlx::query(FIND_BY_KEY)
        .bind(team.as_str())
        .bind(i64::from(draft.season))
        .bind(i64::from(draft.number))
        .fetch_optional(&mut **tx)
        .await?;
    let known = found.as_ref().map(read_race).transpose()?;
    let id = known.as_ref().map_or_else(RaceId::random, |race| race.id.clone());
    let race = draft.clone().into_race(id);
    let change = match &known {
        Some(known) if *known == race => return Ok((race, Change::None)),
        Some(_) => Change::Replaced,
        None => Change::Inserted,
    };
    sqlx::query(UPSERT)
        .bind(race.id.as_str())
        .bind(team.as_str())
        .bind(i64::from(race.season))
        .bind(i64::from(race.number))
        .bind(&race.name)
        .bind(&race.track)
        .bind(race.track_type.as_str())
        .bind(i64::from(race.race_laps))
        .bind(i64::try_from(race.entries.len()).unwrap_or(i64::MAX))
        .bind(i64::from(race.has_results()))
        .bind(rows::to_text(&race.entries, "races.entries")?)
        .execute(&mut **tx)
        .await?;
    Ok((race, change))
}

const FIND: &str = "
    SELECT id, team_id, season, number, name, track, track_type, race_laps, entries
    FROM races WHERE id = $1 AND team_id = $2";

const OWNER: &str = "SELECT team_id FROM races WHERE id = $1";

/// A race of the team.
///
/// # Errors
/// [`CatalogError::NotFound`], [`CatalogError::NotYours`], or [`CatalogError::Db`].
pub async fn race(db: &Db, team: &TeamId, id: &RaceId) -> Result<Race, CatalogError> {
    match sqlx::query(FIND).bind(id.as_str()).bind(team.as_str()).fetch_optional(db.read()).await? {
        Some(row) => read_race(&row),
        None => Err(rows::absent(db, OWNER, RACE, id.as_str(), team).await),
    }
}

const FIND_MANY: &str = "
    SELECT races.id, team_id, season, number, name, track, track_type, race_laps, entries
    FROM json_each($1) AS item CROSS JOIN races WHERE races.id = item.value ->> 'id' AND races.team_id = $2";

/// Races of the team, in the order of `ids`, which name each race once.
///
/// # Errors
/// As [`race`], for the first that is not there.
pub async fn races_by_ids(db: &Db, team: &TeamId, ids: &[RaceId]) -> Result<Vec<Race>, CatalogError> {
    let items: Vec<_> = ids.iter().map(|id| json!({ "id": id.as_str() })).collect();
    let rows =
        sqlx::query(FIND_MANY).bind(Value::from(items).to_string()).bind(team.as_str()).fetch_all(db.read()).await?;
    let found = rows.iter().map(read_race).map(|race| race.map(|race| (race.id.clone(), race)));
    let mut found = found.collect::<Result<HashMap<_, _>, _>>()?;
    let mut races = Vec::with_capacity(ids.len());
    for id in ids {
        match found.remove(id) {
            Some(race) => races.push(race),
            None => return Err(rows::absent(db, OWNER, RACE, id.as_str(), team).await),
        }
    }
    Ok(races)
}

/// The race with this key, if the team has one.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn race_by_key(db: &Db, team: &TeamId, season: u16, number: u16) -> Result<Option<Race>, CatalogError> {
    let row = sqlx::query(FIND_BY_KEY)
        .bind(team.as_str())
        .bind(i64::from(season))
        .bind(i64::from(number))
        .fetch_optional(db.read())
        .await?;
    row.as_ref().map(read_race).transpose()
}

const HISTORY: &str = "
    SELECT id, team_id, season, number, name, track, track_type, race_laps, entries
    FROM races
    WHERE team_id = $1 AND has_results = 1 AND season * 100 + number < $2
    ORDER BY season DESC, number DESC LIMIT $3";

/// The races with results that `spec` selects, oldest first; at least one.
///
/// # Errors
/// [`CatalogError::History`] where the selection is out of range or empty, [`CatalogError::Db`].
pub async fn history_races(
    db: &Db,
    team: &TeamId,
    spec: &HistorySpec,
    limits: &CatalogLimits,
) -> Result<Vec<Race>, CatalogError> {
    check_half_life(spec)?;
    let limit = limits.history_races_max;
    if !(1..=limit).contains(&spec.trailing_races) {
        return Err(HistoryError::TrailingRaces { found: spec.trailing_races, limit }.into());
    }
    let before = match &spec.before {
        Some(key) => key_order(key).ok_or_else(|| HistoryError::Before { found: key.clone() })?,
        None => i64::MAX,
    };
    let rows = sqlx::query(HISTORY)
        .bind(team.as_str())
        .bind(before)
        .bind(i64::from(spec.trailing_races))
        .fetch_all(db.read())
        .await?;
    let mut races: Vec<Race> = rows.iter().map(read_race).collect::<Result<_, _>>()?;
    races.reverse();
    if races.is_empty() {
        return Err(HistoryError::NoRaces { before: spec.before.clone() }.into());
    }
    Ok(races)
}

/// A key as the number that races are ordered by.
fn key_order(key: &str) -> Option<i64> {
    super::race_file::parse_race_key(key).map(|(season, number)| i64::from(season) * 100 + i64::from(number))
}

const LIST: &str = "
    SELECT id, season, number, name, track, track_type, race_laps, entry_count, has_results
    FROM races
    WHERE team_id = $1 AND (CAST($2 AS BIGINT) IS NULL OR season * 100 + number < $2)
    ORDER BY season DESC, number DESC LIMIT $3";

/// A page of the team's races, latest first.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn list_races(
    db: &Db,
    team: &TeamId,
    after: Option<&ListCursor>,
    limit: u32,
) -> Result<Listed<RaceSummary>, CatalogError> {
    let found = sqlx::query(LIST)
        .bind(team.as_str())
        .bind(after.map(|cursor| cursor.order))
        .bind(rows::rows_asked(limit))
        .fetch_all(db.read())
        .await?;
    let items = found.iter().map(read_summary).collect::<Result<Vec<_>, _>>()?;
    Ok(rows::page(items, limit, |race| ListCursor {
        order: key_order(&race.key).unwrap_or(0),
        id: race.id.as_str().to_owned(),
    }))
}

fn read_summary(row: &Row) -> Result<RaceSummary, CatalogError> {
    Ok(RaceSummary {
        id: rows::parsed(row, "id", "races.id")?,
        key: race_key(rows::number(row, "season", "races.season")?, rows::number(row, "number", "races.number")?),
        name: row.try_get("name")?,
        track: row.try_get("track")?,
        track_type: read_track_type(row)?,
        race_laps: rows::number(row, "race_laps", "races.race_laps")?,
        entries: rows::number(row, "entry_count", "races.entry_count")?,
        has_results: row.try_get::<i64, _>("has_results")? != 0,
    })
}

fn read_race(row: &Row) -> Result<Race, CatalogError> {
    let entries: Vec<RaceEntry> = rows::json(row, "entries", "races.entries")?;
    Ok(Race {
        id: rows::parsed(row, "id", "races.id")?,
        season: rows::number(row, "season", "races.season")?,
        number: rows::number(row, "number", "races.number")?,
        name: row.try_get("name")?,
        track: row.try_get("track")?,
        track_type: read_track_type(row)?,
        race_laps: rows::number(row, "race_laps", "races.race_laps")?,
        entries,
    })
}

fn read_track_type(row: &Row) -> Result<TrackType, CatalogError> {
    let name: String = row.try_get("track_type")?;
    TrackType::from_name(&name).ok_or_else(|| rows::unreadable("races.track_type", &name))
}
