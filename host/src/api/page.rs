//! Lists, one page at a time: `limit` and an opaque `cursor` in, items and a `Link` to the next page out.

use axum::{
    Json,
    http::{HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{error::ApiError, limits::ApiConfig};
use crate::{
    catalog::{ListCursor, Listed},
    domain::problem::Problem,
};

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Items of the page.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// Cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of the catalog, with its items as clients see them.
    pub fn of<Stored>(listed: Listed<Stored>, view: impl Fn(Stored) -> T) -> Self {
        let next_cursor = listed.next.as_ref().map(write_cursor);
        Self { items: listed.items.into_iter().map(view).collect(), next_cursor }
    }
}

impl<T: Serialize> Page<T> {
    /// The response, with a `Link: <...>; rel="next"` header (RFC 8288) where there is a next page.
    pub fn into_response_for(self, uri: &Uri) -> Response {
        let link = self.next_cursor.as_deref().map(|cursor| next_link(uri, cursor));
        let mut response = Json(self).into_response();
        if let Some(value) = link.and_then(|link| HeaderValue::try_from(link).ok()) {
            response.headers_mut().insert(header::LINK, value);
        }
        response
    }
}

/// The address of this page with another cursor; every other parameter stays.
fn next_link(uri: &Uri, cursor: &str) -> String {
    let mut query: Vec<String> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="))
        .map(str::to_owned)
        .collect();
    query.push(format!("cursor={cursor}"));
    format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))
}

/// How many items the page shall have.
///
/// # Errors
/// `invalid-input` where `limit` is 0 or past the maximum.
pub fn page_items(limit: Option<u32>, config: &ApiConfig) -> Result<u32, ApiError> {
    let items = limit.unwrap_or(config.page_items_default);
    if (1..=config.page_items_max).contains(&items) {
        return Ok(items);
    }
    let range = format!("1..={} items", config.page_items_max);
    Err(Problem::invalid("limit", format!("A page of {items} items was asked for."), format!("Ask for {range}."))
        .with_limit(range)
        .into())
}

/// The last item of a catalog's page as text that fits a query: its place in the order, a dot, its id.
fn write_cursor(cursor: &ListCursor) -> String {
    format!("{}.{}", cursor.order, cursor.id)
}

/// What `cursor` of the query says, where it is one.
///
/// # Errors
/// `invalid-input` where no list of the catalog gives out such a cursor.
pub fn read_cursor(text: Option<&str>) -> Result<Option<ListCursor>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let is_id = |id: &str| id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let parts = text.split_once('.').filter(|(_, id)| is_id(id));
    let cursor = parts.and_then(|(order, id)| Some(ListCursor { order: order.parse().ok()?, id: id.to_owned() }));
    cursor.map(Some).ok_or_else(bad_cursor)
}

/// The problem of a cursor that no page gave out.
pub fn bad_cursor() -> ApiError {
    let action = "Send `next_cursor` of the page before, unchanged, or start without a cursor.";
    Problem::invalid("cursor", "The cursor was not given out by this list.", action).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_keeps_the_filters_and_replaces_the_cursor() {
        let uri = "/v1/jobs?state=failed&cursor=old&limit=2".parse().unwrap();
        assert_eq!(next_link(&uri, "new"), "</v1/jobs?state=failed&limit=2&cursor=new>; rel=\"next\"");
        assert_eq!(next_link(&"/v1/jobs".parse().unwrap(), "new"), "</v1/jobs?cursor=new>; rel=\"next\"");
    }

    #[test]
    fn a_cursor_survives_the_query_and_nothing_else_is_one() {
        let cursor = ListCursor { order: 203_007, id: "race_0123".to_owned() };
        assert_eq!(read_cursor(Some(&write_cursor(&cursor))).unwrap(), Some(cursor));
        assert_eq!(read_cursor(None).unwrap(), None);
        for wrong in ["", "7", "x.race_1", "7.race 1", "7.'--"] {
            assert_eq!(read_cursor(Some(wrong)).unwrap_err().code(), "invalid-input", "{wrong}");
        }
    }

    #[test]
    fn a_page_has_at_least_one_item_and_at_most_the_limit() {
        let config = ApiConfig::default();
        assert_eq!(page_items(None, &config).unwrap(), config.page_items_default);
        assert_eq!(page_items(Some(config.page_items_max), &config).unwrap(), config.page_items_max);
        assert_eq!(page_items(Some(0), &config).unwrap_err().code(), "invalid-input");
        assert_eq!(page_items(Some(config.page_items_max + 1), &config).unwrap_err().code(), "invalid-input");
    }
}
