//! Schedules over HTTP: checked when they are made, seen by their team only, changed, fired on demand and deleted.

use super::*;

fn weekly(name: &str) -> Value {
    json!({
        "name": name,
        "cron": "0 3 * * MON",
        "time_zone": "America/New_York",
        "job": { "kind": "calibrate", "name": "recalibration", "chains": 2 },
    })
}

async fn created(server: &Server, body: &Value) -> Answer {
    let answer = server.post("/v1/schedules", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    answer
}

async fn send(server: &Server, method: Method, path: &str, body: &Value) -> Answer {
    let body = Body::from(body.to_string());
    server.send(request(method, path, &server.ours.key, Some("application/json"), body)).await
}

#[tokio::test]
async fn a_schedule_is_stored_with_its_next_times_in_both_clocks() {
    let server = Server::start().await;
    let answer = created(&server, &weekly("Weekly")).await;
    let id = answer.body["id"].as_str().unwrap();
    let path = format!("/v1/schedules/{id}");
    assert_eq!(answer.headers[header::LOCATION], path);
    assert_eq!(answer.body["enabled"], true);
    assert!(answer.body["description"].as_str().unwrap().contains("Monday"), "{}", answer.body["description"]);
    let fires = answer.body["next_fires"].as_array().unwrap();
    assert_eq!(fires.len(), 5);
    for fire in fires {
        assert!(fire["utc"].as_str().unwrap().ends_with(":00:00Z"), "{fire}");
        let local = fire["local"].as_str().unwrap();
        assert!(local.contains("T03:00:00-0") && local.ends_with("[America/New_York]"), "{fire}");
    }
    assert_eq!(server.get(&path).await.body, answer.body);
    assert_eq!(server.get("/v1/schedules").await.body["items"], json!([answer.body]));
}

#[tokio::test]
async fn a_mistake_is_told_by_its_place_and_stores_nothing() {
    let server = Server::start().await;
    let cases = [
        (json!({ "cron": "0 25 * * MON" }), "/cron", "At character 3"),
        (json!({ "cron": "soon" }), "/cron", "fields"),
        (json!({ "cron": "0 3 30 2 *" }), "/cron", "never"),
        (json!({ "cron": "*/4 * * * *" }), "/cron", "240 s"),
        (json!({ "time_zone": "Mars/Olympus" }), "/time_zone", "Mars/Olympus"),
        (json!({ "name": "" }), "/name", "name"),
        (json!({ "catch_up": "twice" }), "/catch_up", "twice"),
        (json!({ "colour": "red" }), "/colour", "colour"),
        (json!({ "job": { "kind": "dance" } }), "/job/kind", "dance"),
        (json!({ "job": 7 }), "/job", "object"),
        (
            json!({ "job": { "kind": "calibrate", "history": { "trailing_races": -1 } } }),
            "/job/history/trailing_races",
            "-1",
        ),
        // Found by the planner, not by reading.
        (json!({ "job": { "kind": "calibrate", "chains": 65 } }), "/job/chains", "chains"),
    ];
    for (change, field, word) in cases {
        let mut body = weekly("Weekly");
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = server.post("/v1/schedules", &body).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid-input"), "{change}");
        assert_eq!(answer.body["field"], field, "{}", answer.body);
        assert!(answer.body["detail"].as_str().unwrap().contains(word), "{}", answer.body);
    }
    assert_eq!(server.get("/v1/schedules").await.body["items"], json!([]));
    let mut at_the_limit = weekly("Often");
    at_the_limit["cron"] = json!("*/5 * * * *");
    created(&server, &at_the_limit).await;
}

#[tokio::test]
async fn a_team_has_a_limit_and_each_name_once() {
    let server = Server::start_with(ApiConfig { schedules_per_team_max: 2, ..ApiConfig::default() }).await;
    created(&server, &weekly("one")).await;
    let taken = server.post("/v1/schedules", &weekly("one")).await;
    assert_eq!((taken.status, taken.code()), (StatusCode::CONFLICT, "already-exists"));
    created(&server, &weekly("two")).await;
    let third = server.post("/v1/schedules", &weekly("three")).await;
    assert_eq!((third.status, third.code()), (StatusCode::TOO_MANY_REQUESTS, "over-quota"));
}

#[tokio::test]
async fn the_same_request_with_the_same_key_makes_one_schedule() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let body = Body::from(weekly("one").to_string());
        let mut request = request(Method::POST, "/v1/schedules", &server.ours.key, Some("application/json"), body);
        request.headers_mut().insert("idempotency-key", "once".parse().unwrap());
        let answer = server.send(request).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        ids.push((answer.body["id"].clone(), answer.headers.contains_key("idempotency-replayed")));
    }
    assert_eq!(ids[0].0, ids[1].0);
    assert_eq!((ids[0].1, ids[1].1), (false, true));
}

