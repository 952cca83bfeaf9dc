//! Webhooks over HTTP: made once, shown without their secret, changed by those who may, refused by name of the limit.

use super::*;

const URL: &str = "https://hooks.example.com/paddock";

async fn send_as(server: &Server, key: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let media_type = body.map(|_| "application/json");
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    server.send(request(method, path, key, media_type, body)).await
}

/// Makes a webhook; gives its path and the answer.
async fn made(server: &Server) -> (String, Answer) {
    let answer = server.post("/v1/webhooks", &json!({ "url": URL })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    (answer.headers[header::LOCATION].to_str().unwrap().to_owned(), answer)
}

async fn keyed(server: &Server, path: &str, key: &str, body: Option<&Value>) -> Answer {
    let mut request = match body {
        Some(body) => {
            request(Method::POST, path, &server.ours.key, Some("application/json"), Body::from(body.to_string()))
        }
        None => request(Method::POST, path, &server.ours.key, None, Body::empty()),
    };
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    server.send(request).await
}

#[tokio::test]
async fn a_secret_is_shown_when_it_is_made_and_never_again() {
    let server = Server::start().await;
    let (path, made) = made(&server).await;
    let secret = made.body["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    for read in [server.get(&path).await, server.get("/v1/webhooks").await] {
        assert_eq!(read.status, StatusCode::OK);
        assert!(!read.body.to_string().contains("whsec_"), "{}", read.body);
    }
    let rotated = server.post(&format!("{path}/rotate?overlap_s=0"), &json!({})).await;
    assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.body);
    assert_ne!(rotated.body["secret"], made.body["secret"]);
}

