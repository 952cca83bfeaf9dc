//! Several servers on one PostgreSQL database and one S3 bucket: any of them may die.

use serde_json::{Value, json};

use crate::{
    season::{import, result, small_fit, submit, wait_until, without_cost},
    server::{Place, Server},
    support::{postgres::Cluster, s3::S3},
};

/// A database and a bucket for servers to share; `None` where the machine has no such servers to start and this is not CI.
fn shared_place() -> Option<(S3, Place)> {
    let cluster = Cluster::shared()?;
    let s3 = S3::start()?;
    let mut environment = s3.environment();
    environment.push(("PADDOCK_DATABASE_URL".to_owned(), cluster.create_database()));
    // A dead node's tasks are free again after four of these.
    environment.push(("PADDOCK_JOBS__HEARTBEAT_MS".to_owned(), "250".to_owned()));
    environment.push(("PADDOCK_JOBS__RECONCILE_MS".to_owned(), "200".to_owned()));
    Some((s3, Place::shared(environment)))
}

fn expected() -> Value {
    let alone = Server::start();
    let key = alone.key("team", "submit,read");
    import(&alone, &key);
    let id = submit(&alone, &key, &small_fit());
    without_cost(result(&alone, &key, &id))
}

#[test]
fn another_node_goes_on_from_the_checkpoint_of_a_killed_one_to_a_bit_identical_result() {
    let Some((s3, place)) = shared_place() else { return };
    let api = Server::start_at(&place, &["--role", "api"]);
    let key = api.key("team", "submit,read");
    import(&api, &key);
    let first = Server::start_at(&place, &["--role", "worker"]);
    let id = submit(&api, &key, &small_fit());
    wait_until(&api, &key, &id, |job| job["stages"][0]["progress_percent"].as_f64().unwrap() > 20.0);
    drop(first);
    let _second = Server::start_at(&place, &["--role", "worker"]);
    assert_eq!(without_cost(result(&api, &key, &id)), expected());

    let events = api.get(&key, &format!("/v1/jobs/{id}/events?limit=200")).body;
    let goes_on = |event: &&Value| event["data"].to_string().contains("goes on from its checkpoint");
    assert!(events["items"].as_array().unwrap().iter().filter(goes_on).count() >= 1, "{events}");
    assert!(s3.listing().contains("<Key>artifacts/"), "nothing was stored in the bucket");
}

#[test]
fn a_rolling_restart_under_load_loses_and_fails_nothing() {
    let Some((_s3, place)) = shared_place() else { return };
    let mut nodes = [Server::start_at(&place, &[]), Server::start_at(&place, &[])];
    let key = nodes[0].key("team", "submit,read");
    import(&nodes[0], &key);
    let mut jobs = Vec::new();
    for round in 0..2 {
        for (number, node) in nodes.iter_mut().enumerate() {
            for seed in 0..2 {
                let mut spec = small_fit();
                spec["seed"] = json!(100 * round + 10 * number + seed);
                jobs.push(submit(node, &key, &spec));
            }
            node.terminate();
            let fresh = Server::start_at(&place, &[]);
            let old = std::mem::replace(node, fresh);
            assert!(old.wait().success());
        }
    }
    for id in &jobs {
        result(&nodes[0], &key, id);
        let job = nodes[1].get(&key, &format!("/v1/jobs/{id}")).body;
        let failed = job["failed_attempts"].as_array().into_iter().flatten();
        let outcomes: Vec<_> = failed.map(|attempt| attempt["outcome"].clone()).collect();
        assert!(outcomes.iter().all(|outcome| outcome == "released"), "{outcomes:?}");
    }
}

#[test]
fn a_cancel_at_one_node_stops_a_guest_at_another() {
    let Some((_s3, place)) = shared_place() else { return };
    let api = Server::start_at(&place, &["--role", "api"]);
    let _worker = Server::start_at(&place, &["--role", "worker"]);
    let key = api.key("team", "submit,read");
    import(&api, &key);
    let mut spec = small_fit();
    spec["calibrator"]["params"] = json!({ "draws": 8_000 });
    let id = submit(&api, &key, &spec);
    wait_until(&api, &key, &id, |job| job["stages"][0]["progress_percent"].as_f64().unwrap() > 0.0);
    let asked = std::time::Instant::now();
    assert_eq!(api.post_json(&key, &format!("/v1/jobs/{id}/cancel"), &json!({})).status, 200);
    wait_until(&api, &key, &id, |job| job["state"] == "cancelled");
    // The aim is half a second on an idle machine; a heartbeat of a quarter of a second is what finds it without the hint.
    assert!(asked.elapsed() < std::time::Duration::from_secs(2), "{:?}", asked.elapsed());
}

#[test]
fn a_worker_answers_for_its_health_and_for_nothing_else() {
    let Some((_s3, place)) = shared_place() else { return };
    let worker = Server::start_at(&place, &["--role", "worker"]);
    assert_eq!(worker.get("", "/readyz").status, 200);
    assert_eq!(worker.get("", "/v1/jobs").status, 404);
}

#[test]
fn a_database_that_is_not_there_is_named_and_ends_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let url = "postgres://someone:s3cret@127.0.0.1:1/races";
    let ended = crate::server::paddock(directory.path()).args(["serve", "--database-url", url]).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success());
    assert!(said.contains("cannot reach the database at 127.0.0.1:1/races"), "{said}");
    assert!(!said.contains("s3cret"), "the password was printed: {said}");
}
