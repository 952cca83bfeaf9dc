//! `Idempotency-Key` (IETF draft httpapi-idempotency-key-header): a client that does not know whether its request arrived sends it
//! again with the same key, and gets what the first one made.

use axum::{
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, request::Parts},
    response::Response,
};
use sha2::{Digest, Sha256};

use super::{error::ApiError, state::ApiState};
use crate::{
    auth::{
        Principal,
        idempotency::{self, KeyedRequest, SeenBefore},
    },
    db::WriteTx,
    domain::{hex::hex, problem::Problem},
};

/// Name of the request header.
const KEY: &str = "idempotency-key";
/// Tells the client that this answer is about something an earlier request made.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The client's key for its request, if it sent one.
#[derive(Debug)]
pub struct IdempotencyKey(Option<String>);

impl FromRequestParts<ApiState> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(KEY) else { return Ok(Self(None)) };
        let chars_max = state.config().idempotency_key_chars_max;
        // The draft makes the key a quoted string; most clients send it bare, so both are taken.
        let text = value.to_str().unwrap_or_default().trim().trim_matches('"');
        let is_key = (1..=chars_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_key { Ok(Self(Some(text.to_owned()))) } else { Err(malformed(chars_max)) }
    }
}

fn malformed(chars_max: usize) -> ApiError {
    let range = format!("1..={chars_max} visible ASCII characters");
    Problem::new(
        "malformed-header",
        "A header cannot be used",
        "The Idempotency-Key is empty, too long or not plain text.",
        format!("Send {range}, for example a UUID, or no key."),
    )
    .at("Idempotency-Key")
    .with_limit(range)
    .into()
}

impl IdempotencyKey {
    /// The request under its key, which counts for its route only: `parts` are what makes the request what it is.
    pub fn of_request(&self, route: &str, parts: &[&[u8]]) -> Option<KeyedRequest> {
        let key = format!("{route} {}", self.0.as_ref()?);
        let mut digest = Sha256::new();
        for part in parts {
            // The length first, so that two lists of parts that read the same when joined are not the same request.
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        let fingerprint = hex(digest.finalize());
        Some(KeyedRequest { key, fingerprint })
    }
}

/// What an earlier request with this key made, if there was one.
///
/// # Errors
/// `idempotency-key-reused` where the key stands for another request.
pub async fn made_before(
    state: &ApiState,
    principal: &Principal,
    request: Option<&KeyedRequest>,
) -> Result<Option<String>, ApiError> {
    let Some(request) = request else { return Ok(None) };
    let valid_s = state.config().idempotency_valid_s;
    subject(idempotency::find(state.db(), &principal.team, request, valid_s).await?)
}

/// Writes the key down beside what the request makes. Something made by a request that came first is given back; the
/// transaction must be rolled back then.
///
/// # Errors
/// `idempotency-key-reused` where the key stands for another request.
pub async fn record_in(
    tx: &mut WriteTx,
    state: &ApiState,
    principal: &Principal,
    request: Option<&KeyedRequest>,
    made: &str,
) -> Result<Option<String>, ApiError> {
    let Some(request) = request else { return Ok(None) };
    let valid_s = state.config().idempotency_valid_s;
    subject(idempotency::record_in(tx, &principal.team, request, made, valid_s).await?)
}

fn subject(seen: SeenBefore) -> Result<Option<String>, ApiError> {
    match seen {
        SeenBefore::No => Ok(None),
        SeenBefore::Made(subject) => Ok(Some(subject)),
        SeenBefore::OtherRequest => Err(reused().into()),
    }
}

/// The key stands for another request.
pub fn reused() -> Problem {
    Problem::new(
        "idempotency-key-reused",
        "The Idempotency-Key stands for another request",
        "A request with this key but another body was answered before.",
        "Send a new key with a new request; keep the old key only to repeat the old request.",
    )
    .at("Idempotency-Key")
}

/// Marks an answer as being about something that an earlier request made.
pub fn replayed(mut response: Response) -> Response {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
