//! Slates of a team.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use utoipa::ToSchema;

use super::{
    error::CatalogError,
    race_file::RaceDraft,
    races::{race, store_race},
    rows::{self, ListCursor, Listed},
};
use crate::{
    db::{Db, Row, WriteTx},
    domain::{
        ids::{RaceId, SlateId, TeamId},
        race::Race,
        slate::{Slate, SlateEntry},
    },
};

const SLATE: &str = "slate";

/// A slate to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSlate {
    /// Name for people.
    pub name: String,
    /// Key of the contest.
    pub contest: String,
    /// The race, or the coming race that is stored together with the slate.
    pub race: SlateRace,
    /// Entries; their drivers are the race's.
    pub entries: Vec<SlateEntry>,
}

/// The race that a slate is for.
#[derive(Debug, Clone, PartialEq)]
pub enum SlateRace {
    /// A race of the catalog.
    Stored(RaceId),
    /// A race that is stored together with the slate.
    New(RaceDraft),
}

/// A slate without its entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SlateSummary {
    /// The slate.
    pub id: SlateId,
    /// Name for people.
    pub name: String,
    /// Key of the contest.
    pub contest: String,
    /// The race.
    pub race: RaceId,
    /// When it was made, in microseconds since 1970-01-01 UTC.
    #[serde(skip)]
    pub created_us: i64,
}

/// A driver of a stored slate. The place among the race's entries is looked up by name whenever the slate is read.
#[derive(Debug, Serialize, Deserialize)]
struct StoredEntry {
    driver: String,
    external_id: Option<String>,
    salary_usd: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    positions: Vec<String>,
}

const INSERT: &str = "
    INSERT INTO slates (id, team_id, name, contest, race_id, entries, created_us)
    SELECT $1, $2, $3, $4, $5, $6, now_us FROM clock";

/// Stores a slate, and its race where it comes with one.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn insert_slate(db: &Db, team: &TeamId, new: NewSlate) -> Result<Slate, CatalogError> {
    let mut tx = db.write().await?;
    let slate = insert_slate_in(&mut tx, team, new).await?;
    tx.commit().await?;
    Ok(slate)
}

/// Stores a slate within the caller's transaction, for callers that store more beside it.
///
/// # Errors
/// As [`insert_slate`]. Roll the transaction back then.
pub async fn insert_slate_in(tx: &mut WriteTx, team: &TeamId, new: NewSlate) -> Result<Slate, CatalogError> {
    let NewSlate { name, contest, race, entries } = new;
    let stored: Vec<StoredEntry> = entries
        .iter()
        .map(|entry| StoredEntry {
            driver: entry.driver.clone(),
            external_id: entry.external_id.clone(),
            salary_usd: entry.salary_usd,
            positions: entry.positions.clone(),
        })
        .collect();
    let entries_text = rows::to_text(&stored, "slates.entries")?;
    let race = match race {
        SlateRace::Stored(id) => id,
        SlateRace::New(draft) => store_race(tx, team, &draft).await?.0.id,
    };
    let id = SlateId::random();
    sqlx::query(INSERT)
        .bind(id.as_str())
        .bind(team.as_str())
        .bind(&name)
        .bind(&contest)
        .bind(race.as_str())
        .bind(entries_text)
        .execute(&mut **tx)
        .await?;
    Ok(Slate { id, name, contest, race, entries })
}

const FIND: &str = "
    SELECT id, name, contest, race_id, entries, created_us FROM slates WHERE id = $1 AND team_id = $2";

const OWNER: &str = "SELECT team_id FROM slates WHERE id = $1";

/// A slate of the team.
///
/// # Errors
/// [`CatalogError::NotFound`], [`CatalogError::NotYours`], [`CatalogError::SlateOutdated`], or [`CatalogError::Db`].
pub async fn slate(db: &Db, team: &TeamId, id: &SlateId) -> Result<Slate, CatalogError> {
    let Some(row) = sqlx::query(FIND).bind(id.as_str()).bind(team.as_str()).fetch_optional(db.read()).await? else {
        return Err(rows::absent(db, OWNER, SLATE, id.as_str(), team).await);
    };
    let summary = read_summary(&row)?;
    let stored: Vec<StoredEntry> = rows::json(&row, "entries", "slates.entries")?;
    let race = race(db, team, &summary.race).await?;
    let entries = stored.into_iter().map(|entry| place(entry, &summary, &race)).collect::<Result<_, _>>()?;
    Ok(Slate { id: summary.id, name: summary.name, contest: summary.contest, race: summary.race, entries })
}

fn place(entry: StoredEntry, slate: &SlateSummary, race: &Race) -> Result<SlateEntry, CatalogError> {
    let place = race.entries.iter().position(|known| known.driver == entry.driver);
    let StoredEntry { driver, external_id, salary_usd, positions } = entry;
    match place.and_then(|place| u16::try_from(place).ok()) {
        Some(race_entry) => Ok(SlateEntry { driver, external_id, salary_usd, positions, race_entry }),
        None => Err(CatalogError::SlateOutdated { slate: slate.id.as_str().to_owned(), driver, race: race.key() }),
    }
}

const LIST: &str = "
    SELECT id, name, contest, race_id, created_us FROM slates
    WHERE team_id = $1 AND (CAST($2 AS BIGINT) IS NULL OR (created_us, id) < ($2, $3))
    ORDER BY created_us DESC, id DESC LIMIT $4";

/// A page of the team's slates, newest first.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn list_slates(
    db: &Db,
    team: &TeamId,
    after: Option<&ListCursor>,
    limit: u32,
) -> Result<Listed<SlateSummary>, CatalogError> {
    let found = sqlx::query(LIST)
        .bind(team.as_str())
        .bind(after.map(|cursor| cursor.order))
        .bind(after.map(|cursor| cursor.id.as_str()))
        .bind(rows::rows_asked(limit))
        .fetch_all(db.read())
        .await?;
    let items = found.iter().map(read_summary).collect::<Result<Vec<_>, _>>()?;
    Ok(rows::page(items, limit, |slate| ListCursor { order: slate.created_us, id: slate.id.as_str().to_owned() }))
}

fn read_summary(row: &Row) -> Result<SlateSummary, CatalogError> {
    Ok(SlateSummary {
        id: rows::parsed(row, "id", "slates.id")?,
        name: row.try_get("name")?,
        contest: row.try_get("contest")?,
        race: rows::parsed(row, "race_id", "slates.race_id")?,
        created_us: row.try_get("created_us")?,
    })
}
