//! What every response gets, whatever happened: a request id, a problem body where it failed, security headers, one log line.

use std::{any::Any, time::Instant};

use axum::{
    Json,
    body::HttpBody,
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tracing::Instrument;
use utoipa::ToSchema;

use super::error::{ApiError, Failure, TYPE_BASE};
use crate::{
    auth::Principal,
    catalog::issue::IssueView,
    domain::{ids::random_hex_128, problem::Problem},
};

/// Header that names a request, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// RFC 9457 problem details.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "type": "https://paddock.invalid/problems/invalid-input",
    "title": "The input is not valid",
    "status": 422,
    "detail": "0 scenarios were asked for.",
    "action": "Ask for 1 to 200000 scenarios.",
    "code": "invalid-input",
    "field": "/scenarios/n_scenarios",
    "limit": "1..=200000 scenarios",
    "request_id": "req_0123456789abcdef0123456789abcdef"
})))]
pub struct ProblemDocument {
    /// Stable URI of this kind of problem; a name, not a page.
    #[serde(rename = "type")]
    type_uri: String,
    /// HTTP status, repeated.
    status: u16,
    /// What went wrong.
    #[serde(flatten)]
    problem: Problem,
    /// Everything that is wrong with an imported file, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    issues: Vec<IssueView>,
    /// The request, as the server's log names it.
    request_id: String,
}

/// An answer about something that has a place of its own.
pub fn located(status: StatusCode, location: String, view: impl Serialize) -> Response {
    let mut response = (status, Json(view)).into_response();
    // Paths are made of ids and checked names: always a header's text.
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Names the request, runs it, and finishes its response.
pub async fn complete(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = request_id(request.headers());
    let method = request.method().clone();
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "-".to_owned(), |path| path.as_str().to_owned());
    request.extensions_mut().insert(RequestId(request_id.clone()));
    let span = tracing::info_span!("request", request.id = %request_id);
    let has_body = !request.body().is_end_stream();
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = finish(response, &request_id);
    if has_body && !response.status().is_success() {
        // Part of the refused body may still be under way, and then the connection cannot be used again. Saying so keeps the
        // client from sending its next request into a connection that is being closed.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let team = response.extensions().get::<Principal>().map_or("-", |principal| principal.team.as_str());
    span.in_scope(|| {
        tracing::info!(
            http.method = %method,
            http.route = %route,
            http.status = response.status().as_u16(),
            team.id = %team,
            duration_ms = started.elapsed().as_secs_f64() * 1e3,
            "request answered"
        );
    });
    response
}

/// The name of a request, for handlers that write it down.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// What a handler that panicked answers. The panic itself is in the log, through the panic hook.
pub fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request handler panicked");
    ApiError::new(Problem::internal("The server met a defect of its own while it handled this request."))
        .into_response()
}

/// The client's name for the request where it is harmless text, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|text| {
            (1..=64).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        })
        .map_or_else(|| format!("req_{}", random_hex_128()), str::to_owned)
}

fn finish(mut response: Response, request_id: &str) -> Response {
    if let Some(failure) = failure_of(&mut response) {
        response = write_problem(response, failure, request_id);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Everything behind a key is private to a team; no shared cache may keep it.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-store"));
    response
}

/// The problem that a failed response carries; responses that the framework made by itself get one that fits their status.
fn failure_of(response: &mut Response) -> Option<Failure> {
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        return Some(failure);
    }
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let (code, title) = match status {
        StatusCode::METHOD_NOT_ALLOWED => ("method-not-allowed", "The method is not allowed here"),
        StatusCode::NOT_FOUND => ("no-such-route", "There is no such route"),
        StatusCode::PAYLOAD_TOO_LARGE => ("body-too-large", "The body is too large"),
        _ => {
            let problem = Problem::internal(format!("The server answered {status} without a reason."));
            return Some(Failure { problem, issues: Vec::new() });
        }
    };
    let problem =
        Problem::new(code, title, "The request did not reach a handler.", "See /openapi.json for what there is.");
    Some(Failure { problem, issues: Vec::new() })
}

fn write_problem(response: Response, failure: Failure, request_id: &str) -> Response {
    let status = response.status();
    let Failure { problem, issues } = failure;
    let document = ProblemDocument {
        type_uri: format!("{TYPE_BASE}{}", problem.code),
        status: status.as_u16(),
        problem,
        issues,
        request_id: request_id.to_owned(),
    };
    let (mut parts, _) = response.into_parts();
    let (body_parts, body) = Json(document).into_response().into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(body_parts.headers);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    Response::from_parts(parts, body)
}

/// What an unknown path answers.
pub async fn no_such_route() -> ApiError {
    ApiError::new(Problem::new(
        "no-such-route",
        "There is no such route",
        "No resource of the API has this path.",
        "See /openapi.json for the routes there are.",
    ))
}

/// What a known path answers to a method it does not have.
pub async fn method_not_allowed() -> ApiError {
    ApiError::new(Problem::new(
        "method-not-allowed",
        "The method is not allowed here",
        "The path exists, but not with this method.",
        "See the Allow header or /openapi.json for the methods there are.",
    ))
}