#[tokio::test]
async fn a_repeated_request_makes_one_webhook_and_answers_with_its_secret() {
    let server = Server::start().await;
    let body = json!({ "url": URL, "name": "race day" });
    let first = keyed(&server, "/v1/webhooks", "k1", Some(&body)).await;
    let second = keyed(&server, "/v1/webhooks", "k1", Some(&body)).await;
    assert_eq!((second.status, second.body), (StatusCode::CREATED, first.body.clone()));
    assert_eq!(second.headers["idempotency-replayed"], "true");
    assert_eq!(server.get("/v1/webhooks").await.body["items"].as_array().unwrap().len(), 1);

    let path = format!("/v1/webhooks/{}", first.body["id"].as_str().unwrap());
    let rotate = format!("{path}/rotate");
    let rotated = keyed(&server, &rotate, "k2", None).await;
    let again = keyed(&server, &rotate, "k2", None).await;
    assert_eq!((again.status, &again.body), (StatusCode::OK, &rotated.body));
    let other = keyed(&server, &format!("{rotate}?overlap_s=0"), "k2", None).await;
    assert_eq!((other.status, other.code()), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused"));
    // Once the secret has expired, a repeated request does not bring it back.
    keyed(&server, &format!("{rotate}?overlap_s=0"), "k3", None).await;
    let late = keyed(&server, &rotate, "k2", None).await;
    assert!(late.status == StatusCode::OK && late.body.get("secret").is_none(), "{}", late.body);

    let test = format!("{path}/test");
    let ping = keyed(&server, &test, "k4", None).await;
    let again = keyed(&server, &test, "k4", None).await;
    assert_eq!((ping.status, &ping.body["type"]), (StatusCode::ACCEPTED, &json!("webhook.ping")));
    assert_eq!((again.status, &again.body["id"]), (StatusCode::ACCEPTED, &ping.body["id"]));
}

#[tokio::test]
async fn what_cannot_be_a_webhook_is_refused_with_the_field() {
    let server = Server::start().await;
    let wrong = [
        (json!({}), "/url"),
        (json!({ "url": "http://hooks.example.com/" }), "/url"),
        (json!({ "url": "https://127.0.0.1/" }), "/url"),
        (json!({ "url": "https://[::ffff:169.254.169.254]/latest/meta-data" }), "/url"),
        (json!({ "url": "https://localhost:8443/" }), "/url"),
        (json!({ "url": "https://user:password@hooks.example.com/" }), "/url"),
        (json!({ "url": format!("https://hooks.example.com/{}", "x".repeat(2_000)) }), "/url"),
        (json!({ "url": URL, "name": "x".repeat(121) }), "/name"),
        (json!({ "url": URL, "name": "" }), "/name"),
        (json!({ "url": URL, "events": [] }), "/events"),
        (json!({ "url": URL, "events": ["job.succeeded", "job.done"] }), "/events/1"),
        (json!({ "url": URL, "secret": "mine" }), "/secret"),
    ];
    for (body, field) in wrong {
        let answer = server.post("/v1/webhooks", &body).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid-input"), "{body}");
        assert_eq!(answer.body["field"], field, "{body}");
    }
    let (path, _) = made(&server).await;
    let inner = json!({ "url": "https://10.0.0.1/" });
    let patched = send_as(&server, &server.ours.key, Method::PATCH, &path, Some(&inner)).await;
    assert_eq!(patched.code(), "invalid-input");
    let rotated = server.post(&format!("{path}/rotate?overlap_s=604801"), &json!({})).await;
    assert_eq!((rotated.code(), &rotated.body["limit"]), ("invalid-input", &json!("0..=604800 seconds")));
    assert_eq!(server.post(&format!("{path}/rotate?overlap_s=604800"), &json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn one_webhook_more_than_a_team_may_have_is_refused_with_the_limit() {
    let server = Server::start().await;
    for _ in 0..20 {
        made(&server).await;
    }
    let refused = server.post("/v1/webhooks", &json!({ "url": URL })).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, "too-many-webhooks"));
    assert_eq!(refused.body["limit"], "20 webhooks per team");
    let page = server.get("/v1/webhooks?limit=15").await;
    assert_eq!(page.body["items"].as_array().unwrap().len(), 15);
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("/v1/webhooks?limit=15&cursor={cursor}")).await;
    assert_eq!(rest.body["items"].as_array().unwrap().len(), 5);
    assert!(rest.body.get("next_cursor").is_none());
}

#[tokio::test]
async fn a_webhook_is_changed_field_by_field_and_removed() {
    let server = Server::start().await;
    let (path, _) = made(&server).await;
    let patch = async |body| send_as(&server, &server.ours.key, Method::PATCH, &path, Some(&body)).await.body;
    let named = patch(json!({ "name": "race day", "events": ["job.failed", "job.failed"] })).await;
    assert_eq!((&named["name"], &named["events"]), (&json!("race day"), &json!(["job.failed"])));
    let emptied = patch(json!({ "name": null, "events": null })).await;
    assert_eq!((&emptied["name"], &emptied["events"], &emptied["url"]), (&Value::Null, &Value::Null, &json!(URL)));
    let moved = patch(json!({ "url": "https://elsewhere.example.com/" })).await;
    assert_eq!(moved["url"], "https://elsewhere.example.com/");

    let removed = send_as(&server, &server.ours.key, Method::DELETE, &path, None).await;
    assert_eq!((removed.status, removed.body), (StatusCode::NO_CONTENT, Value::Null));
    assert_eq!(server.get(&path).await.code(), "not-found");
}

#[tokio::test]
async fn who_may_only_read_or_submit_changes_nothing_and_another_team_sees_nothing() {
    let server = Server::start().await;
    let (path, _) = made(&server).await;
    let ping = server.post(&format!("{path}/test"), &json!({})).await.body;
    let redeliver = format!("{path}/deliveries/{}/redeliver", ping["id"].as_str().unwrap());
    let changes = [
        (Method::PATCH, path.clone(), Some(json!({ "name": "x" }))),
        (Method::DELETE, path.clone(), None),
        (Method::POST, format!("{path}/rotate"), None),
        (Method::POST, format!("{path}/enable"), None),
        (Method::POST, format!("{path}/test"), None),
        (Method::POST, redeliver, None),
    ];
    let narrow = server.key_with(&[Scope::Read, Scope::Submit]).await;
    for (method, path, body) in &changes {
        let lacking = send_as(&server, &narrow, method.clone(), path, body.as_ref()).await;
        assert_eq!((lacking.status, lacking.code()), (StatusCode::FORBIDDEN, "missing-scope"), "{method} {path}");
        let foreign = send_as(&server, &server.theirs.key, method.clone(), path, body.as_ref()).await;
        assert_eq!((foreign.status, foreign.code()), (StatusCode::FORBIDDEN, "not-yours"), "{method} {path}");
    }
    for path in [path.clone(), format!("{path}/deliveries")] {
        assert_eq!(send_as(&server, &narrow, Method::GET, &path, None).await.status, StatusCode::OK);
        assert_eq!(send_as(&server, &server.theirs.key, Method::GET, &path, None).await.code(), "not-yours");
    }
    let theirs = send_as(&server, &server.theirs.key, Method::GET, "/v1/webhooks", None).await;
    assert_eq!(theirs.body["items"], json!([]));
    assert_eq!(server.get("/v1/webhooks/hook_1").await.code(), "not-found");
}

#[tokio::test]
async fn deliveries_are_listed_by_state_and_every_change_is_in_the_audit_trail() {
    let server = Server::start().await;
    let (path, _) = made(&server).await;
    for name in ["one", "two"] {
        let spec = json!({ "kind": "calibrate", "name": name, "seed": name.len() + 7 });
        keyed(&server, "/v1/jobs", name, Some(&spec)).await;
    }
    let pending = server.get(&format!("{path}/deliveries?state=pending&limit=1")).await;
    let first = &pending.body["items"][0];
    assert_eq!((&first["type"], &first["attempts"]), (&json!("job.queued"), &json!(0)));
    assert!(first["next_attempt_at"].is_string() && first.get("last_attempt").is_none());
    let cursor = pending.body["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("{path}/deliveries?state=pending&limit=1&cursor={cursor}")).await;
    assert_ne!(rest.body["items"][0]["id"], first["id"]);
    assert_eq!(server.get(&format!("{path}/deliveries?state=dead")).await.body["items"], json!([]));
    assert_eq!(server.get(&format!("{path}/deliveries?state=lost")).await.code(), "malformed-query");

    for action in ["rotate", "enable", "test"] {
        server.post(&format!("{path}/{action}"), &json!({})).await;
    }
    server.post(&format!("{path}/deliveries/{}/redeliver", first["id"].as_str().unwrap()), &json!({})).await;
    send_as(&server, &server.ours.key, Method::PATCH, &path, Some(&json!({ "name": "x" }))).await;
    send_as(&server, &server.ours.key, Method::DELETE, &path, None).await;
    let actions: Vec<String> =
        sqlx::query_scalar("SELECT action FROM audit WHERE action LIKE 'webhook.%' ORDER BY sequence")
            .fetch_all(server.state.db().read())
            .await
            .unwrap();
    let done = ["created", "rotated", "enabled", "tested", "redelivered", "changed", "deleted"];
    assert_eq!(actions, done.map(|done| format!("webhook.{done}")));
}

#[tokio::test]
async fn what_is_sent_is_described_and_its_example_has_the_described_shape() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.body;
    let body = &document["webhooks"]["event"]["post"]["requestBody"]["content"]["application/json"];
    let mut schema = body["schema"].clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let example = &document["components"]["schemas"]["WebhookMessage"]["examples"][0];
    assert!(validator.is_valid(example), "{example}");
    let ping = json!({ "type": "webhook.ping", "timestamp": "1970-01-01T00:00:00Z", "data": { "webhook": "hook_1" } });
    assert!(validator.is_valid(&ping));
    assert!(!validator.is_valid(&json!({ "type": "job.done", "timestamp": "", "data": {} })));
}
