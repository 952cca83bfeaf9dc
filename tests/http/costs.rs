//! What jobs cost: estimated before, told beside the estimate afterwards, and remembered by plugin version.

use serde_json::{Value, json};

use crate::{
    registry::{after_its_tests, as_version, judged_by, simulation, told, upload},
    results::hold_against,
    season::{import, result, small_fit, submit, wait_until},
    server::{Place, Server},
};

fn preview(server: &Server, key: &str, spec: &Value) -> Value {
    let answer = server.post_json(key, "/v1/jobs/preview", spec);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["estimate"].clone()
}

/// Runs a job to its end; gives the job.
fn run(server: &Server, key: &str, spec: &Value) -> Value {
    let job = submit(server, key, spec);
    result(server, key, &job);
    server.get(key, &format!("/v1/jobs/{job}")).body
}

/// Holds a figure against what came of it, as a share of the latter.
fn within(figure: &Value, actual: &Value, share: f64) {
    let (likely, actual) = (figure["likely"].as_f64().unwrap(), actual.as_f64().unwrap());
    assert!((likely / actual - 1.0).abs() <= share, "{likely} of {actual}: {figure}");
}

fn part<'a>(estimate: &'a Value, component: &str) -> &'a Value {
    let parts = estimate["components"].as_array().unwrap();
    parts.iter().find(|part| part["component"].as_str().unwrap().starts_with(component)).unwrap()
}

#[test]
fn past_jobs_say_what_one_of_twice_the_size_costs() {
    let server = Server::start();
    let key = server.key("ours", "read,submit");
    let document = server.get(&key, "/openapi.json").body;
    let simulate = simulation(&server, &key);
    let sized = |scenarios: u32, seed: u32| {
        let mut spec = judged_by(&simulate, &json!({ "plugin": "constraint-race-physics" }));
        spec["scenarios"]["n_scenarios"] = json!(scenarios);
        spec["scenarios"]["seed"] = json!(seed);
        spec
    };
    // Without history a sample says it: fuel is the same whoever runs it.
    let sampled = preview(&server, &key, &sized(3_000, 1));
    assert_eq!(
        (&sampled["fuel"]["source"], &sampled["wall_s"]["source"]),
        (&json!("sample"), &json!("none")),
        "{sampled}"
    );
    let first = run(&server, &key, &sized(3_000, 1));
    within(&sampled["fuel"], &first["cost"]["actual"]["fuel"], 0.15);
    assert_eq!(first["cost"]["estimate"]["fuel"]["source"], "none", "{}", first["cost"]);
    for seed in 2..=3 {
        run(&server, &key, &sized(3_000, seed));
    }

    let twice = sized(6_000, 4);
    let estimate = preview(&server, &key, &twice);
    hold_against(&document, "CostEstimate", &estimate);
    assert_eq!((&estimate["fuel"]["source"], &estimate["fuel"]["jobs"]), (&json!("history"), &json!(3)), "{estimate}");
    let figure = |end: &str| estimate["fuel"][end].as_f64().unwrap();
    assert!(figure("low") <= figure("likely") && figure("likely") <= figure("high"));
    // What is vetoed is drawn and judged again.
    let judged = part(&estimate, "constraint-race-physics")["units"].as_f64().unwrap();
    assert!((6_000.0..8_000.0).contains(&judged), "{estimate}");
    let job = run(&server, &key, &twice);
    within(&estimate["fuel"], &job["cost"]["actual"]["fuel"], 0.15);
    // What history alone says was stored with the job; it is what the preview said, but for the times of the moment.
    let cost = &job["cost"];
    hold_against(&document, "JobCost", cost);
    assert_eq!(cost["estimate"]["fuel"], estimate["fuel"]);
    let ratio = cost["actual"]["fuel"].as_f64().unwrap() / figure("likely");
    assert!((cost["ratio"]["fuel"].as_f64().unwrap() - ratio).abs() < 1e-9, "{cost}");
    println!("fuel: sample {}, history {}, actual {}", sampled["fuel"], estimate["fuel"], cost["actual"]["fuel"]);
    assert!(
        cost["actual"]["cpu_s"].as_f64().unwrap() > 0.0 && cost["actual"]["wall_s"].as_f64().unwrap() > 0.0,
        "{cost}"
    );
    let answer = server.get(&key, &format!("/v1/jobs/{}/result", job["id"].as_str().unwrap())).body;
    assert_eq!(&answer["cost"], cost);
    let components = answer["result"]["run"]["components"].as_array().unwrap().iter();
    let fuel: f64 = components.map(|component| component["usage"]["fuel"].as_f64().unwrap()).sum();
    assert_eq!(cost["actual"]["fuel"], fuel);
    let again = server.post(&key, &format!("/v1/jobs/{}/rerun", job["id"].as_str().unwrap()), "application/json", b"");
    assert_eq!(again.body["cost"]["estimate"]["fuel"]["source"], "history", "{}", again.body);
}

