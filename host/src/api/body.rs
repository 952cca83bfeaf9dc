//! Request bodies: bounded, of the right media type, and with the place of every mistake. Knows no resource.

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{error::ApiError, state::ApiState};
use crate::domain::problem::Problem;

/// The bytes of a JSON body (`application/json`).
#[derive(Debug)]
pub struct JsonBytes(pub Bytes);

/// The text of a CSV body (`text/csv`), UTF-8.
#[derive(Debug)]
pub struct CsvText(pub String);

/// The bytes of a WebAssembly component (`application/wasm`).
#[derive(Debug)]
pub struct WasmBytes(pub Bytes);

impl FromRequest<ApiState> for JsonBytes {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        expect_media_type(request.headers(), "application/json")?;
        read(request, state.config().json_bytes_max).await.map(Self)
    }
}

impl FromRequest<ApiState> for CsvText {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        expect_media_type(request.headers(), "text/csv")?;
        read(request, state.config().csv_bytes_max).await.and_then(utf8).map(Self)
    }
}

impl FromRequest<ApiState> for WasmBytes {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        expect_media_type(request.headers(), "application/wasm")?;
        read(request, state.config().plugin_bytes_max).await.map(Self)
    }
}

/// Whether the body is of the media type `allowed`, whatever its parameters.
fn expect_media_type(headers: &HeaderMap, allowed: &str) -> Result<(), ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == allowed {
        return Ok(());
    }
    let given = if essence.is_empty() { "none was given".to_owned() } else { format!("got `{essence}`") };
    Err(Problem::new(
        "unsupported-media-type",
        "The body is of the wrong media type",
        format!("This route takes `{allowed}`; {given}."),
        format!("Send `Content-Type: {allowed}`."),
    )
    .at("Content-Type")
    .into())
}

/// The whole body. A declared length past the limit is refused before a byte of it is read.
async fn read(request: Request, bytes_max: usize) -> Result<Bytes, ApiError> {
    let declared =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large(bytes_max));
    }
    collect(request.into_body(), bytes_max).await
}

async fn collect(body: Body, bytes_max: usize) -> Result<Bytes, ApiError> {
    let mut chunks = body.into_data_stream();
    let mut collected = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| unreadable(&error))?;
        if collected.len() + chunk.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        collected.extend_from_slice(&chunk);
    }
    Ok(collected.freeze())
}

fn too_large(bytes_max: usize) -> ApiError {
    Problem::new(
        "body-too-large",
        "The body is too large",
        format!("The body is longer than {bytes_max} bytes."),
        "Send less, or ask the operator to raise the limit.",
    )
    .with_limit(format!("{bytes_max} bytes"))
    .into()
}

fn unreadable(error: &axum::Error) -> ApiError {
    Problem::new(
        "malformed-body",
        "The body could not be read",
        format!("The body ended early: {error}."),
        "Send it again.",
    )
    .into()
}

fn utf8(bytes: Bytes) -> Result<String, ApiError> {
    String::from_utf8(bytes.into()).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        Problem::new(
            "malformed-body",
            "The text is not UTF-8",
            format!("Line {line} is not UTF-8."),
            "Save the file as UTF-8.",
        )
        .at(format!("row {line}"))
        .into()
    })
}

/// Bytes as JSON of any shape.
///
/// # Errors
/// `malformed-json` with line and column.
pub fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Problem::new("malformed-json", "The body is not JSON", format!("{error}."), "Send one JSON value.")
            .at(place)
            .into()
    })
}

/// JSON as a `T`.
///
/// # Errors
/// `invalid-input` with the JSON pointer of the first value that does not fit.
pub fn decode<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut pointer = pointer(error.path());
        let reason = error.into_inner().to_string();
        // serde blames the object for a field that is missing; the reader looks for the field.
        if let Some((_, rest)) = reason.split_once("missing field `") {
            pointer = format!("{pointer}/{}", rest.split('`').next().unwrap_or_default());
        }
        let action = "Correct this value; /openapi.json describes the body.";
        Problem::invalid(pointer, format!("{reason}."), action).into()
    })
}

/// A path as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { variant } => Some(format!("/{variant}")),
            Segment::Unknown => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::spec::OptimizeSpec;

    fn field_of(value: Value) -> String {
        let error = decode::<OptimizeSpec>(value).unwrap_err();
        error.problem().field.clone().unwrap()
    }

    #[test]
    fn a_mistake_is_found_by_its_json_pointer() {
        let slate = "slate_0123456789abcdef0123456789abcdef";
        assert_eq!(field_of(json!({})), "/slate");
        assert_eq!(field_of(json!({"slate": slate, "lineup": 3})), "/lineup");
        assert_eq!(field_of(json!({"slate": slate, "lineups": -3})), "/lineups");
        assert_eq!(field_of(json!({"slate": slate, "scenarios": {"n_scenarios": "many"}})), "/scenarios/n_scenarios");
        assert_eq!(field_of(json!({"slate": slate, "locks": ["a", 7]})), "/locks/1");
        assert_eq!(
            field_of(json!({"slate": slate, "lineup_constraints": [{"plugin": "x", "parms": {}}]})),
            "/lineup_constraints/0/parms"
        );
    }

    #[test]
    fn broken_json_is_found_by_line_and_column() {
        let error = parse(b"{\n  \"a\": ,\n}").unwrap_err();
        assert_eq!(error.code(), "malformed-json");
        assert_eq!(error.problem().field.as_deref(), Some("line 2, column 8"));
    }
}
