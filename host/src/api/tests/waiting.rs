//! Clients that wait: `Prefer: wait`, streams of events, and what a team may submit beside what still runs.

use std::time::Duration;

use axum::body::BodyDataStream;
use futures_util::StreamExt;

use super::{jobs::submitted, *};

const PATIENCE: Duration = Duration::from_secs(20);

fn get_with(server: &Server, path: &str, name: &str, value: &str) -> Request<Body> {
    let mut request = request(Method::GET, path, &server.ours.key, None, Body::empty());
    request.headers_mut().insert(header::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    request
}

async fn cancel(server: &Server, id: &str) {
    let path = format!("/v1/jobs/{id}/cancel");
    let answer = server.send(request(Method::POST, &path, &server.ours.key, None, Body::empty())).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

async fn open_stream(server: &Server, id: &str, last_event_id: Option<&str>) -> (StatusCode, BodyDataStream) {
    let path = format!("/v1/jobs/{id}/events/stream");
    let request = match last_event_id {
        Some(sequence) => get_with(server, &path, "last-event-id", sequence),
        None => request(Method::GET, &path, &server.ours.key, None, Body::empty()),
    };
    let response = server.router.clone().oneshot(request).await.unwrap();
    (response.status(), response.into_body().into_data_stream())
}

/// What the stream says next.
async fn next(stream: &mut BodyDataStream) -> Option<String> {
    let chunk = tokio::time::timeout(PATIENCE, stream.next()).await.expect("the stream to go on or end");
    chunk.map(|bytes| String::from_utf8(bytes.unwrap().to_vec()).unwrap())
}

fn id_of(event: &str) -> &str {
    event.lines().find_map(|line| line.strip_prefix("id: ")).unwrap()
}

#[tokio::test]
async fn a_stream_tells_what_was_and_what_comes_and_then_ends() {
    let server = Server::start().await;
    let id = submitted(&server).await;
    let (status, mut stream) = open_stream(&server, &id, None).await;
    assert_eq!(status, StatusCode::OK);
    let queued = next(&mut stream).await.unwrap();
    assert!(queued.contains("event: state\n") && queued.contains(r#""state":"queued""#), "{queued}");

    cancel(&server, &id).await;
    let cancelled = next(&mut stream).await.unwrap();
    assert!(cancelled.contains(r#""state":"cancelled""#), "{cancelled}");
    assert_eq!(next(&mut stream).await, None);

    let (status, mut stream) = open_stream(&server, &id, Some(id_of(&queued))).await;
    assert_eq!((status, next(&mut stream).await.unwrap()), (StatusCode::OK, cancelled.clone()));
    let (status, _) = open_stream(&server, &id, Some(id_of(&cancelled))).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_stream_ends_when_the_server_stops() {
    let server = Server::start().await;
    let id = submitted(&server).await;
    let (_, mut stream) = open_stream(&server, &id, None).await;
    assert!(next(&mut stream).await.unwrap().contains("queued"));
    server.state.begin_draining();
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn streams_past_the_maximum_and_unreadable_ids_are_refused() {
    let server = Server::start_with(ApiConfig { event_streams_max: 1, ..ApiConfig::default() }).await;
    let id = submitted(&server).await;
    let path = format!("/v1/jobs/{id}/events/stream");
    for sequence in ["soon", "-1", "99999999999999999999"] {
        let answer = server.send(get_with(&server, &path, "last-event-id", sequence)).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "malformed-header"), "{sequence}");
    }
    let first = open_stream(&server, &id, None).await;
    let answer = server.get(&path).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "overloaded"));
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    drop(first);
    assert_eq!(open_stream(&server, &id, None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_client_that_prefers_to_wait_is_answered_at_the_end_or_in_time() {
    let server = Server::start_with(ApiConfig { wait_s_max: 1, ..ApiConfig::default() }).await;
    let id = submitted(&server).await;
    let path = format!("/v1/jobs/{id}");
    let in_time = server.send(get_with(&server, &path, "prefer", "wait=3600")).await;
    assert_eq!((in_time.status, &in_time.body["state"]), (StatusCode::OK, &json!("queued")));
    assert_eq!(in_time.headers["preference-applied"], "wait=1");

    let server = Server::start_with(ApiConfig { wait_s_max: 20, ..ApiConfig::default() }).await;
    let id = submitted(&server).await;
    let path = format!("/v1/jobs/{id}");
    let waits = server.send(get_with(&server, &path, "prefer", "respond-async, wait=20"));
    let (answer, ()) = tokio::join!(waits, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        cancel(&server, &id).await;
    });
    assert_eq!(answer.body["state"], "cancelled");
    assert!(!server.get(&path).await.headers.contains_key("preference-applied"));
}

#[tokio::test]
async fn the_same_job_twice_is_refused_by_name_until_the_first_has_ended() {
    let server = Server::start().await;
    let spec = json!({ "kind": "calibrate", "seed": 3 });
    let first = server.post("/v1/jobs", &spec).await.body["id"].as_str().unwrap().to_owned();
    let again = server.post("/v1/jobs", &json!({ "kind": "calibrate", "seed": 3, "name": "again" })).await;
    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "duplicate-job"));
    assert!(again.body["detail"].as_str().unwrap().contains(&first));
    assert_eq!(server.post("/v1/jobs", &json!({ "kind": "calibrate", "seed": 4 })).await.status, StatusCode::ACCEPTED);

    let body = Body::from(spec.to_string());
    let mut on_purpose = request(Method::POST, "/v1/jobs", &server.ours.key, Some("application/json"), body);
    on_purpose.headers_mut().insert("idempotency-key", "twice".parse().unwrap());
    let second = server.send(on_purpose).await;
    assert_eq!(second.status, StatusCode::ACCEPTED);

    cancel(&server, &first).await;
    cancel(&server, second.body["id"].as_str().unwrap()).await;
    assert_eq!(server.post("/v1/jobs", &spec).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_team_at_its_quota_is_told_when_to_come_back() {
    let server = Server::start_with(ApiConfig { live_jobs_per_team_max: 2, ..ApiConfig::default() }).await;
    let first = submitted(&server).await;
    submitted(&server).await;
    let spec = json!({ "kind": "calibrate", "seed": 1_000_000 });
    let refused = server.post("/v1/jobs", &spec).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::TOO_MANY_REQUESTS, "over-quota"));
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(refused.headers["ratelimit"], "\"live-jobs\";r=0");
    cancel(&server, &first).await;
    let taken = server.post("/v1/jobs", &spec).await;
    assert_eq!(
        (taken.status, &taken.headers["ratelimit"]),
        (StatusCode::ACCEPTED, &"\"live-jobs\";r=0".parse().unwrap())
    );
    assert_eq!(taken.headers["ratelimit-policy"], "\"live-jobs\";q=2;qu=\"jobs\"");
}

#[tokio::test]
async fn a_team_that_has_used_up_its_cpu_seconds_comes_back_tomorrow() {
    let server = Server::start_with(ApiConfig { cpu_s_per_team_and_day_max: 60, ..ApiConfig::default() }).await;
    let use_up = async |cpu_us: i64| {
        let mut tx = server.state.db().write().await.unwrap();
        let text = "INSERT INTO team_usage SELECT $1, (SELECT now_us FROM clock) / 86400000000, $2 WHERE TRUE
            ON CONFLICT (team_id, day) DO UPDATE SET cpu_us = excluded.cpu_us";
        sqlx::query(text).bind(server.ours.team.id.as_str()).bind(cpu_us).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    };
    let spec = |seed: u32| json!({ "kind": "calibrate", "seed": seed });
    // Each job is expected to use two CPU-seconds.
    use_up(58_000_001).await;
    let costly = server.post("/v1/jobs", &spec(1)).await;
    assert_eq!((costly.status, costly.code()), (StatusCode::TOO_MANY_REQUESTS, "over-quota"));
    assert!(costly.body["detail"].as_str().unwrap().starts_with("Past jobs say"), "{}", costly.body);
    use_up(58_000_000).await;
    let taken = server.post("/v1/jobs", &spec(1)).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.body);
    assert!(taken.headers["ratelimit"].to_str().unwrap().contains("\"cpu-seconds\";r=2;t="), "{:?}", taken.headers);
    assert_eq!(server.get("/v1/quota").await.body["cpu_s_promised"], 2.0);
    use_up(60_000_000).await;
    let refused = server.post("/v1/jobs", &spec(2)).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::TOO_MANY_REQUESTS, "over-quota"));
    assert_eq!(refused.body["limit"], "60 CPU-seconds per team and day");
    let seconds: u32 = refused.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&seconds), "{seconds}");
    let quota = server.get("/v1/quota").await.body;
    assert_eq!(
        (&quota["cpu_s_today"], &quota["cpu_s_per_day_max"], &quota["live_jobs"]),
        (&json!(60.0), &json!(60), &json!(1))
    );
}

#[tokio::test]
async fn an_ended_job_is_run_again_as_it_was_planned() {
    let server = Server::start().await;
    let first = submitted(&server).await;
    let path = format!("/v1/jobs/{first}/rerun");
    let rerun = || request(Method::POST, &path, &server.ours.key, None, Body::empty());
    let early = server.send(rerun()).await;
    assert_eq!((early.status, early.code()), (StatusCode::CONFLICT, "duplicate-job"));

    cancel(&server, &first).await;
    let again = server.send(rerun()).await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "{}", again.body);
    let before = server.get(&format!("/v1/jobs/{first}")).await.body;
    assert_ne!(again.body["id"], before["id"]);
    for field in ["kind", "name", "spec", "deadline_s", "priority"] {
        assert_eq!(again.body[field], before[field], "{field}");
    }
    assert_eq!(again.body["stages"][0]["tasks_total"], before["stages"][0]["tasks_total"]);
    assert_eq!(again.headers[header::LOCATION], format!("/v1/jobs/{}", again.body["id"].as_str().unwrap()));
}
