//! Retention of the real binary, on its own disk and on a bucket: what is old goes, what anybody names stays.

use serde_json::{Value, json};

use crate::{
    season::{import, result, small_fit, submit, without_cost},
    server::{Place, Server},
    support::{postgres::Cluster, s3::S3},
};

/// Nothing is held, and nobody prunes but the test.
fn settings() -> Vec<(String, String)> {
    let settings = [("PADDOCK_DB__ARTIFACT_HOLD_S", "0"), ("PADDOCK_RETENTION__INTERVAL_S", "86400")];
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// What a line of `paddock prune` says of jobs and of artifacts.
fn counts(line: &str) -> (u64, u64) {
    let before = |noun: &str| line.split(noun).next().unwrap().split_whitespace().last().unwrap().parse().unwrap();
    (before(" jobs"), before(" artifacts"))
}

fn old_and_unused_things_go(place: &Place) {
    let server = Server::start_at(place, &[]);
    let key = server.key("team", "submit,read");
    import(&server, &key);
    let job = submit(&server, &key, &small_fit());
    let first = result(&server, &key, &job);
    let draws = format!("/v1/models/{}/draws", first["model"]["id"].as_str().unwrap());
    let path = format!("/v1/jobs/{job}");

    // Superseded checkpoints go, and what the job and its model name stays.
    let promised = server.command(&["prune", "--dry-run"]);
    assert!(promised.starts_with("would delete 0 jobs"), "{promised}");
    let (jobs, artifacts) = counts(&server.command(&["prune"]));
    assert!(jobs == 0 && artifacts >= counts(&promised).1, "{artifacts} artifacts, {promised}");
    let (_, again) = counts(&server.command(&["prune", "--dry-run"]));
    assert_eq!(again, 0);
    assert_eq!(server.get(&key, &draws).status, 200);
    let rerun = server.post_json(&key, &format!("{path}/rerun"), &json!({}));
    let rerun = rerun.body["id"].as_str().unwrap().to_owned();
    assert_eq!(without_cost(result(&server, &key, &rerun)), without_cost(first));

    // One is pinned, the other old: it goes with what nobody else names.
    assert_eq!(server.patch_json(&key, &path, &json!({ "keep": true })).body["keep"], json!(true));
    server.execute("UPDATE jobs SET finished_us = 1 WHERE finished_us IS NOT NULL");
    assert_eq!(counts(&server.command(&["prune", "--dry-run"])).0, 1);
    assert_eq!(counts(&server.command(&["prune"])).0, 1);
    assert_eq!(server.get(&key, &format!("/v1/jobs/{rerun}")).status, 404);
    assert_eq!(server.get(&key, &path).status, 200);

    // The other is deleted on demand; its chains' draws are nobody's then, and the model keeps its own.
    assert_eq!(server.delete(&key, &path).status, 204);
    assert_eq!(server.get(&key, &path).code(), "not-found");
    assert_eq!(server.delete(&key, &path).code(), "not-found");
    let (_, artifacts) = counts(&server.command(&["prune"]));
    assert!(artifacts >= 2, "{artifacts}");
    assert_eq!(server.get(&key, &draws).status, 200);
    assert_eq!(server.get(&key, "/readyz").status, 200);
}

#[test]
fn old_and_unused_things_go_from_the_disk() {
    old_and_unused_things_go(&Place::shared(settings()));
}

#[test]
fn old_and_unused_things_go_from_a_bucket() {
    let Some(cluster) = Cluster::shared() else { return };
    let Some(s3) = S3::start() else { return };
    let mut environment = settings();
    environment.extend(s3.environment());
    environment.push(("PADDOCK_DATABASE_URL".to_owned(), cluster.create_database()));
    old_and_unused_things_go(&Place::shared(environment));
}

#[test]
fn a_job_that_has_not_ended_is_not_deleted() {
    let server = Server::start();
    let key = server.key("team", "submit,read");
    import(&server, &key);
    let mut spec = small_fit();
    spec["calibrator"]["params"] = json!({ "draws": 8_000 });
    let job = submit(&server, &key, &spec);
    let path = format!("/v1/jobs/{job}");
    let refused = server.delete(&key, &path);
    assert_eq!((refused.status, refused.code()), (409, "job-live"));
    assert_eq!(server.post_json(&key, &format!("{path}/cancel"), &json!({})).status, 200);
    crate::season::wait_until(&server, &key, &job, |job: &Value| job["state"] == "cancelled");
    assert_eq!(server.delete(&key, &path).status, 204);
}
