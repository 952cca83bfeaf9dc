//! Jobs as a client finds them again: by tag, name and time, with their attempts, their place in the queue, side by side.

use super::{
    jobs::{end, submitted},
    *,
};

async fn submit(server: &Server, fields: Value) -> String {
    let mut spec = json!({ "kind": "calibrate" });
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let answer = server.post("/v1/jobs", &spec).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    answer.body["id"].as_str().unwrap().to_owned()
}

async fn patch(server: &Server, id: &str, body: &str) -> Answer {
    let path = format!("/v1/jobs/{id}");
    let body = Body::from(body.to_owned());
    server.send(request(Method::PATCH, &path, &server.ours.key, Some("application/json"), body)).await
}

async fn listed(server: &Server, query: &str) -> Vec<String> {
    let answer = server.get(&format!("/v1/jobs?{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn jobs_are_found_by_what_they_are_filed_under() {
    let server = Server::start().await;
    let first = submit(&server, json!({ "seed": 1, "tags": ["night", "oval"], "name": "Sunday, main" })).await;
    let second = submit(&server, json!({ "seed": 2, "tags": ["night"] })).await;
    assert_eq!(server.get(&format!("/v1/jobs/{first}")).await.body["tags"], json!(["night", "oval"]));
    assert_eq!(listed(&server, "tag=oval").await, std::slice::from_ref(&first));
    assert_eq!(listed(&server, "name=Sunday,%20main").await, std::slice::from_ref(&first));
    assert_eq!(listed(&server, "tag=night&state=queued&kind=calibrate").await.len(), 2);
    assert_eq!(listed(&server, "created_before=2020-01-01T00:00:00Z").await, [""; 0]);
    assert_eq!(listed(&server, "created_from=2020-01-01T00:00:00%2B01:00").await.len(), 2);

    let page = server.get("/v1/jobs?tag=night&limit=1").await;
    let link = page.headers[header::LINK].to_str().unwrap().split(['<', '>']).nth(1).unwrap().to_owned();
    let rest = server.get(&link).await;
    assert_eq!((&page.body["items"][0]["id"], &rest.body["items"][0]["id"]), (&json!(second), &json!(first)));
    assert!(!rest.headers.contains_key(header::LINK));
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_names_its_parameter() {
    let server = Server::start().await;
    let cases = [
        ("created_from=yesterday", 422, "created_from"),
        ("created_before=2026-04-12", 422, "created_before"),
        ("cursor=7", 422, "cursor"),
        ("limit=0", 422, "limit"),
        ("schedule=weekly", 422, "schedule"),
        ("kind=dance", 400, "kind"),
        ("colour=red", 400, "colour"),
    ];
    for (query, status, field) in cases {
        let answer = server.get(&format!("/v1/jobs?{query}")).await;
        assert_eq!((answer.status.as_u16(), answer.body["field"].as_str()), (status, Some(field)), "{query}");
    }
}

#[tokio::test]
async fn a_job_can_be_filed_under_something_else_at_any_time() {
    let server = Server::start().await;
    let id = submit(&server, json!({ "name": "Monday", "tags": ["night"] })).await;
    let changed = patch(&server, &id, r#"{"tags": ["day", "oval"]}"#).await;
    assert_eq!(
        (changed.status, &changed.body["name"], &changed.body["tags"]),
        (StatusCode::OK, &json!("Monday"), &json!(["day", "oval"]))
    );
    end(&server, &id, "succeeded", Some(json!({})), None).await;
    let changed = patch(&server, &id, r#"{"name": null}"#).await;
    assert_eq!(
        (changed.status, &changed.body["name"], &changed.body["tags"][0]),
        (StatusCode::OK, &Value::Null, &json!("day"))
    );
    assert_eq!((listed(&server, "tag=night").await.len(), listed(&server, "tag=day").await.len()), (0, 1));

    let refused = patch(&server, &id, r#"{"state": "failed"}"#).await;
    assert_eq!((refused.status, refused.body["field"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some("/state")));
    let reader = server.key_with(&[Scope::Read]).await;
    let body = Body::from("{}");
    let refused =
        server.send(request(Method::PATCH, &format!("/v1/jobs/{id}"), &reader, Some("application/json"), body)).await;
    assert_eq!(refused.code(), "missing-scope");
}

#[tokio::test]
async fn a_queued_job_knows_its_place_among_all_teams() {
    let server = Server::start().await;
    let first = submitted(&server).await;
    let body = Body::from(r#"{"kind": "calibrate"}"#);
    let theirs =
        server.send(request(Method::POST, "/v1/jobs", &server.theirs.key, Some("application/json"), body)).await;
    let theirs = format!("/v1/jobs/{}", theirs.body["id"].as_str().unwrap());
    let theirs = async || server.send(request(Method::GET, &theirs, &server.theirs.key, None, Body::empty())).await;
    let second = submitted(&server).await;
    let place = |answer: &Answer| answer.body["position"].as_u64().unwrap();
    let ours = [server.get(&format!("/v1/jobs/{first}")).await, server.get(&format!("/v1/jobs/{second}")).await];
    assert_eq!(place(&ours[1]), 3);
    assert_eq!(ours[1].body["queued_ahead"], 1);
    // Neither team has had a worker yet: the first places go by the teams' ids.
    let mut places = [place(&ours[0]), place(&theirs().await)];
    places.sort_unstable();
    assert_eq!(places, [1, 2]);
    // Nothing was ever run, so nobody can say when.
    assert!(ours[1].body["eta_s"].is_null() && ours[1].body.get("eta").is_none());
    assert!(ours[1].body["timing"]["wait_s"].as_f64().unwrap() >= 0.0);
    assert!(ours[1].body["timing"]["run_s"].is_null());
}

/// Leaves attempts at the job's only task, as workers would, without one.
async fn attempt(server: &Server, id: &str, count: i64) {
    let mut tx = server.state.db().write().await.unwrap();
    for epoch in 1..=count {
        sqlx::query(
            "INSERT INTO attempts (task_id, lease_epoch, job_id, worker, started_us, first_heartbeat_us, finished_us, outcome, cpu_us)
            SELECT id, $2, job_id, 'a worker', $2 * 1000000, $2 * 1000000 + 250000, $2 * 1000000 + 500000, 'lost', 400000
            FROM tasks WHERE job_id = $1",
        )
        .bind(id)
        .bind(epoch)
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn attempts_are_told_page_by_page_with_their_times() {
    let server = Server::start().await;
    let id = submitted(&server).await;
    attempt(&server, &id, 3).await;
    let (mut path, mut found) = (format!("/v1/jobs/{id}/attempts?limit=2"), Vec::new());
    loop {
        let page = server.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        found.extend(page.body["items"].as_array().unwrap().clone());
        let Some(link) = page.headers.get(header::LINK) else { break };
        path = link.to_str().unwrap().split(['<', '>']).nth(1).unwrap().to_owned();
    }
    let epochs: Vec<_> = found.iter().map(|attempt| attempt["lease_epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, [1, 2, 3]);
    let last = &found[2];
    assert_eq!(
        (&last["stage"], &last["outcome"], &last["worker"]),
        (&json!("only"), &json!("lost"), &json!("a worker"))
    );
    assert_eq!(
        (&last["claim_to_heartbeat_s"], &last["run_s"], &last["cpu_s"]),
        (&json!(0.25), &json!(0.5), &json!(0.4))
    );
    assert_eq!(server.get(&format!("/v1/jobs/{id}/attempts?cursor=1.2.3")).await.body["field"], "cursor");
}

#[tokio::test]
async fn ended_jobs_are_compared_and_live_ones_are_not() {
    let server = Server::start().await;
    let (one, two) = (submitted(&server).await, submitted(&server).await);
    let path = format!("/v1/jobs/{one}/compare/{two}");
    end(&server, &one, "succeeded", Some(json!({ "fit": { "max_rhat": 1.25 } })), None).await;
    let early = server.get(&path).await;
    assert_eq!((early.status, early.code()), (StatusCode::CONFLICT, "job-not-finished"));
    assert!(early.body["detail"].as_str().unwrap().contains(&two));

    end(&server, &two, "succeeded", Some(json!({ "fit": { "max_rhat": 1.5 } })), None).await;
    let found = server.get(&path).await;
    assert_eq!((found.status, &found.body["identical"]), (StatusCode::OK, &json!(false)));
    assert_eq!(found.body["request"]["items"][0]["place"], "/seed");
    let figure = json!({ "place": "/fit/max_rhat", "this": 1.25, "other": 1.5, "difference": 0.25 });
    assert_eq!(found.body["figures"]["items"], json!([figure]));
    let same = server.get(&format!("/v1/jobs/{one}/compare/{one}")).await.body;
    assert_eq!((&same["identical"], &same["result_hash"]["this"]), (&json!(true), &same["result_hash"]["other"]));

    end(&server, &two, "failed", None, Some(Problem::internal("It broke."))).await;
    let found = server.get(&path).await.body;
    assert_eq!((&found["identical"], &found["other"]["state"]), (&json!(false), &json!("failed")));
    assert_eq!(found["other"]["problem"]["detail"], "It broke.");
    let theirs = server.send(request(Method::GET, &path, &server.theirs.key, None, Body::empty())).await;
    assert_eq!((theirs.status, theirs.code()), (StatusCode::FORBIDDEN, "not-yours"));
    assert_eq!(server.get(&format!("/v1/jobs/{one}/compare/job_17")).await.status, StatusCode::NOT_FOUND);
}
