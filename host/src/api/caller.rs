//! Who calls: turns the `Authorization` header into a [`Principal`], once per request, and hands it to handlers by scope.
//!
//! A handler takes [`Reader`], [`Submitter`], [`Publisher`] or [`Operator`]; it cannot get at the team without one of them, so no handler can forget
//! to ask for a scope.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{error::ApiError, state::ApiState};
use crate::{
    auth::{self, AuthError, Principal, Scope},
    domain::ids::TeamId,
};

/// Lets a request with a valid key through, with its [`Principal`] in the extensions of request and response.
pub async fn authenticate(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    match principal(&state, request.headers()).await {
        Ok(principal) => {
            request.extensions_mut().insert(principal.clone());
            let mut response = next.run(request).await;
            response.extensions_mut().insert(principal);
            response
        }
        Err(error) => error.into_response(),
    }
}

async fn principal(state: &ApiState, headers: &HeaderMap) -> Result<Principal, ApiError> {
    let text = bearer(headers)?;
    match auth::authenticate(state.db(), text).await {
        Ok(principal) => Ok(principal),
        Err(AuthError::Refused(reason)) => {
            tracing::warn!(reason = reason.as_str(), "a key was refused");
            Err(ApiError::unauthenticated(reason.public()))
        }
        Err(error) => Err(error.into()),
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let value = headers.get(header::AUTHORIZATION).ok_or_else(|| ApiError::unauthenticated("No key was sent."))?;
    let text = value.to_str().unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Ok(key.trim()),
        _ => Err(ApiError::unauthenticated("The Authorization header is not of the form `Bearer pdk_...`.")),
    }
}

macro_rules! caller {
    ($(#[$doc:meta])* $name:ident, $scope:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(pub Principal);

        impl FromRequestParts<ApiState> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
                let principal = parts.extensions.get::<Principal>().cloned();
                // Absent only where a route was added outside the authenticated router: refuse, never let through.
                let principal = principal.ok_or_else(|| ApiError::unauthenticated("No key was sent."))?;
                if principal.may($scope) { Ok(Self(principal)) } else { Err(ApiError::missing_scope($scope)) }
            }
        }
    };
}

caller!(
    /// A caller whose key may read.
    Reader,
    Scope::Read
);
caller!(
    /// A caller whose key may change the team's data and submit jobs.
    Submitter,
    Scope::Submit
);
caller!(
    /// A caller whose key may bring code and send data elsewhere.
    Publisher,
    Scope::Admin
);

caller!(
    /// A caller whose key may run the server.
    Operator,
    Scope::Operate
);

/// Whether `owner` is the caller's team.
///
/// # Errors
/// `not-yours` (403) where it is another team.
pub fn check_owner(principal: &Principal, owner: &TeamId) -> Result<(), ApiError> {
    if &principal.team == owner { Ok(()) } else { Err(ApiError::foreign()) }
}