#[test]
fn fits_are_sampled_where_no_past_job_says_what_they_cost_and_each_kind_has_an_estimate() {
    let server = Server::start();
    let key = server.key("ours", "read,submit");
    let slate = import(&server, &key)["id"].clone();
    let fit = small_fit();
    let sampled = preview(&server, &key, &fit);
    let calibrator = part(&sampled, "calibrator-attrition");
    assert_eq!(calibrator["fuel"]["source"], "sample", "{sampled}");
    assert!(sampled["fuel"]["reason"].as_str().unwrap().contains("generator-race"), "{sampled}");
    let job = run(&server, &key, &fit);
    let answer = server.get(&key, "/v1/plugins/calibrator-attrition/0.1.0/costs").body;
    let actual =
        answer["stages"][0]["fuel"]["median"].as_f64().unwrap() * answer["stages"][0]["units"].as_f64().unwrap() / 1e3;
    let likely = calibrator["fuel"]["likely"].as_f64().unwrap();
    println!("fuel of a fit: sample {likely}, actual {actual}");
    assert!((0.3..3.0).contains(&(likely / actual)), "{likely} of {actual}");
    assert!(job["cost"]["actual"]["fuel"].as_f64().unwrap() > actual);
    // Of these, only the constraints of the choice are new: what a team has not used yet is said to be unknown.
    let optimize = json!({ "kind": "optimize", "slate": slate, "lineups": 2, "scenarios": { "n_scenarios": 500 },
        "calibrate": { "history": { "trailing_races": 30 }, "chains": 2, "calibrator": fit["calibrator"] } });
    let mut evaluate = fit.clone();
    evaluate["kind"] = json!("evaluate");
    evaluate["races_max"] = json!(2);
    evaluate.as_object_mut().unwrap().remove("holdout_races");
    for (spec, known) in [(&fit, true), (&optimize, false), (&evaluate, true)] {
        let estimate = preview(&server, &key, spec);
        assert_eq!(part(&estimate, "calibrator-attrition")["fuel"]["source"], "history", "{estimate}");
        assert_eq!(estimate["fuel"]["likely"].is_f64(), known, "{estimate}");
        assert_eq!(estimate["cpu_s"]["likely"].is_f64(), known, "{estimate}");
    }
    let twice = preview(
        &server,
        &key,
        &json!({ "kind": "calibrate", "chains": 4, "history": fit["history"],
        "calibrator": fit["calibrator"], "holdout_races": 2, "forecast_scenarios": 200 }),
    );
    let calibrator = &part(&twice, "calibrator-attrition")["fuel"]["likely"];
    assert!((calibrator.as_f64().unwrap() / actual - 2.0).abs() < 1e-6, "{calibrator} of {actual}");
}

