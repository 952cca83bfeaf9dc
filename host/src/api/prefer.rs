//! `Prefer: wait=N` (RFC 7240, section 4.3): the answer about a job waits until the job has ended, N seconds at most. A client
//! that submits a short job then needs one request, and one that watches a long job needs few.

use std::time::Duration;

use axum::{
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, request::Parts},
    response::Response,
};

use super::{changes::Changes, error::ApiError, state::ApiState};
use crate::{domain::ids::JobId, jobs};

const PREFER: &str = "prefer";
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// How long the client would like to wait, cut to what it may; `None` where it did not say. A preference that cannot be read is
/// ignored, as the RFC asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreferWait(Option<u64>);

impl FromRequestParts<ApiState> for PreferWait {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let values = parts.headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let seconds = values.flat_map(|value| value.split(',')).find_map(wait_of);
        Ok(Self(seconds.map(|seconds| seconds.min(state.config().wait_s_max))))
    }
}

fn wait_of(preference: &str) -> Option<u64> {
    let (name, value) = preference.split(';').next()?.split_once('=')?;
    name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').parse().ok()).flatten()
}

impl PreferWait {
    /// Returns once the job has ended, the time is over, or the server stops.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn until_ended(self, state: &ApiState, job: &JobId) -> Result<(), ApiError> {
        let Some(seconds) = self.0 else { return Ok(()) };
        let mut changes = Changes::of(state, job);
        let ended = async {
            while !jobs::query::state(state.db(), job).await?.is_terminal() && changes.wait().await {}
            Ok(())
        };
        tokio::time::timeout(Duration::from_secs(seconds), ended).await.unwrap_or(Ok(()))
    }

    /// Says in the response which preference was followed.
    pub fn applied(self, mut response: Response) -> Response {
        if let Some(value) = self.0.and_then(|seconds| HeaderValue::try_from(format!("wait={seconds}")).ok()) {
            response.headers_mut().insert(APPLIED, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_is_read_as_the_rfc_writes_it() {
        for (text, seconds) in [
            ("wait=10", Some(10)),
            (" Wait = \"7\"; foo", Some(7)),
            ("wait", None),
            ("wait=soon", None),
            ("wait=-1", None),
            ("respond-async", None),
        ] {
            assert_eq!(wait_of(text), seconds, "{text}");
        }
    }
}
