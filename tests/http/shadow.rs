//! Candidates beside the job's plugins: the result is the same with and without them, whatever they do, and what they did is told.

use hostile::fixture::Scenarios;
use serde_json::{Value, json};

use crate::{
    registry::{after_its_tests, as_version, judged_by, simulation, upload},
    results::hold_against,
    season::{result, submit, without_cost},
    server::{Place, Server},
};

/// A result without its candidates and its costs, and the first of its candidates.
fn apart(mut result: Value) -> (Value, Value) {
    let shadow = result.as_object_mut().unwrap().remove("shadow").unwrap_or_default();
    (without_cost(result), shadow[0].clone())
}

fn component(server: &Server, key: &str, job: &str) -> Value {
    let job = server.get(key, &format!("/v1/jobs/{job}")).body;
    let components = job["components"].as_array().unwrap();
    components.iter().find(|part| part["is_beside"] == true).unwrap().clone()
}

#[test]
fn a_constraints_candidate_changes_nothing_and_its_verdicts_are_compared_by_reason() {
    let place = Place::shared(vec![("PADDOCK_PIPELINE__SHADOW_S".to_owned(), "1".to_owned())]);
    let server = Server::start_at(&place, &[]);
    let key = server.key("ours", "read,submit,admin");
    let mut simulation = simulation(&server, &key);
    simulation["scenarios"]["n_scenarios"] = json!(3_000);
    upload(&server, &key, &as_version("constraint-race-physics", "0.2.0"));
    upload(&server, &key, &after_its_tests("1.1.0", "(unreachable)"));
    upload(&server, &key, &after_its_tests("1.2.0", "(loop $endless (br $endless))"));
    let run = |shadow: Option<&str>| {
        let spec = judged_by(&simulation, &json!({ "plugin": "constraint-race-physics@0.2.0", "shadow": shadow }));
        let job = submit(&server, &key, &spec);
        let (result, shadow) = apart(result(&server, &key, &job));
        (job, result, shadow)
    };
    let (alone, plain, none) = run(None);
    assert!(none.is_null());
    let drawn = plain["simulation"]["drawn"].clone();

    // The same code under another version agrees on everything, at the same cost.
    let (same, beside, shadow) = run(Some("@0.2.0"));
    assert_eq!(beside, plain);
    let verdicts = &shadow["verdicts"];
    assert_eq!((&verdicts["judged"], &verdicts["agreement"]), (&drawn, &json!(1.0)), "{shadow}");
    assert_eq!(shadow["cost"]["promoted"]["fuel"], shadow["cost"]["candidate"]["fuel"]);
    assert_eq!(component(&server, &key, &same)["status"], "ok");
    let compared = server.get(&key, &format!("/v1/jobs/{alone}/compare/{same}")).body;
    assert_eq!(compared["identical"], true, "{compared}");

    for (candidate, code) in [("fixture@1.1.0", "plugin-trapped"), ("fixture@1.2.0", "shadow-out-of-time")] {
        let (job, beside, shadow) = run(Some(candidate));
        assert_eq!(beside, plain);
        assert_eq!(shadow["failure"]["code"], code, "{shadow}");
        assert_eq!(component(&server, &key, &job)["status"], "failed");
        assert_eq!(server.get(&key, &format!("/v1/jobs/{job}")).body["state"], "succeeded");
    }
    let refused =
        judged_by(&simulation, &json!({ "plugin": "constraint-race-physics", "shadow": "constraint-team-limit" }));
    assert_eq!(server.post_json(&key, "/v1/jobs", &refused).verdict().2, Some("/scenarios/constraints/0/shadow"));
    let unknown = judged_by(&simulation, &json!({ "plugin": "constraint-race-physics", "shadow": "@9.9.9" }));
    assert_eq!(server.post_json(&key, "/v1/jobs", &unknown).verdict().2, Some("/scenarios/constraints/0/shadow"));
}

