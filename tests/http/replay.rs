//! A result as evidence: signed by the server, and made again to the last bit by a replay that says where it is not.

use std::{fs, process::Output};

use serde_json::{Value, json};

use crate::{
    registry::{judged_by, simulation},
    results::hold_against,
    season::{result, small_fit, submit},
    server::Server,
};

/// Runs `paddock job verify` as a client of the server.
fn verify(server: &Server, key: &str, arguments: &[&str]) -> (bool, String) {
    let Output { status, stdout, stderr } = server.client(key, &[&["job", "verify"], arguments].concat());
    (status.success(), [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat())
}

/// Repeats a job; gives the id of the replay and its report.
fn replay(server: &Server, key: &str, job: &str) -> (String, Value) {
    let queued = server.post(key, &format!("/v1/jobs/{job}/replay"), "application/json", b"");
    assert_eq!(queued.status, 202, "{}", queued.body);
    let replay = queued.body["id"].as_str().unwrap().to_owned();
    let report = result(server, key, &replay)["replay"].clone();
    (replay, report)
}

/// The components that made something in a stage, in order, each once.
fn makers(result: &Value, stage: &str) -> Vec<String> {
    let outputs = result["run"]["outputs"].as_array().unwrap().iter();
    let mut makers: Vec<_> = outputs
        .filter(|output| output["stage"] == stage && output["task"] == 0)
        .map(|output| output["component"].as_str().unwrap().to_owned())
        .collect();
    makers.dedup();
    makers
}

#[test]
fn every_kind_of_job_is_repeated_to_the_last_bit() {
    let server = Server::start();
    let key = server.key("ours", "read,submit");
    let document = server.get(&key, "/openapi.json").body;
    let simulation = judged_by(&simulation(&server, &key), &json!({ "plugin": "constraint-race-physics" }));
    let slates = server.get(&key, "/v1/slates").body;
    let optimize = json!({
        "kind": "optimize", "slate": slates["items"][0]["id"], "model": simulation["model"], "lineups": 3,
        "scenarios": { "n_scenarios": 500 }, "validation_scenarios": 300,
    });
    let evaluate = json!({
        "kind": "evaluate", "history": { "trailing_races": 20 }, "races_max": 2, "refit_every": 2, "chains": 1,
        "forecast_scenarios": 200,
        "calibrator": { "plugin": "calibrator-attrition", "params": { "warmup": 60, "draws": 60 } },
    });
    let (generator, physics) = ("generator-race@0.1.0", "constraint-race-physics@0.1.1");
    for (spec, stage, expected) in [
        (&small_fit(), "fit", vec!["calibrator-attrition@0.1.0"]),
        (&small_fit(), "posterior", vec!["calibration"]),
        (&simulation, "simulate", vec![generator, physics, "simulation"]),
        (&optimize, "optimize", vec!["optimizer"]),
        (&evaluate, "simulate", vec![generator, "forecast"]),
    ] {
        let job = submit(&server, &key, spec);
        let first = result(&server, &key, &job);
        assert_eq!(makers(&first, stage), expected, "{}", first["run"]["outputs"]);
        assert_eq!((&first["run"]["job"], &first["run"]["request"]["kind"]), (&json!(job), &spec["kind"]));
        let (_, report) = replay(&server, &key, &job);
        hold_against(&document, "ReplayReport", &report);
        let outputs = first["run"]["outputs"].as_array().unwrap().len();
        let identical = json!({
            "of": job, "identical": true, "outputs": outputs, "different": 0, "first_difference": null, "environment": [],
        });
        assert_eq!(report, identical);
    }
}

#[test]
fn a_record_is_believed_for_its_own_job_and_as_it_was_signed_and_a_replay_names_what_differs() {
    let server = Server::start();
    let key = server.key("ours", "read,submit");
    let simulation = simulation(&server, &key);
    let job = submit(&server, &key, &simulation);
    let early = server.get(&key, &format!("/v1/jobs/{job}/record"));
    assert!([200, 409].contains(&early.status), "{}", early.body);
    result(&server, &key, &job);
    let mut other = simulation.clone();
    other["scenarios"]["seed"] = json!(5);
    let other = submit(&server, &key, &other);
    result(&server, &key, &other);

    let keys = server.get(&key, "/v1/signing-keys").body;
    let public = keys["items"][0]["public_key"].as_str().unwrap();
    let kept = server.data_dir().join("kept.json");
    let record = server.get(&key, &format!("/v1/jobs/{job}/record")).body;
    hold_against(&server.get(&key, "/openapi.json").body, "Envelope", &record);
    fs::write(&kept, record.to_string()).unwrap();
    let kept = kept.to_str().unwrap();
    let (is_good, told) = verify(&server, &key, &[&job, "--public-key", public, "--record", kept]);
    assert!(is_good && told.contains("authentic") && told.contains("identical: all"), "{told}");
    let stranger = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for (arguments, complaint) in [
        ([job.as_str(), "--public-key", stranger, "--no-replay"].as_slice(), "not signed by a key that is believed"),
        (&[&job, "--public-key", "short", "--no-replay"], "the public key cannot be read"),
        (&[&other, "--record", kept, "--no-replay"], "it is that of the job"),
    ] {
        let (is_good, told) = verify(&server, &key, arguments);
        assert!(!is_good && told.contains(complaint), "{told}");
    }

    // Somebody changes the database: what the generator made in the first task has another hash.
    server.execute(
        "UPDATE jobs SET result = replace(result, (SELECT min(item.value ->> 'hash')
            FROM json_each(jobs.result, '$.run.outputs') AS item WHERE item.value ->> 'component' = 'generator-race@0.1.0'),
            'f00d') WHERE kind = 'simulate'",
    );
    let (is_good, told) = verify(&server, &key, &[&job, "--no-replay"]);
    assert!(!is_good && told.contains("changed after it was signed"), "{told}");
    let (is_good, told) = verify(&server, &key, &[&job, "--record", kept, "--no-replay"]);
    assert!(!is_good && told.contains("not the one in the record"), "{told}");
    let (replay, report) = replay(&server, &key, &job);
    assert_eq!((&report["identical"], &report["different"]), (&json!(false), &json!(1)));
    let first = &report["first_difference"];
    assert_eq!((&first["component"], &first["stage"]), (&json!("generator-race@0.1.0"), &json!("simulate")));
    assert_eq!((&first["task"], &first["then"]), (&json!(0), &json!("f00d")));
    let replay = server.get(&key, &format!("/v1/jobs/{replay}")).body;
    let part = replay["components"].as_array().unwrap().iter().find(|part| part["name"] == "replay").unwrap().clone();
    assert_eq!((&replay["state"], &part["status"]), (&json!("partial"), &json!("degraded")));
    assert!(part["reason"].as_str().unwrap().contains("generator-race@0.1.0 made in task 0"), "{part}");
}