#[tokio::test]
async fn a_change_touches_what_it_names_and_nothing_else() {
    let server = Server::start().await;
    let before = created(&server, &weekly("one")).await.body;
    let path = format!("/v1/schedules/{}", before["id"].as_str().unwrap());
    let off = send(&server, Method::PATCH, &path, &json!({ "enabled": false })).await;
    assert_eq!(
        (off.status, &off.body["enabled"], &off.body["next_fires"]),
        (StatusCode::OK, &json!(false), &json!([]))
    );
    assert_eq!((&off.body["cron"], &off.body["job"]), (&before["cron"], &before["job"]));
    // Other words do not enable it.
    let renamed = send(&server, Method::PATCH, &path, &json!({ "name": "two", "cron": "@daily" })).await;
    assert_eq!((&renamed.body["name"], &renamed.body["enabled"]), (&json!("two"), &json!(false)));
    let on = send(&server, Method::PATCH, &path, &json!({ "enabled": true })).await;
    assert_eq!(on.body["next_fires"].as_array().unwrap().len(), 5);
    let bad = send(&server, Method::PATCH, &path, &json!({ "time_zone": "Nowhere" })).await;
    assert_eq!((bad.status, &bad.body["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/time_zone")));
    assert_eq!(server.get(&path).await.body, on.body);
}

#[tokio::test]
async fn fired_on_demand_it_makes_its_job_and_shows_it() {
    let server = Server::start().await;
    let schedule = created(&server, &weekly("one")).await.body;
    let path = format!("/v1/schedules/{}", schedule["id"].as_str().unwrap());
    let run = format!("{path}/run");
    let fired = send(&server, Method::POST, &run, &json!({})).await;
    assert_eq!(fired.status, StatusCode::ACCEPTED, "{}", fired.body);
    assert_eq!((&fired.body["schedule"], &fired.body["name"]), (&schedule["id"], &json!("recalibration")));
    assert_eq!(fired.headers[header::LOCATION], format!("/v1/jobs/{}", fired.body["id"].as_str().unwrap()));
    let after = server.get(&path).await.body;
    assert_eq!((&after["last_job"], &after["next_fires"]), (&fired.body["id"], &schedule["next_fires"]));
    let twin = send(&server, Method::POST, &run, &json!({})).await;
    assert_eq!((twin.status, twin.code()), (StatusCode::CONFLICT, "duplicate-job"));
    let of_the_schedule = server.get("/v1/jobs").await.body["items"].as_array().unwrap().len();
    assert_eq!(of_the_schedule, 1);
}

#[tokio::test]
async fn a_deleted_schedule_is_gone_and_its_jobs_are_not() {
    let server = Server::start().await;
    let schedule = created(&server, &weekly("one")).await.body;
    let path = format!("/v1/schedules/{}", schedule["id"].as_str().unwrap());
    let job = send(&server, Method::POST, &format!("{path}/run"), &json!({})).await.body;
    assert_eq!(send(&server, Method::DELETE, &path, &json!({})).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.get(&path).await.status, StatusCode::NOT_FOUND);
    let kept = server.get(&format!("/v1/jobs/{}", job["id"].as_str().unwrap())).await;
    assert_eq!((kept.status, &kept.body["schedule"]), (StatusCode::OK, &schedule["id"]));
}

#[tokio::test]
async fn another_teams_schedule_is_403_and_an_unknown_one_404_on_every_route() {
    let server = Server::start().await;
    let id = created(&server, &weekly("one")).await.body["id"].as_str().unwrap().to_owned();
    let unknown = "sched_0123456789abcdef0123456789abcdef";
    for (method, suffix) in [(Method::GET, ""), (Method::PATCH, ""), (Method::DELETE, ""), (Method::POST, "/run")] {
        for (id, status) in [(id.as_str(), StatusCode::FORBIDDEN), (unknown, StatusCode::NOT_FOUND)] {
            let path = format!("/v1/schedules/{id}{suffix}");
            let request =
                request(method.clone(), &path, &server.theirs.key, Some("application/json"), Body::from("{}"));
            assert_eq!(server.send(request).await.status, status, "{method} {path}");
        }
    }
    let read_only = server.key_with(&[Scope::Read]).await;
    let body = Body::from(weekly("two").to_string());
    let refused = server.send(request(Method::POST, "/v1/schedules", &read_only, Some("application/json"), body)).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::FORBIDDEN, "missing-scope"));
}
