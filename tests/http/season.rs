//! What tests work on: a made-up season and slate, imported over HTTP, and jobs followed to their end.

use std::{
    thread,
    time::{Duration, Instant},
};

use paddock::catalog::synthetic;
use serde_json::{Value, json};

use crate::server::Server;

/// Longer than any job of the tests takes on a busy machine; past it a test fails instead of hanging.
const JOB_ENDS_WITHIN: Duration = Duration::from_secs(240);

/// Longer than anything else takes that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks at what has no signal.
const POLL: Duration = Duration::from_millis(20);

/// Imports the made-up season and its slate for the key's team; gives the slate's answer.
pub fn import(server: &Server, key: &str) -> Value {
    let season = synthetic::season(1);
    let races = server.post(key, "/v1/races", "text/csv", season.races_csv.as_bytes());
    assert_eq!(races.status, 200, "{}", races.body);
    let query = format!(
        "/v1/slates?name=main&contest=draftkings-nascar-classic-2021&race={}&race_name=Next&track=Next&track_type={}&race_laps={}",
        season.next_race,
        season.next_track_type.as_str(),
        season.next_race_laps
    );
    let slate = server.post(key, &query, "text/csv", season.slate_csv.as_bytes());
    assert_eq!(slate.status, 201, "{}", slate.body);
    slate.body["slate"].clone()
}

/// Submits a job; gives its id.
pub fn submit(server: &Server, key: &str, spec: &Value) -> String {
    let submitted = server.post_json(key, "/v1/jobs", spec);
    assert_eq!(submitted.status, 202, "{}", submitted.body);
    let id = submitted.body["id"].as_str().unwrap().to_owned();
    assert_eq!(submitted.location, Some(format!("/v1/jobs/{id}")));
    id
}

/// Looks at a job whenever something has happened to it, until it is as `is_so` wants it.
pub fn wait_until(server: &Server, key: &str, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    let mut seen = 0;
    loop {
        let job = server.get(key, &format!("/v1/jobs/{id}"));
        assert_eq!(job.status, 200, "{}", job.body);
        if is_so(&job.body) {
            return job.body;
        }
        let has_time = started.elapsed() < JOB_ENDS_WITHIN;
        assert!(has_time, "still waiting: {} {}", job.body["state"], job.body["problem"]);
        seen = server.next_event(key, id, seen);
    }
}

/// Looks at what the API has no signal for until it is as `is_so` wants it.
pub fn eventually(server: &Server, key: &str, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let body = server.get(key, path).body;
        if is_so(&body) {
            return body;
        }
        assert!(started.elapsed() < PATIENCE, "still waiting: {body}");
        thread::sleep(POLL);
    }
}

/// Waits for a job to end well; gives its result.
pub fn result(server: &Server, key: &str, id: &str) -> Value {
    let job = wait_until(server, key, id, |job| !["queued", "running"].contains(&job["state"].as_str().unwrap()));
    assert!(["succeeded", "partial"].contains(&job["state"].as_str().unwrap()), "{}", job["problem"]);
    let result = server.get(key, &format!("/v1/jobs/{id}/result"));
    assert_eq!(result.status, 200, "{}", result.body);
    result.body["result"].clone()
}

/// A fit that takes a second or two: long enough to be interrupted, short enough to wait for.
pub fn small_fit() -> Value {
    json!({
        "kind": "calibrate",
        "history": { "trailing_races": 30 },
        "calibrator": { "plugin": "calibrator-attrition", "params": { "warmup": 150, "draws": 150 } },
        "chains": 2,
        "holdout_races": 2,
        "forecast_scenarios": 200,
    })
}

/// What depends on the plan alone: everything but what it cost and what it is stored as.
pub fn without_cost(mut result: Value) -> Value {
    result.as_object_mut().unwrap().remove("run");
    result["model"].as_object_mut().unwrap().remove("id");
    result
}
