//! What holds for every route: keys, problems, request ids, and an API description that is complete and true.

use super::*;
use crate::{api::openapi, auth::ApiKey};

/// Path, method and operation of everything in the description.
async fn operations(server: &Server) -> Vec<(String, Method, Value)> {
    let document = server.get("/openapi.json").await.body;
    let paths = document["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (path.clone(), method.to_uppercase().parse().unwrap(), operation.clone()))
    });
    each.collect()
}

/// The path with an id in every gap.
fn filled(path: &str) -> String {
    path.replace("{id}", "job_0123456789abcdef0123456789abcdef")
        .replace("{other}", "job_0123456789abcdef0123456789abcdef")
        .replace("{delivery}", "dlv_0123456789abcdef0123456789abcdef")
        .replace("{key}", "some-key")
        .replace("{name}", "some-plugin")
        .replace("{version}", "1.0.0")
        .replace("{alias}", "stable")
}

fn is_public(operation: &Value) -> bool {
    operation.get("security").is_some()
}

#[tokio::test]
async fn every_operation_but_health_answers_401_without_a_key_and_with_a_wrong_one() {
    let server = Server::start().await;
    let wrong = ApiKey::random().unwrap();
    for (path, method, operation) in operations(&server).await {
        if is_public(&operation) {
            assert!(["/livez", "/readyz", "/health"].contains(&path.as_str()), "{path} is public");
            continue;
        }
        for key in ["", "pdk_wrong", wrong.expose()] {
            let answer = server.send(request(method.clone(), &filled(&path), key, None, Body::empty())).await;
            assert_eq!(
                (answer.status, answer.code()),
                (StatusCode::UNAUTHORIZED, "unauthenticated"),
                "{method} {path}"
            );
            assert!(
                answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"),
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn every_described_operation_is_routed() {
    let server = Server::start().await;
    for (path, method, _) in operations(&server).await {
        let answer = server.send(request(method.clone(), &filled(&path), &server.ours.key, None, Body::empty())).await;
        let missing = ["no-such-route", "method-not-allowed"];
        assert!(!missing.contains(&answer.code()), "{method} {path}: {}", answer.code());
    }
}

/// Handlers reach the router only through `routes!`, which takes their description along; this finds one that was added otherwise.
#[test]
fn every_route_is_described() {
    let room = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let mut plain = Vec::new();
    for file in std::fs::read_dir(room).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(&file).unwrap();
        plain.extend(text.lines().filter(|line| line.contains(".route(\"")).map(str::trim).map(str::to_owned));
    }
    assert_eq!(plain.len(), 1, "only the description itself may be routed without one: {plain:?}");
    assert!(plain[0].contains("/openapi.json"));
}

#[tokio::test]
async fn every_operation_describes_its_failures_and_every_reference_resolves() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.body;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["components"]["securitySchemes"]["key"]["scheme"], "bearer");
    for (path, method, operation) in operations(&server).await {
        let responses = operation["responses"].as_object().unwrap();
        let wanted: &[&str] = if is_public(&operation) { &["500", "503"] } else { &["401", "403", "500", "503"] };
        assert!(wanted.iter().all(|status| responses.contains_key(*status)), "{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{method} {path}");
        if path.contains('{') {
            assert!(responses.contains_key("404"), "{method} {path}");
        }
    }
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| collect_references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems_with_a_request_id() {
    let server = Server::start().await;
    let answer = server.get("/v2/nothing").await;
    assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "no-such-route"));
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(answer.body["type"], "https://paddock.invalid/problems/no-such-route");
    assert_eq!(answer.body["status"], 404);
    assert_eq!(answer.headers["x-request-id"], answer.body["request_id"].as_str().unwrap());

    let answer = server.send(request(Method::DELETE, "/v1/jobs", &server.ours.key, None, Body::empty())).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"));
    assert!(answer.headers.contains_key(header::ALLOW));
}

#[tokio::test]
async fn a_refused_body_ends_its_connection_and_a_refused_question_does_not() {
    let server = Server::start().await;
    let send = async |media_type, body: &'static str| {
        let request = request(Method::POST, "/v1/jobs", &server.ours.key, Some(media_type), Body::from(body));
        server.send(request).await
    };
    let refused = send("text/plain", "{}").await;
    assert_eq!((refused.status.as_u16(), &refused.headers[header::CONNECTION]), (415, &"close".parse().unwrap()));
    let taken = send("application/json", r#"{"kind": "calibrate"}"#).await;
    assert!(taken.status.is_success() && !taken.headers.contains_key(header::CONNECTION));
    let unknown = server.get("/v1/jobs/job_1").await;
    assert!(unknown.status == StatusCode::NOT_FOUND && !unknown.headers.contains_key(header::CONNECTION));
}

#[tokio::test]
async fn a_request_keeps_the_name_its_client_gave_it_if_the_name_is_harmless() {
    let server = Server::start().await;
    for (given, is_kept) in [("trace-7.b", true), ("a b", false), ("{\"log\":1}", false), (&*"x".repeat(65), false)] {
        let mut request = request(Method::GET, "/livez", "", None, Body::empty());
        request.headers_mut().insert("x-request-id", given.parse().unwrap());
        let answer = server.send(request).await;
        assert_eq!(answer.headers["x-request-id"] == given, is_kept, "{given}");
    }
}

#[tokio::test]
async fn a_handler_that_panics_answers_500_without_saying_why() {
    let routes = Router::new().route("/panic", axum::routing::get(|| async { panic!("secret detail") as () }));
    let router = finish(routes);
    let response = router.oneshot(request(Method::GET, "/panic", "", None, Body::empty())).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.contains("internal-error") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn more_requests_than_allowed_at_once_are_refused_and_health_is_not() {
    let server = Server::start_with(ApiConfig { requests_in_flight_max: 0, ..ApiConfig::default() }).await;
    let answer = server.get("/v1/me").await;
    assert_eq!((answer.status, answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "overloaded"));
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(server.get("/livez").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_key_without_the_scope_is_told_which_one_it_lacks() {
    let server = Server::start().await;
    let key = server.key_with(&[Scope::Read]).await;
    let body = Body::from(r#"{"kind": "calibrate"}"#);
    let answer = server.send(request(Method::POST, "/v1/jobs", &key, Some("application/json"), body)).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "missing-scope"));
    assert!(answer.body["detail"].as_str().unwrap().contains("`submit`"));
    let answer = server.send(request(Method::GET, "/v1/me", &key, None, Body::empty())).await;
    assert_eq!(answer.body["scopes"], json!(["read"]));
    assert_eq!(answer.body["team_name"], "ours");
}

#[test]
fn the_description_is_made_without_a_server() {
    let document = openapi::complete(openapi::described().into_openapi());
    assert_eq!(document["info"]["title"], "paddock");
}
