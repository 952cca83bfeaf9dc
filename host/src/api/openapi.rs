//! The description of the API (OpenAPI 3.1), made from the handlers themselves; what all operations share is added here once.

use axum::{Router, http::header, response::IntoResponse, routing::get};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::{respond::ProblemDocument, state::ApiState};
use crate::{
    results::{CalibrateResult, EvaluateResult, OptimizeResult, SimulateResult},
    webhooks::Message,
};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The failures that operations share: component name, status, description.
const SHARED_FAILURES: [(&str, &str, &str); 9] = [
    ("BadRequest", "400", "The body or the query cannot be read."),
    ("Unauthenticated", "401", "No valid key was sent."),
    ("Forbidden", "403", "The key lacks a scope, or the thing is another team's."),
    ("NotFound", "404", "There is no such thing."),
    ("PayloadTooLarge", "413", "The body is too large."),
    ("UnsupportedMediaType", "415", "The body is of the wrong media type."),
    ("Invalid", "422", "The input is understood but not valid; `field` says where."),
    ("InternalError", "500", "The server failed; give `request_id` to the operator."),
    ("Unavailable", "503", "The server is busy or not ready; see Retry-After."),
];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "paddock",
        description = "Decide under uncertainty about a motor race: fit a model to past races, draw possible races, veto the implausible \
                       ones, choose lineups. Long work is a job: submit it, follow it, fetch its result. Every failure is an RFC 9457 \
                       problem; ids are unguessable and belong to one team."
    ),
    components(schemas(ProblemDocument, Message, CalibrateResult, SimulateResult, OptimizeResult, EvaluateResult)),
    tags(
        (name = "jobs", description = "Long work: calibrate, simulate, optimize, evaluate."),
        (name = "schedules", description = "Jobs that are made again and again, at the times of a cron expression."),
        (name = "races", description = "Past races with results, and races to come with their entries."),
        (name = "slates", description = "Entries of a race with their salaries in a contest."),
        (name = "contests", description = "Roster, cap and scoring; shared by all teams."),
        (name = "models", description = "Fitted models and their posterior draws."),
        (name = "plugins", description = "Calibrators, generators and constraints, as WebAssembly components."),
        (name = "webhooks", description = "Where the team's own servers are told of events, by Standard Webhooks 1.0."),
        (name = "team", description = "Who the key belongs to."),
        (name = "operator", description = "What an operator asks of the server itself."),
        (name = "health", description = "Is the service alive and ready?")
    )
)]
struct Described;

/// A router whose description has the title, the tags and the shared schemas.
pub fn described() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Described::openapi())
}

/// `GET /openapi.json`.
pub fn routes(document: utoipa::openapi::OpenApi) -> Router<ApiState> {
    let text = complete(document).to_string();
    let respond = move || {
        let text = text.clone();
        async move {
            ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], text).into_response()
        }
    };
    Router::new().route("/openapi.json", get(respond))
}

/// The document with the security scheme, and with the failures that each operation can have.
pub fn complete(document: utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["security"] = json!([{ "key": [] }]);
    document["components"]["securitySchemes"] = json!({ "key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "pdk_ + 33 letters or digits",
        "description": "An API key, made by `paddock key create --team NAME`."
    }});
    let responses: Map<String, Value> = SHARED_FAILURES
        .iter()
        .map(|(name, status, description)| ((*name).to_owned(), failure(status, description)))
        .collect();
    document["components"]["responses"] = Value::Object(responses);
    document["webhooks"] = json!({ "event": { "post": received_event() } });
    for operation in operations(&mut document) {
        add_failures(operation);
    }
    document
}

/// What the team's own server is sent.
fn received_event() -> Value {
    let headers = [
        ("webhook-id", "The same at every attempt: what has been seen before has been dealt with."),
        ("webhook-timestamp", "When this attempt was made, in seconds since 1970-01-01 UTC."),
        (
            "webhook-signature",
            "`v1,` and base64 of HMAC-SHA256 over id, timestamp and body; several during a rotation.",
        ),
    ];
    let parameters = headers.map(|(name, description)| {
        json!({ "name": name, "in": "header", "required": true, "description": description, "schema": { "type": "string" } })
    });
    json!({
        "tags": ["webhooks"],
        "summary": "Something has happened",
        "description": "Sent to the team's webhooks, by Standard Webhooks 1.0.",
        "security": [],
        "parameters": parameters,
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/WebhookMessage" } } }
        },
        "responses": {
            "2XX": { "description": "It has arrived." },
            "410": { "description": "Nothing more is wanted here: the webhook is disabled." },
            "default": { "description": "It is sent again later; `Retry-After` of a 429 or 503 is listened to." }
        }
    })
}

fn failure(status: &str, description: &str) -> Value {
    let mut response = json!({
        "description": description,
        "headers": { "X-Request-Id": { "description": "The request, as the server's log names it.", "schema": { "type": "string" } } },
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/ProblemDocument" } } }
    });
    if status == "401" {
        response["headers"]["WWW-Authenticate"] = json!({ "description": "`Bearer`.", "schema": { "type": "string" } });
    }
    response
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    paths.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut).flat_map(|item| {
        item.iter_mut().filter(|(method, _)| METHODS.contains(&method.as_str())).map(|(_, operation)| operation)
    })
}

/// Adds the shared failures that `operation` can have; what its handler describes itself stays.
fn add_failures(operation: &mut Value) {
    let is_public = operation.get("security").is_some();
    let has_body = operation.get("requestBody").is_some();
    let parameters = operation.get("parameters").and_then(Value::as_array).cloned().unwrap_or_default();
    let has_parameter_in = |place: &str| parameters.iter().any(|parameter| parameter["in"] == place);
    let can_have = |status: &str| match status {
        "401" | "403" => !is_public,
        "404" => has_parameter_in("path"),
        "400" | "422" => has_body || has_parameter_in("query"),
        "413" | "415" => has_body,
        _ => true,
    };
    for (name, status, _) in SHARED_FAILURES {
        if can_have(status) && operation["responses"].get(status).is_none() {
            operation["responses"][status] = json!({ "$ref": format!("#/components/responses/{name}") });
        }
    }
}
