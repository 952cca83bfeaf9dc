//! Schedules of the real binary: refused where they make no sense, fired on demand, by themselves, and once by a fleet.

use serde_json::{Value, json};

use crate::{
    season::{eventually, import, result, small_fit, wait_until},
    server::{Place, Server},
    support::postgres::Cluster,
};

/// Often enough that a test need not wait for the first look.
fn quick() -> (String, String) {
    ("PADDOCK_SCHEDULES__POLL_MS".to_owned(), "50".to_owned())
}

fn weekly() -> Value {
    json!({ "name": "weekly", "cron": "0 3 * * MON", "time_zone": "America/New_York", "job": small_fit() })
}

fn create(server: &Server, key: &str, body: &Value) -> String {
    let created = server.post_json(key, "/v1/schedules", body);
    assert_eq!(created.status, 201, "{}", created.body);
    let id = created.body["id"].as_str().unwrap().to_owned();
    assert_eq!(created.location, Some(format!("/v1/schedules/{id}")));
    id
}

fn wait(server: &Server, key: &str, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(server, key, &format!("/v1/schedules/{id}"), is_so)
}

#[test]
fn a_schedule_that_makes_no_sense_is_refused_by_its_place() {
    let server = Server::start();
    let key = server.key("team", "submit,read");
    import(&server, &key);
    let cases = [
        (json!({ "cron": "0 3 * * FUNDAY" }), "/cron", "At character 9"),
        (json!({ "cron": "every monday" }), "/cron", "2 fields instead of five"),
        (json!({ "cron": "* * * * *" }), "/cron", "60 s"),
        (json!({ "time_zone": "America/Gotham" }), "/time_zone", "America/Gotham"),
        (json!({ "job": { "kind": "calibrate", "chains": 17 } }), "/job/chains", ""),
        (json!({ "job": { "kind": "calibrate", "history": { "before": "1950-01" } } }), "/job/history/before", ""),
    ];
    for (change, field, word) in cases {
        let mut body = weekly();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = server.post_json(&key, "/v1/schedules", &body);
        assert_eq!((answer.status, answer.body["field"].as_str()), (422, Some(field)), "{change}\n{}", answer.body);
        assert!(answer.body["detail"].as_str().unwrap().contains(word), "{}", answer.body);
        assert!(answer.body["action"].as_str().is_some_and(|action| !action.is_empty()), "{}", answer.body);
    }
    assert_eq!(server.get(&key, "/v1/schedules").body["items"], json!([]));
}

#[test]
fn a_schedule_fires_on_demand_and_its_job_runs_to_its_end() {
    let server = Server::start();
    let key = server.key("team", "submit,read");
    import(&server, &key);
    let id = create(&server, &key, &weekly());
    let fired = server.post_json(&key, &format!("/v1/schedules/{id}/run"), &json!({}));
    assert_eq!((fired.status, &fired.body["schedule"]), (202, &json!(id)), "{}", fired.body);
    let job = fired.body["id"].as_str().unwrap();
    result(&server, &key, job);
    assert_eq!(server.get(&key, &format!("/v1/schedules/{id}")).body["last_job"], job);
    assert_eq!(server.delete(&key, &format!("/v1/schedules/{id}")).status, 204);
    assert_eq!(server.get(&key, &format!("/v1/jobs/{job}")).body["schedule"], json!(id));
}

#[test]
fn times_that_passed_while_no_server_ran_are_made_up_for_by_one_job() {
    let place = Place::shared(vec![quick()]);
    let mut server = Server::start_at(&place, &[]);
    let key = server.key("team", "submit,read");
    import(&server, &key);
    let id = create(&server, &key, &weekly());
    // Three weeks ago, as far as the server can tell when it comes back.
    server.execute("UPDATE schedules SET next_fire_us = next_fire_us - 21 * 86400000000");
    server.terminate_and_restart();
    let schedule = wait(&server, &key, &id, |schedule| schedule["last_job"].is_string());
    assert_eq!(schedule["next_fires"].as_array().unwrap().len(), 5);
    let job = schedule["last_job"].as_str().unwrap();
    wait_until(&server, &key, job, |job| job["schedule"] == id);
    assert_eq!(server.get(&key, "/v1/jobs").body["items"].as_array().unwrap().len(), 1);
}

#[test]
fn a_schedule_whose_key_is_revoked_is_disabled_and_makes_nothing() {
    let place = Place::shared(vec![quick()]);
    let server = Server::start_at(&place, &[]);
    let (key, reader) = (server.key("team", "submit,read"), server.key("team", "submit,read"));
    import(&server, &key);
    let id = create(&server, &key, &weekly());
    let key_id = server.get(&reader, &format!("/v1/schedules/{id}")).body["key"].as_str().unwrap().to_owned();
    server.command(&["key", "revoke", &key_id]);
    server.execute("UPDATE schedules SET next_fire_us = 1");
    let schedule = wait(&server, &reader, &id, |schedule| schedule["enabled"] == false);
    assert_eq!(schedule["disabled_reason"], "Its key was revoked.");
    assert_eq!(server.get(&reader, "/v1/jobs").body["items"], json!([]));
    // Whoever enables it again answers for it from then on.
    let enabled = server.patch_json(&reader, &format!("/v1/schedules/{id}"), &json!({ "enabled": true }));
    assert_eq!((enabled.status, enabled.body.get("disabled_reason")), (200, None), "{}", enabled.body);
    server.execute("UPDATE schedules SET next_fire_us = 1");
    wait(&server, &reader, &id, |schedule| schedule["last_job"].is_string());
}

#[test]
fn a_fleet_fires_each_time_once() {
    let Some(cluster) = Cluster::shared() else { return };
    // Nobody runs the jobs, so the nodes need no store that all of them can read.
    let environment = vec![("PADDOCK_DATABASE_URL".to_owned(), cluster.create_database()), quick()];
    let place = Place::shared(environment);
    let nodes: Vec<Server> = (0..3).map(|_| Server::start_at(&place, &["--role", "api"])).collect();
    let key = nodes[0].key("team", "submit,read");
    import(&nodes[0], &key);
    let ids: Vec<String> = (0..8)
        .map(|number| {
            let mut body = weekly();
            body["name"] = json!(format!("number {number}"));
            // Unlike the others, or it would be their twin.
            body["job"]["seed"] = json!(number);
            create(&nodes[0], &key, &body)
        })
        .collect();
    nodes[0].execute("UPDATE schedules SET next_fire_us = 1");
    for id in &ids {
        wait(&nodes[1], &key, id, |schedule| schedule["last_job"].is_string());
    }
    let jobs = nodes[2].get(&key, "/v1/jobs?limit=200").body;
    let mut fired: Vec<&str> =
        jobs["items"].as_array().unwrap().iter().map(|job| job["schedule"].as_str().unwrap()).collect();
    fired.sort_unstable();
    let mut expected: Vec<&str> = ids.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(fired, expected);
}
