//! What the tables of the catalog have in common: reading columns, telling a foreign row from a missing one, paging.

use std::str::FromStr;

use serde::de::DeserializeOwned;
use sqlx::Row as _;

use super::error::CatalogError;
use crate::{
    db::{Db, DbError, Row},
    domain::ids::TeamId,
};

/// One page of a list, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page starts; `None` on the last page.
    pub next: Option<ListCursor>,
}

/// The last item of a page: when it was made and its id. Items that arrive meanwhile do not shift the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListCursor {
    /// In microseconds since 1970-01-01 UTC; for races, the key as a number.
    pub order: i64,
    /// The item's id.
    pub id: String,
}

/// How many rows to ask for, to see whether there is a page after this one.
pub fn rows_asked(limit: u32) -> i64 {
    i64::from(limit.max(1)) + 1
}

/// Cuts what was read to a page.
pub fn page<T>(mut items: Vec<T>, limit: u32, cursor_of: impl Fn(&T) -> ListCursor) -> Listed<T> {
    let limit = limit.max(1) as usize;
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| has_more).map(cursor_of);
    Listed { items, next }
}

/// A column's text as JSON.
pub fn json<T: DeserializeOwned>(row: &Row, column: &'static str, what: &'static str) -> Result<T, CatalogError> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(what, &error.to_string()))
}

/// A column's text as something that is parsed.
pub fn parsed<T: FromStr>(row: &Row, column: &'static str, what: &'static str) -> Result<T, CatalogError>
where
    T::Err: std::fmt::Display,
{
    let text: String = row.try_get(column)?;
    text.parse().map_err(|error: T::Err| unreadable(what, &error.to_string()))
}

/// A column's number in a narrower type.
pub fn number<T: TryFrom<i64>>(row: &Row, column: &'static str, what: &'static str) -> Result<T, CatalogError> {
    let value: i64 = row.try_get(column)?;
    T::try_from(value).map_err(|_| unreadable(what, &format!("{value} is out of range")))
}

/// A row that this binary cannot read.
pub fn unreadable(what: &'static str, detail: &str) -> CatalogError {
    CatalogError::Db(DbError::Unreadable { what, detail: detail.to_owned() })
}

/// JSON for a column.
pub fn to_text(value: &impl serde::Serialize, what: &'static str) -> Result<String, CatalogError> {
    serde_json::to_string(value).map_err(|error| unreadable(what, &error.to_string()))
}

/// Why a team does not find a row by its id: it is somebody else's, or nobody's. `owner` asks for the row's `team_id`.
pub async fn absent(db: &Db, owner: &'static str, what: &'static str, id: &str, team: &TeamId) -> CatalogError {
    let found: Result<Option<(Option<String>,)>, sqlx::Error> =
        sqlx::query_as(owner).bind(id).fetch_optional(db.read()).await;
    let name = id.to_owned();
    match found {
        Ok(Some((Some(owner),))) if owner != team.as_str() => CatalogError::NotYours { what, name },
        Ok(_) => CatalogError::NotFound { what, name },
        Err(error) => error.into(),
    }
}