#[test]
fn an_alias_brings_its_candidate_to_every_job_and_the_registry_remembers_what_came_of_it() {
    let place = Place::shared(vec![("PADDOCK_PIPELINE__SHADOW_FUEL".to_owned(), "1000000".to_owned())]);
    let server = Server::start_at(&place, &[]);
    let key = server.key("ours", "read,submit,admin");
    let mut simulation = simulation(&server, &key);
    simulation["scenarios"]["n_scenarios"] = json!(3_000);
    let physics = "/v1/plugins/constraint-race-physics";
    upload(&server, &key, &as_version("constraint-race-physics", "0.2.0"));
    // Keeps all that the built-in constraint vetoes.
    let keeps =
        hostile::fixture::Says { name: "constraint-race-physics", version: "0.3.0", ..hostile::fixture::CONSTRAINT };
    upload(&server, &key, &hostile::fixture::Fixture::constraint_that_says(&keeps).build());
    let promoted = server.post_json(&key, &format!("{physics}/aliases/stable/promote"), &json!({ "version": "0.2.0" }));
    assert_eq!(promoted.status, 200, "{}", promoted.body);
    let itself = server.patch_json(&key, &format!("{physics}/aliases/stable"), &json!({ "shadow": "stable" }));
    assert_eq!(itself.verdict(), (422, "invalid-input", Some("/shadow")));
    let set = server.patch_json(&key, &format!("{physics}/aliases/stable"), &json!({ "shadow": "0.3.0" }));
    assert_eq!((set.status, &set.body["shadow"]), (200, &json!("0.3.0")), "{}", set.body);

    let spec = judged_by(&simulation, &json!({ "plugin": "constraint-race-physics" }));
    let preview = server.post_json(&key, "/v1/jobs/preview", &spec).body;
    assert_eq!(preview["shadows"], json!(["constraint-race-physics@0.3.0"]), "{preview}");
    let job = submit(&server, &key, &spec);
    let (found, shadow) = apart(result(&server, &key, &job));
    let verdicts = &shadow["verdicts"];
    let vetoed = found["simulation"]["vetoed"].as_u64().unwrap();
    assert!(vetoed > 0);
    let differ = verdicts["judged"].as_u64().unwrap() - verdicts["agreed"].as_u64().unwrap();
    assert_eq!(differ, vetoed, "{verdicts}");
    // Each reason of the built-in constraint as often as it vetoed, beside `null`.
    for count in found["simulation"]["vetoes"].as_array().unwrap().iter().filter(|veto| veto["count"] != 0) {
        let cell = json!({ "promoted": count["reason"], "candidate": null, "count": count["count"] });
        assert!(verdicts["matrix"].as_array().unwrap().contains(&cell), "{cell} is not in {verdicts}");
    }
    let examples = verdicts["examples"].as_array().unwrap();
    assert_eq!(examples.len() as u64, vetoed.min(20));
    let remembered = server.get(&key, &format!("{physics}/0.3.0/shadows")).body;
    assert_eq!((&remembered["items"][0]["job"], &remembered["items"][0]["report"]), (&json!(job), &shadow));

    upload(&server, &key, &after_its_tests("1.2.0", "(loop $endless (br $endless))"));
    let endless = json!({ "plugin": "constraint-race-physics@stable", "shadow": "fixture@1.2.0" });
    let job = submit(&server, &key, &judged_by(&simulation, &endless));
    let (same, shadow) = apart(result(&server, &key, &job));
    assert_eq!((same, &shadow["failure"]["code"]), (found, &json!("plugin-out-of-fuel")), "{shadow}");

    let cleared = server.patch_json(&key, &format!("{physics}/aliases/stable"), &json!({ "shadow": null }));
    assert!(cleared.body.get("shadow").is_none(), "{}", cleared.body);
    let after = submit(&server, &key, &spec);
    assert!(apart(result(&server, &key, &after)).1.is_null());
}

#[test]
fn a_generators_candidate_draws_the_same_numbers_of_scenarios() {
    let server = Server::start();
    let key = server.key("ours", "read,submit,admin");
    let simulation = simulation(&server, &key);
    let document = server.get(&key, "/openapi.json").body;
    upload(&server, &key, &as_version("generator-race", "0.2.0"));
    // Everybody finishes in the order of the entry list.
    upload(&server, &key, &Scenarios::HONEST.fixture("generator-still").build());
    let run = |shadow: Option<&str>| {
        let mut spec = judged_by(&simulation, &json!({ "plugin": "constraint-race-physics" }));
        spec["scenarios"]["generator"] = json!({ "plugin": "generator-race@0.2.0", "shadow": shadow });
        let job = submit(&server, &key, &spec);
        apart(result(&server, &key, &job))
    };
    let (plain, _) = run(None);
    let drawn = &plain["simulation"]["drawn"];

    let (beside, shadow) = run(Some("@0.2.0"));
    assert_eq!(beside, plain);
    hold_against(&document, "ShadowReport", &shadow);
    let draws = &shadow["draws"];
    assert_eq!((&draws["scenarios"], &draws["identical"]), (drawn, drawn), "{shadow}");
    assert_eq!(shadow["cost"]["promoted"]["fuel"], shadow["cost"]["candidate"]["fuel"]);

    let (beside, shadow) = run(Some("generator-still"));
    assert_eq!(beside, plain);
    let draws = &shadow["draws"];
    assert_eq!((&draws["scenarios"], &draws["identical"]), (drawn, &json!(0)), "{shadow}");
    let drivers = draws["drivers"].as_array().unwrap();
    let mut places: Vec<_> = drivers.iter().map(|driver| driver["candidate"].as_f64().unwrap()).collect();
    places.sort_by(f64::total_cmp);
    assert_eq!(places, (1..=drivers.len()).map(|place| place as f64).collect::<Vec<_>>());
    for driver in drivers {
        let [promoted, candidate, low, high] =
            ["promoted", "candidate", "low", "high"].map(|name| driver[name].as_f64().unwrap());
        assert!(low <= candidate - promoted && candidate - promoted <= high, "{driver}");
    }
}

