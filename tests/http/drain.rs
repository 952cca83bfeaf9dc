//! A server that is asked to stop in the middle of a job gives its tasks back, ends by itself, and its successor goes on.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    season::{import, result, small_fit, submit, wait_until},
    server::Server,
};

/// Stops the server by `stop` while a model is being fitted, and lets another server finish.
fn drains(stop: impl FnOnce(&Server)) {
    let server = Server::start();
    let key = server.key("team", "submit,read");
    import(&server, &key);
    let id = submit(&server, &key, &small_fit());
    wait_until(&server, &key, &id, |job| job["stages"][0]["progress_percent"].as_f64().unwrap() > 20.0);
    let asked = Instant::now();
    stop(&server);
    let (status, server) = server.wait_and_start_again();
    assert!(status.success(), "{status}");
    // The grace is a minute; a task that only has to write its checkpoint needs none of it.
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    result(&server, &key, &id);
    let job = server.get(&key, &format!("/v1/jobs/{id}")).body;
    let outcomes: Vec<&str> =
        job["failed_attempts"].as_array().unwrap().iter().map(|attempt| attempt["outcome"].as_str().unwrap()).collect();
    assert!(!outcomes.is_empty() && outcomes.iter().all(|outcome| *outcome == "released"), "{outcomes:?}");
}

#[test]
fn sigterm_loses_nothing() {
    drains(Server::terminate);
}

#[test]
fn an_operators_drain_loses_nothing() {
    drains(|server| {
        let operator = server.key("operators", "operate");
        let answer = server.post_json(&operator, "/v1/admin/drain", &json!({}));
        assert_eq!((answer.status, &answer.body["status"]), (202, &json!("draining")));
    });
}

#[test]
fn a_team_may_not_drain_the_server() {
    let server = Server::start();
    let key = server.key("team", "read,submit,admin");
    let answer = server.post_json(&key, "/v1/admin/drain", &json!({}));
    assert_eq!((answer.status, answer.code()), (403, "missing-scope"));
    assert_eq!(server.get(&key, "/readyz").status, 200);
}