#[test]
fn what_has_no_result_or_no_record_is_not_repeated() {
    let server = Server::start();
    let key = server.key("ours", "read,submit");
    let simulation = simulation(&server, &key);
    let job = submit(&server, &key, &simulation);
    result(&server, &key, &job);
    server.execute(
        "UPDATE jobs SET signature = NULL, result = json_remove(result, '$.run.outputs') WHERE kind = 'simulate'",
    );
    let record = server.get(&key, &format!("/v1/jobs/{job}/record"));
    assert_eq!(record.verdict(), (409, "unsigned-result", None));
    let replay = server.post(&key, &format!("/v1/jobs/{job}/replay"), "application/json", b"");
    assert_eq!(replay.verdict(), (409, "no-record", None));
    let (is_good, told) = verify(&server, &key, &[&job]);
    assert!(!is_good && told.contains("unsigned-result"), "{told}");

    let mut endless = small_fit();
    endless["calibrator"]["params"] = json!({ "warmup": 5000, "draws": 5000 });
    let job = submit(&server, &key, &endless);
    for answer in [
        server.get(&key, &format!("/v1/jobs/{job}/record")),
        server.post(&key, &format!("/v1/jobs/{job}/replay"), "application/json", b""),
    ] {
        assert_eq!(answer.verdict(), (409, "job-not-finished", None));
    }
    let cancelled = server.post(&key, &format!("/v1/jobs/{job}/cancel"), "application/json", b"");
    assert!([200, 202].contains(&cancelled.status), "{}", cancelled.body);
}