#[test]
fn a_calibrators_candidate_is_scored_on_the_same_races_and_a_lineup_constraints_on_the_same_lineups() {
    let place = Place::shared(vec![("PADDOCK_PIPELINE__SHADOW_LINEUPS_MAX".to_owned(), "3".to_owned())]);
    let server = Server::start_at(&place, &[]);
    let key = server.key("ours", "read,submit,admin");
    let simulation = simulation(&server, &key);
    let document = server.get(&key, "/openapi.json").body;
    let evaluate = |calibrator: Value| {
        let spec = json!({
            "kind": "evaluate", "history": { "trailing_races": 20 }, "races_max": 3, "refit_every": 3, "chains": 1,
            "forecast_scenarios": 200, "calibrator": calibrator,
        });
        let job = submit(&server, &key, &spec);
        result(&server, &key, &job)
    };
    let few = json!({ "warmup": 60, "draws": 60 });
    let alone = evaluate(json!({ "plugin": "calibrator-attrition", "params": few }));
    let beside = evaluate(json!({ "plugin": "calibrator-attrition", "params": few, "shadow": "@0.1.0" }));
    hold_against(&document, "EvaluateResult", &beside);
    let shadow = beside["shadow"][0].clone();
    let forecast = |result: &Value| (result["forecast"].clone(), result["fits"].clone());
    assert_eq!(forecast(&alone), forecast(&beside));
    for score in ["crps", "log_score"] {
        let difference = json!({ "pairs": 3, "mean": 0.0, "low": 0.0, "high": 0.0, "better": 0 });
        assert_eq!(shadow["scores"][score], difference, "{shadow}");
    }
    // Steps are as long as they take, so the calls of a chain are not the same in two runs.
    assert!(shadow["cost"]["fuel_percent"].as_f64().unwrap().abs() < 1.0, "{shadow}");
    assert_eq!(shadow["fits"], beside["fits"]);

    let slates = server.get(&key, "/v1/slates").body;
    let optimize = |shadow: Option<&str>| {
        let limit = json!({ "plugin": "constraint-team-limit", "params": { "max_per_team": 1 }, "shadow": shadow });
        let spec = json!({
            "kind": "optimize", "slate": slates["items"][0]["id"], "model": simulation["model"], "lineups": 3,
            "scenarios": { "n_scenarios": 500 }, "validation_scenarios": 0, "lineup_constraints": [limit],
        });
        let job = submit(&server, &key, &spec);
        (result(&server, &key, &job)["portfolio"].clone(), result(&server, &key, &job)["shadow"][0].clone())
    };
    let chosen = |portfolio: &Value| {
        let lineups = portfolio["lineups"].as_array().unwrap();
        lineups.iter().map(|lineup| (lineup["drivers"].clone(), lineup["value"].clone())).collect::<Vec<_>>()
    };
    let (plain, _) = optimize(None);
    let (beside, shadow) = optimize(Some("constraint-team-limit"));
    assert_eq!((chosen(&plain), &plain["lineup_vetoes"]), (chosen(&beside), &beside["lineup_vetoes"]));
    // The search showed its constraint more; the limit keeps the first three.
    assert_eq!(shadow["verdicts"]["judged"], 3, "{shadow}");
    hold_against(&document, "ShadowReport", &shadow);
    assert_eq!((&shadow["part"], &shadow["verdicts"]["agreement"]), (&json!("lineup_constraint"), &json!(1.0)));
}
