//! Lists, one page at a time: `limit` and an opaque `cursor` in, items and a `Link` to the next page out.

use axum::{
    Json,
    http::{HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{error::ApiError, limits::ApiConfig};
use crate::domain::problem::Problem;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// Cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
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
    fn a_page_has_at_least_one_item_and_at_most_the_limit() {
        let config = ApiConfig::default();
        assert_eq!(page_items(None, &config).unwrap(), config.page_items_default);
        assert_eq!(page_items(Some(config.page_items_max), &config).unwrap(), config.page_items_max);
        assert_eq!(page_items(Some(0), &config).unwrap_err().code(), "invalid-input");
        assert_eq!(page_items(Some(config.page_items_max + 1), &config).unwrap_err().code(), "invalid-input");
    }
}
