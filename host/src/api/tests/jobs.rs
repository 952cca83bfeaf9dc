//! Jobs over HTTP: accepted, seen by their team only, cancelled, and never answered 200 without a result.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::{
    domain::ids::JobId,
    jobs::{self, NewJob},
};

/// Submits a job that is unlike all before.
pub(super) async fn submitted(server: &Server) -> String {
    static SEED: AtomicU64 = AtomicU64::new(100);
    let seed = SEED.fetch_add(1, Ordering::Relaxed);
    let spec = json!({ "kind": "calibrate", "name": "first", "deadline_s": 60, "seed": seed });
    let answer = server.post("/v1/jobs", &spec).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    answer.body["id"].as_str().unwrap().to_owned()
}

/// Ends a job the way its worker would, without one.
pub(super) async fn end(server: &Server, id: &str, state: &str, result: Option<Value>, problem: Option<Problem>) {
    let mut tx = server.state.db().write().await.unwrap();
    sqlx::query("UPDATE jobs SET state = $2, result = $3, problem = $4, finished_us = created_us WHERE id = $1")
        .bind(id)
        .bind(state)
        .bind(result.map(|value| value.to_string()))
        .bind(problem.map(|problem| serde_json::to_string(&problem).unwrap()))
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn audited(server: &Server) -> Vec<(String, String)> {
    sqlx::query_as("SELECT action, subject FROM audit ORDER BY sequence")
        .fetch_all(server.state.db().read())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_submitted_job_is_accepted_with_a_place_to_look() {
    let server = Server::start().await;
    let answer = server.post("/v1/jobs", &json!({ "kind": "calibrate", "name": "first", "seed": 7 })).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let id = answer.body["id"].as_str().unwrap();
    assert_eq!(answer.headers[header::LOCATION], format!("/v1/jobs/{id}"));
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(audited(&server).await, [("job.submitted".to_owned(), id.to_owned())]);

    let seen = server.get(&format!("/v1/jobs/{id}")).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(
        (&seen.body["state"], &seen.body["name"], &seen.body["spec"]["seed"]),
        (&json!("queued"), &json!("first"), &json!(7))
    );
    assert_eq!(seen.body["stages"][0]["name"], "only");
    assert_eq!(seen.body["progress_percent"], 0.0);
    assert!(seen.body["created_at"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_preview_makes_no_job() {
    let server = Server::start().await;
    let answer = server.post("/v1/jobs/preview", &json!({ "kind": "calibrate" })).await;
    assert_eq!((answer.status, &answer.body["stages"]), (StatusCode::OK, &json!([{ "name": "only", "tasks": 1 }])));
    assert_eq!(server.get("/v1/jobs").await.body["items"], json!([]));
}

#[tokio::test]
async fn another_teams_job_is_403_and_an_unknown_one_404_on_every_route() {
    let server = Server::start().await;
    let foreign = {
        let stages = vec![NewStage { name: "only".to_owned(), weight: 1.0, tasks: vec![json!({})] }];
        let team = server.theirs.team.id.clone();
        let kind = crate::domain::job::JobKind::Calibrate;
        let job = NewJob {
            team,
            key: None,
            kind,
            spec: json!({}),
            name: None,
            tags: Vec::new(),
            stages,
            deadline_s: None,
            priority: 0,
            schedule: None,
            expected: None,
        };
        jobs::submit::submit(server.state.db(), job).await.unwrap()
    };
    let unknown = JobId::random();
    for (method, suffix) in [
        (Method::GET, ""),
        (Method::GET, "/result"),
        (Method::GET, "/events"),
        (Method::GET, "/events/stream"),
        (Method::GET, "/attempts"),
        (Method::GET, "/compare/job_0123456789abcdef0123456789abcdef"),
        (Method::POST, "/cancel"),
        (Method::POST, "/rerun"),
        (Method::GET, "/record"),
        (Method::POST, "/replay"),
    ] {
        for (id, status, code) in [
            (foreign.as_str(), StatusCode::FORBIDDEN, "not-yours"),
            (unknown.as_str(), StatusCode::NOT_FOUND, "not-found"),
            ("job_17", StatusCode::NOT_FOUND, "not-found"),
            ("slate_0123456789abcdef0123456789abcdef", StatusCode::NOT_FOUND, "not-found"),
        ] {
            let path = format!("/v1/jobs/{id}{suffix}");
            let answer = server.send(request(method.clone(), &path, &server.ours.key, None, Body::empty())).await;
            assert_eq!((answer.status, answer.code()), (status, code), "{method} {path}");
            assert!(!answer.body["detail"].as_str().unwrap().contains(foreign.as_str()));
        }
    }
    let seen = server
        .send(request(Method::GET, &format!("/v1/jobs/{foreign}"), &server.theirs.key, None, Body::empty()))
        .await;
    assert_eq!((seen.status, &seen.body["state"]), (StatusCode::OK, &json!("queued")));
    assert_eq!(server.get("/v1/jobs").await.body["items"], json!([]));
}

#[tokio::test]
async fn pages_of_the_list_lead_from_the_newest_job_to_the_oldest() {
    let server = Server::start().await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        expected.insert(0, submitted(&server).await);
    }
    let mut found = Vec::new();
    let mut path = "/v1/jobs?limit=2&kind=calibrate".to_owned();
    loop {
        let answer = server.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        found.extend(answer.body["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()));
        let Some(link) = answer.headers.get(header::LINK) else { break };
        path = link.to_str().unwrap().split(['<', '>']).nth(1).unwrap().to_owned();
        assert!(path.contains("kind=calibrate"));
    }
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(server.get("/v1/jobs?state=failed").await.body["items"], json!([]));
    assert_eq!(server.get("/v1/jobs?kind=simulate").await.body["items"], json!([]));
}

#[tokio::test]
async fn only_a_job_with_a_result_is_answered_200() {
    let server = Server::start().await;
    let id = submitted(&server).await;
    let path = format!("/v1/jobs/{id}/result");
    let early = server.get(&path).await;
    assert_eq!((early.status, early.code()), (StatusCode::CONFLICT, "job-not-finished"));
    assert!(early.headers.contains_key(header::RETRY_AFTER));

    let problem = Problem::invalid("/locks", "Locks cost 52,300, cap 50,000.", "Unlock somebody.");
    end(&server, &id, "failed", None, Some(problem)).await;
    let failed = server.get(&path).await;
    assert_eq!((failed.status, failed.code()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid-input"));
    assert_eq!(failed.body["detail"], "Locks cost 52,300, cap 50,000.");

    end(&server, &id, "succeeded", Some(json!({ "lineups": [] })), None).await;
    let done = server.get(&path).await;
    assert_eq!((done.status, &done.body["result"]), (StatusCode::OK, &json!({ "lineups": [] })));
    assert_eq!(audited(&server).await.last().unwrap().0, "job.result_read");

    end(&server, &id, "succeeded", None, None).await;
    let lost = server.get(&path).await;
    assert_eq!((lost.status, lost.code()), (StatusCode::INTERNAL_SERVER_ERROR, "internal-error"));
}

#[tokio::test]
async fn a_queued_job_is_cancelled_at_once_and_cancelling_twice_changes_nothing() {
    let server = Server::start().await;
    let id = submitted(&server).await;
    let path = format!("/v1/jobs/{id}/cancel");
    for _ in 0..2 {
        let answer = server.send(request(Method::POST, &path, &server.ours.key, None, Body::empty())).await;
        assert_eq!((answer.status, &answer.body["state"]), (StatusCode::OK, &json!("cancelled")));
    }
    assert_eq!(server.get(&format!("/v1/jobs/{id}/result")).await.code(), "job-cancelled");

    let ended = submitted(&server).await;
    end(&server, &ended, "succeeded", Some(json!({})), None).await;
    let path = format!("/v1/jobs/{ended}/cancel");
    let answer = server.send(request(Method::POST, &path, &server.ours.key, None, Body::empty())).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, "job-ended"));
}

#[tokio::test]
async fn events_are_told_in_order_and_once() {
    let server = Server::start().await;
    let id = submitted(&server).await;
    server.send(request(Method::POST, &format!("/v1/jobs/{id}/cancel"), &server.ours.key, None, Body::empty())).await;
    let all = server.get(&format!("/v1/jobs/{id}/events")).await.body;
    let states: Vec<&str> =
        all["items"].as_array().unwrap().iter().filter_map(|event| event["data"]["state"].as_str()).collect();
    assert_eq!(states, ["queued", "cancelled"]);
    let rest = server.get(&format!("/v1/jobs/{id}/events?after={}", all["after"])).await.body;
    assert_eq!((&rest["items"], &rest["after"]), (&json!([]), &all["after"]));
}
