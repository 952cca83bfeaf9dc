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

/// The two ids in a path, of a thing and of a part of it.
#[derive(Debug)]
pub struct Ids<T, P>(pub T, pub P);

impl<S, T, P> FromRequestParts<S> for Ids<T, P>
where
    S: Send + Sync,
    T: FromStr<Err = InvalidId>,
    P: FromStr<Err = InvalidId>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path((thing, part)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::not_found("thing"))?;
        let not_found = |error: InvalidId| ApiError::not_found(error.kind);
        Ok(Self(thing.parse().map_err(not_found)?, part.parse().map_err(not_found)?))
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
            let field = parameter_of(&reason).to_owned();
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

/// The parameter that a refusal names: `limit: invalid digit`, "missing field `contest`" or "unknown field `colour`".
fn parameter_of(reason: &str) -> &str {
    let quoted = reason.split_once(" field `").and_then(|(_, rest)| rest.split('`').next());
    let before_colon = || reason.split_once(':').map(|(name, _)| name).filter(|name| !name.contains(' '));
    quoted.or_else(before_colon).unwrap_or("query")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_query_names_its_parameter() {
        assert_eq!(parameter_of("limit: invalid digit found in string"), "limit");
        assert_eq!(parameter_of("missing field `contest`"), "contest");
        assert_eq!(parameter_of("unknown field `colour`, expected one of `kind`, `state`"), "colour");
        assert_eq!(parameter_of("something else"), "query");
    }
}
