//! Path and query parameters, with problems instead of the framework's plain-text refusals.

use std::str::FromStr;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use super::error::ApiError;
use crate::domain::{ids::InvalidId, problem::Problem};

/// The id in the path. Text that is no id of this kind names nothing, so it is answered like an unknown id.
#[derive(Debug)]
pub struct Id<T>(pub T);

impl<S: Send + Sync, T: FromStr<Err = InvalidId>> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| ApiError::not_found("thing"))?;
        text.parse().map(Self).map_err(|error: InvalidId| ApiError::not_found(error.kind))
    }
}

/// The query as a `T`.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        axum::extract::Query::try_from_uri(&parts.uri).map(|query| Self(query.0)).map_err(|error| {
            let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            let field = reason.split(':').next().filter(|name| !name.contains(' ')).unwrap_or("query").to_owned();
            Problem::new(
                "malformed-query",
                "The query is not valid",
                format!("{reason}."),
                "Correct the query; /openapi.json describes it.",
            )
            .at(field)
            .into()
        })
    }
}
