//! A repeated request with an `Idempotency-Key` makes nothing twice.

use super::*;

async fn submit(server: &Server, caller: &Caller, key: &str, body: &Value) -> Answer {
    let mut request =
        request(Method::POST, "/v1/jobs", &caller.key, Some("application/json"), Body::from(body.to_string()));
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    server.send(request).await
}

#[tokio::test]
async fn the_same_request_with_the_same_key_makes_one_job() {
    let server = Server::start().await;
    let body = json!({ "kind": "calibrate", "seed": 3 });
    let first = submit(&server, &server.ours, "\"sunday-1\"", &body).await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{}", first.body);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let second = submit(&server, &server.ours, "sunday-1", &body).await;
    assert_eq!((second.status, &second.body["id"]), (StatusCode::ACCEPTED, &first.body["id"]));
    assert_eq!(second.headers["idempotency-replayed"], "true");
    assert_eq!(second.headers[header::LOCATION], first.headers[header::LOCATION]);
    assert_eq!(server.get("/v1/jobs").await.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn twenty_copies_at_the_same_time_make_one_job() {
    let server = Server::start().await;
    let body = json!({ "kind": "calibrate" });
    let copies = (0..20).map(|_| submit(&server, &server.ours, "storm", &body));
    let answers = futures_util::future::join_all(copies).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::ACCEPTED));
    assert!(answers.iter().all(|answer| answer.body["id"] == answers[0].body["id"]));
    assert_eq!(server.get("/v1/jobs").await.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_stands_for_one_request_of_one_team() {
    let server = Server::start().await;
    let first = submit(&server, &server.ours, "k", &json!({ "kind": "calibrate" })).await;
    let other = submit(&server, &server.ours, "k", &json!({ "kind": "calibrate", "seed": 9 })).await;
    assert_eq!((other.status, other.code()), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused"));
    assert_eq!(other.body["field"], "Idempotency-Key");
    let theirs = submit(&server, &server.theirs, "k", &json!({ "kind": "calibrate", "seed": 9 })).await;
    assert_eq!(theirs.status, StatusCode::ACCEPTED);
    assert_ne!(theirs.body["id"], first.body["id"]);
}

#[tokio::test]
async fn a_key_on_another_route_is_another_key() {
    let server = Server::start().await;
    let job = submit(&server, &server.ours, "k", &json!({ "kind": "calibrate" })).await;
    assert_eq!(job.status, StatusCode::ACCEPTED, "{}", job.body);
    let webhook = json!({ "url": "https://example.com/told", "events": ["job.finished"] });
    let mut request = request(
        Method::POST,
        "/v1/webhooks",
        &server.ours.key,
        Some("application/json"),
        Body::from(webhook.to_string()),
    );
    request.headers_mut().insert("idempotency-key", "k".parse().unwrap());
    let other = server.send(request).await;
    assert_ne!(other.code(), "idempotency-key-reused", "{}", other.body);
    assert!(!other.headers.contains_key("idempotency-replayed"));
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_its_key() {
    let server = Server::start().await;
    let refused = submit(&server, &server.ours, "k", &json!({ "kind": "calibrate", "chains": 65 })).await;
    assert_eq!(refused.code(), "invalid-input");
    let corrected = submit(&server, &server.ours, "k", &json!({ "kind": "calibrate" })).await;
    assert_eq!(corrected.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_key_is_forgotten_after_its_time() {
    let server = Server::start_with(ApiConfig { idempotency_valid_s: 0, ..ApiConfig::default() }).await;
    let body = json!({ "kind": "calibrate" });
    let first = submit(&server, &server.ours, "k", &body).await;
    let second = submit(&server, &server.ours, "k", &body).await;
    assert_ne!(first.body["id"], second.body["id"]);
}

#[tokio::test]
async fn a_key_at_the_limit_is_taken_and_one_past_it_is_refused() {
    let server = Server::start_with(ApiConfig { idempotency_key_chars_max: 8, ..ApiConfig::default() }).await;
    let body = json!({ "kind": "calibrate" });
    assert_eq!(submit(&server, &server.ours, "12345678", &body).await.status, StatusCode::ACCEPTED);
    for key in ["123456789", "", "\"\"", "a b"] {
        let answer = submit(&server, &server.ours, key, &body).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "malformed-header"), "{key}");
        assert_eq!(answer.body["limit"], "1..=8 visible ASCII characters");
    }
}
