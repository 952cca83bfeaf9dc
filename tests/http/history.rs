//! Jobs as a team looks back at them: found by tag, with the times of their phases, foreseen from those before, and compared.

use std::process::Output;

use serde_json::{Value, json};

use crate::{
    season::{import, result, small_fit, submit, wait_until, without_cost},
    server::{Server, paddock},
};

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn with(mut spec: Value, fields: &Value) -> Value {
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    spec
}

#[test]
fn a_job_is_found_again_and_compared_with_its_rerun_and_with_another() {
    let server = Server::start();
    let key = server.key("team", "submit,read");
    import(&server, &key);
    let spec = with(small_fit(), &json!({ "name": "nightly fit", "tags": ["nightly"] }));
    let first = submit(&server, &key, &spec);
    let fitted = result(&server, &key, &first);

    let job = server.get(&key, &format!("/v1/jobs/{first}")).body;
    let stages = job["stages"].as_array().unwrap();
    for stage in stages {
        let at = ["opened_at", "claimed_at", "finished_at"].map(|field| stage[field].as_str().unwrap().to_owned());
        assert!(at.iter().all(|time| time.ends_with('Z')), "{stage}");
    }
    assert_eq!(job["timing"]["assembled_from_at"], stages.last().unwrap()["opened_at"]);
    assert!(job["timing"]["run_s"].as_f64().unwrap() > 0.0);
    let attempts = server.get(&key, &format!("/v1/jobs/{first}/attempts?limit=200")).body;
    let attempts = attempts["items"].as_array().unwrap();
    assert!(attempts.iter().all(|attempt| attempt["outcome"] == "succeeded" && attempt["run_s"].is_number()));
    let cpu_s: f64 = attempts.iter().map(|attempt| attempt["cpu_s"].as_f64().unwrap()).sum();
    let used_s = server.get(&key, "/v1/quota").body["cpu_s_today"].as_f64().unwrap();
    assert!(cpu_s > 0.0 && (used_s - cpu_s).abs() < 1e-6, "{used_s} CPU-seconds, {cpu_s} by attempts");

    let again = server.post(&key, &format!("/v1/jobs/{first}/rerun"), "application/json", b"");
    assert_eq!(again.status, 202, "{}", again.body);
    let again = again.body["id"].as_str().unwrap().to_owned();
    assert_eq!(without_cost(result(&server, &key, &again)), without_cost(fitted));
    let other = submit(&server, &key, &with(small_fit(), &json!({ "seed": 2, "tags": ["trial"] })));
    let early = server.get(&key, &format!("/v1/jobs/{first}/compare/{other}"));
    assert_eq!(early.verdict(), (409, "job-not-finished", None));
    result(&server, &key, &other);

    let same = text(&server.client(&key, &["job", "compare", &first, &again]));
    assert!(same.starts_with("the results are identical: "), "{same}");
    let differs = server.get(&key, &format!("/v1/jobs/{first}/compare/{other}")).body;
    assert_eq!((&differs["identical"], &differs["request"]["items"][0]["place"]), (&json!(false), &json!("/seed")));
    let figures = differs["figures"]["items"].as_array().unwrap();
    assert!(figures.iter().any(|figure| figure["place"] == "/fit/max_rhat"), "{figures:?}");
    assert!(!differs["seeds"]["items"].as_array().unwrap().is_empty());

    let listed =
        text(&server.client(&key, &["job", "list", "--tag", "nightly", "--state", "succeeded", "--limit", "1"]));
    let listed_partial = text(&server.client(&key, &["job", "list", "--tag", "nightly", "--state", "partial"]));
    let both = format!("{listed}{listed_partial}");
    assert!(both.contains("nightly fit") && !both.contains(&other), "{both}");
    let refused = server.client(&key, &["job", "list", "--from", "yesterday"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("created_from"));
}

#[test]
fn a_portfolio_is_compared_lineup_by_lineup_and_its_rerun_is_identical() {
    let server = Server::start();
    let key = server.key("team", "submit,read");
    let slate = import(&server, &key);
    let fit = submit(&server, &key, &small_fit());
    let model = result(&server, &key, &fit)["model"]["id"].clone();
    let spec = json!({
        "kind": "optimize", "slate": slate["id"], "model": model, "scenarios": { "n_scenarios": 500 }, "lineups": 3,
        "validation_scenarios": 0,
    });
    let first = submit(&server, &key, &spec);
    let chosen = result(&server, &key, &first)["portfolio"]["lineups"].clone();
    let again = server.post(&key, &format!("/v1/jobs/{first}/rerun"), "application/json", b"").body["id"].clone();
    let other = submit(&server, &key, &with(spec, &json!({ "lineups": 2 })));
    for job in [again.as_str().unwrap(), &other] {
        result(&server, &key, job);
    }
    let same = server.get(&key, &format!("/v1/jobs/{first}/compare/{}", again.as_str().unwrap())).body;
    assert_eq!(same["identical"], true, "{same}");
    assert_eq!(same["lineups"]["shared"].as_array().unwrap().len(), 3);
    assert!(!same["costs"]["items"].as_array().unwrap().is_empty());

    let fewer = server.get(&key, &format!("/v1/jobs/{first}/compare/{other}")).body;
    assert_eq!((&fewer["identical"], &fewer["request"]["items"][0]["place"]), (&json!(false), &json!("/lineups")));
    let lineups = &fewer["lineups"];
    assert_eq!((lineups["shared"].as_array().unwrap().len(), &lineups["only_other"]), (2, &json!([])));
    let mut left_out: Vec<&str> =
        chosen[2]["drivers"].as_array().unwrap().iter().map(|driver| driver["driver"].as_str().unwrap()).collect();
    left_out.sort_unstable();
    assert_eq!(lineups["only_this"], json!([left_out]));
}

#[test]
fn an_operators_limit_holds_for_the_teams_next_submission() {
    let server = Server::start();
    let key = server.key("small", "submit,read");
    import(&server, &key);
    let limit = |arguments: &[&str]| {
        let mut all = vec!["team", "limit", "small"];
        all.extend(arguments);
        text(&paddock(server.data_dir()).args(all).output().unwrap())
    };
    assert!(limit(&[]).contains("live jobs:            default"));
    assert!(limit(&["--live-jobs", "1", "--cpu-s-per-day", "1000"]).contains("live jobs:            1"));
    // Long enough to be still at it when the next one comes.
    let long =
        with(small_fit(), &json!({ "calibrator": { "plugin": "calibrator-attrition", "params": { "draws": 4_000 } } }));
    let first = submit(&server, &key, &long);
    let refused = server.post_json(&key, "/v1/jobs", &small_fit());
    assert_eq!(refused.verdict(), (429, "over-quota", None));
    assert_eq!(refused.body["limit"], "1 unfinished jobs per team");
    assert_eq!(server.get(&key, "/v1/quota").body["cpu_s_per_day_max"], 1000);
    assert!(limit(&["--live-jobs", "default"]).contains("live jobs:            default"));
    let second = submit(&server, &key, &small_fit());
    for job in [first, second] {
        let cancelled = server.post(&key, &format!("/v1/jobs/{job}/cancel"), "application/json", b"");
        assert_eq!(cancelled.status, 200, "{}", cancelled.body);
        wait_until(&server, &key, &job, |job| job["state"] == "cancelled");
    }
    let unknown = paddock(server.data_dir()).args(["team", "limit", "nobody"]).output().unwrap();
    assert!(!unknown.status.success());
}
