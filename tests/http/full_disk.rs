//! A disk with no room for artifacts: the server says that it is not ready, jobs wait, and go on once there is room.

use serde_json::json;

use crate::{
    season::{import, result, small_fit, submit, wait_until},
    server::{Place, Server},
    support::disk::SmallDisk,
};

/// Room for what the jobs of a test write, and quickly filled.
pub const DISK_BYTES: usize = 64 << 20;

#[test]
fn jobs_outlast_a_full_artifact_store() {
    let directory = tempfile::tempdir().unwrap();
    let artifacts = directory.path().join("artifacts");
    std::fs::create_dir(&artifacts).unwrap();
    let Some(disk) = SmallDisk::mount(&artifacts, DISK_BYTES) else { return };
    let server = Server::start_in(directory, &Place::shared(Vec::new()));
    let key = server.key("team", "submit,read");
    import(&server, &key);

    disk.fill();
    assert_eq!(server.get(&key, "/readyz").status, 503);
    let id = submit(&server, &key, &small_fit());
    let job =
        wait_until(&server, &key, &id, |job| job["failed_attempts"].as_array().is_some_and(|all| !all.is_empty()));
    let attempt = &job["failed_attempts"][0];
    assert_eq!((&job["state"], &attempt["outcome"]), (&json!("running"), &json!("retried")), "{attempt}");

    disk.empty();
    result(&server, &key, &id);
    assert_eq!(server.get(&key, "/readyz").status, 200);
    drop(disk);
}