#[test]
fn a_version_has_costs_of_its_own_that_another_team_does_not_see() {
    let server = Server::start();
    let (ours, theirs) = (server.key("ours", "read,submit,admin"), server.key("theirs", "read,submit,admin"));
    let simulate = simulation(&server, &ours);
    let own = "/v1/plugins/fixture/1.1.0/costs";
    for version in ["0.2.0", "0.3.0"] {
        upload(&server, &ours, &as_version("constraint-race-physics", version));
    }
    upload(&server, &ours, &after_its_tests("1.1.0", "(unreachable)"));
    let nothing = server.get(&ours, own).body;
    assert_eq!((&nothing["stages"], &nothing["failures"]), (&json!([]), &json!([])), "{nothing}");
    assert!(told(&server, &ours, &["costs", "fixture@1.1.0"]).contains("no job of the team"));

    run(&server, &ours, &judged_by(&simulate, &json!({ "plugin": "constraint-race-physics@0.2.0" })));
    let crashes = submit(&server, &ours, &judged_by(&simulate, &json!({ "plugin": "fixture@1.1.0" })));
    wait_until(&server, &ours, &crashes, |job| job["state"] == "failed");
    let physics = server.get(&ours, "/v1/plugins/constraint-race-physics/0.2.0/costs").body;
    let stage = &physics["stages"][0];
    assert_eq!((&stage["stage"], &stage["jobs"]), (&json!("simulate"), &json!(1)), "{physics}");
    assert!(stage["units"].as_f64().unwrap() >= 300.0, "{stage}");
    for figure in ["fuel", "cpu_ms", "copied_bytes"] {
        assert!(stage[figure]["median"].as_f64().unwrap() > 0.0, "{stage}");
    }
    assert!(stage["memory_peak_bytes"].as_u64().unwrap() > 0 && stage["calls"].as_u64().unwrap() > 0, "{stage}");
    let other = server.get(&ours, "/v1/plugins/constraint-race-physics/0.3.0/costs").body;
    assert_eq!(other["stages"], json!([]), "another version has other costs");
    let failed = server.get(&ours, own).body;
    assert_eq!((&failed["failures"][0]["code"], &failed["failures"][0]["jobs"]), (&json!("plugin-trapped"), &json!(1)));
    let table = told(&server, &ours, &["costs", "constraint-race-physics@0.2.0"]);
    assert!(table.contains("scenarios") && table.contains("simulate"), "{table}");

    let foreign = server.get(&theirs, "/v1/plugins/constraint-race-physics/0.2.0/costs");
    assert_eq!((foreign.status, foreign.code()), (404, "not-found"), "{}", foreign.body);
    let generator = server.get(&theirs, "/v1/plugins/generator-race/0.1.0/costs").body;
    assert_eq!(generator["stages"], json!([]), "the jobs of another team");
}

/// A checkpoint carries what the chain has cost: who goes on from it adds to that, and nothing is counted twice.
#[test]
fn a_fit_that_was_killed_costs_what_it_would_have_cost() {
    let server = Server::start();
    let key = server.key("team", "submit,read");
    import(&server, &key);
    let undisturbed = run(&server, &key, &small_fit())["cost"]["actual"]["fuel"].as_f64().unwrap();
    let again = server.post_json(&key, "/v1/jobs", &small_fit()).body["id"].as_str().unwrap().to_owned();
    wait_until(&server, &key, &again, |job| job["stages"][0]["progress_percent"].as_f64().unwrap() > 30.0);
    let server = server.kill_and_start_again();
    result(&server, &key, &again);
    let killed = server.get(&key, &format!("/v1/jobs/{again}")).body["cost"]["actual"]["fuel"].as_f64().unwrap();
    let ratio = killed / undisturbed;
    assert!((0.98..1.1).contains(&ratio), "{killed} after a kill, {undisturbed} without one");
    let costs = server.get(&key, "/v1/plugins/calibrator-attrition/0.1.0/costs").body;
    assert_eq!(costs["stages"][0]["jobs"], 2, "{costs}");
}

#[test]
fn a_job_that_is_expected_to_use_more_than_the_day_has_is_refused_with_the_figures() {
    let limit = ("PADDOCK_API__CPU_S_PER_TEAM_AND_DAY_MAX".to_owned(), "12".to_owned());
    let server = Server::start_at(&Place::shared(vec![limit]), &[]);
    let key = server.key("team", "submit,read");
    import(&server, &key);
    run(&server, &key, &small_fit());
    let mut large = small_fit();
    large["calibrator"]["params"]["draws"] = json!(1_000);
    large["chains"] = json!(16);
    let estimate = preview(&server, &key, &large);
    assert!(estimate["cpu_s"]["likely"].as_f64().unwrap() > 12.0, "{estimate}");
    let refused = server.post_json(&key, "/v1/jobs", &large);
    assert_eq!((refused.status, refused.code()), (429, "over-quota"), "{}", refused.body);
    assert!(refused.body["detail"].as_str().unwrap().contains("Past jobs say"), "{}", refused.body);
    submit(&server, &key, &small_fit());
    assert!(server.get(&key, "/v1/quota").body["cpu_s_promised"].as_f64().unwrap() > 0.0);
}
