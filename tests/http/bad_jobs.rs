//! Specifications that are refused: each with its status, code and field, and nothing is queued.

use serde_json::{Value, json};

use crate::{season::import, server::Server};

const NO_SUCH: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn a_bad_specification_is_refused_by_its_field_and_changes_nothing() {
    let server = Server::start();
    let key = server.key("team", "submit,read");
    let slate = import(&server, &key);
    let slate = slate["id"].as_str().unwrap();
    let optimize = |change: Value| {
        let mut spec = json!({ "kind": "optimize", "slate": slate });
        spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        spec
    };
    let cases = [
        (optimize(json!({ "scenarios": { "n_scenarios": 0 } })), "/scenarios/n_scenarios"),
        (optimize(json!({ "scenarios": { "n_scenarios": 200_001 } })), "/scenarios/n_scenarios"),
        (optimize(json!({ "scenarios": { "generator": { "plugin": "nobody" } } })), "/scenarios/generator/plugin"),
        (
            optimize(json!({ "scenarios": { "generator": { "plugin": "calibrator-attrition" } } })),
            "/scenarios/generator/plugin",
        ),
        (
            optimize(json!({ "scenarios": { "constraints": [{ "plugin": "constraint-team-limit" }] } })),
            "/scenarios/constraints/0/plugin",
        ),
        (
            optimize(
                json!({ "lineup_constraints": [{ "plugin": "constraint-team-limit", "params": { "max_per_team": 0 } }] }),
            ),
            "/lineup_constraints/0/params/max_per_team",
        ),
        (optimize(json!({ "model": format!("model_{NO_SUCH}") })), "/model"),
        (optimize(json!({ "locks": ["Nobody At All"] })), "/locks/0"),
        (optimize(json!({ "objective": { "type": "upper_cvar", "alpha": 0.0 } })), "/objective/alpha"),
        (optimize(json!({ "objective": { "type": "quantile", "share": 1.0 } })), "/objective/share"),
        (optimize(json!({ "objective": { "type": "probability", "at_least": 1e9 } })), "/objective/at_least"),
        (optimize(json!({ "together": { "type": "any_reaches", "at_least": 1e9 } })), "/together/at_least"),
        (optimize(json!({ "lineups": 1_001 })), "/lineups"),
        (optimize(json!({ "lineups": 151, "together": { "type": "expected_maximum" } })), "/lineups"),
        (optimize(json!({ "rules": [{ "type": "never", "driver": "Nobody At All", "with": [] }] })), "/rules/0/driver"),
        (optimize(json!({ "exposures": [{ "percent_max": 101.0 }] })), "/exposures/0/percent_max"),
        (optimize(json!({ "lineups": 2, "exposures": [{ "lineups_max": 0 }] })), "/exposures"),
        (json!({ "kind": "optimize", "slate": format!("slate_{NO_SUCH}") }), "/slate"),
        (json!({ "kind": "calibrate", "chains": 17 }), "/chains"),
        (json!({ "kind": "calibrate", "history": { "trailing_races": 0 } }), "/history/trailing_races"),
        (json!({ "kind": "calibrate", "history": { "before": "1950-01" } }), "/history/before"),
        (json!({ "kind": "calibrate", "history": { "trailing_races": 5 }, "holdout_races": 5 }), "/holdout_races"),
        (json!({ "kind": "evaluate", "refit_every": 0 }), "/refit_every"),
    ];
    for (spec, field) in cases {
        let answer = server.post_json(&key, "/v1/jobs", &spec);
        assert_eq!((answer.status, answer.body["field"].as_str()), (422, Some(field)), "{spec}\n{}", answer.body);
        assert!(answer.body["action"].as_str().is_some_and(|action| !action.is_empty()), "{}", answer.body);
    }
    assert_eq!(server.get(&key, "/v1/jobs").body["items"], json!([]));
}

#[test]
fn locks_that_cost_more_than_the_cap_are_told_with_both_numbers() {
    let server = Server::start();
    let key = server.key("team", "submit,read");
    let slate = import(&server, &key);
    let mut entries: Vec<&Value> = slate["entries"].as_array().unwrap().iter().collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry["salary_usd"].as_u64()));
    let locks: Vec<&Value> = entries.iter().take(6).map(|entry| &entry["driver"]).collect();
    let spec = json!({ "kind": "optimize", "slate": slate["id"], "locks": locks });
    let answer = server.post_json(&key, "/v1/jobs", &spec);
    assert_eq!((answer.status, answer.code()), (422, "infeasible-lineup"), "{}", answer.body);
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("50,000") && detail.contains("ocks cost"), "{detail}");
}

#[test]
fn rules_that_contradict_each_other_are_named_with_the_ways_out() {
    let server = Server::start();
    let key = server.key("team", "submit,read");
    let slate = import(&server, &key);
    let driver = |index: usize| slate["entries"][index]["driver"].as_str().unwrap();
    let spec = json!({
        "kind": "optimize", "slate": slate["id"], "locks": [driver(0)],
        "rules": [
            { "type": "if_any", "drivers": [driver(0)], "then": [driver(1)] },
            { "type": "never", "driver": driver(0), "with": [driver(1), driver(2)] },
        ],
    });
    let answer = server.post_json(&key, "/v1/jobs", &spec);
    assert_eq!((answer.status, answer.code()), (422, "infeasible-lineup"), "{}", answer.body);
    let detail = answer.body["detail"].as_str().unwrap();
    for named in [format!("the lock on {}", driver(0)), format!("never {} with {}", driver(0), driver(1))] {
        assert!(detail.contains(&named), "{detail}");
    }
    assert!(!detail.contains(driver(2)), "{detail}");
    let action = answer.body["action"].as_str().unwrap();
    assert!(action.to_lowercase().contains(&format!("drop the lock on {}", driver(0)).to_lowercase()), "{action}");
}

#[test]
fn another_teams_things_are_forbidden_and_no_key_is_unauthenticated() {
    let server = Server::start();
    let (mine, theirs) = (server.key("mine", "submit,read"), server.key("theirs", "submit,read"));
    let slate = import(&server, &theirs);
    let id = slate["id"].as_str().unwrap();
    for path in [format!("/v1/slates/{id}"), format!("/v1/races/{}", slate["race"].as_str().unwrap())] {
        assert_eq!(server.get(&theirs, &path).status, 200, "{path}");
        assert_eq!(server.get(&mine, &path).verdict(), (403, "not-yours", None), "{path}");
        assert_eq!(server.get("pdk_nonsense", &path).status, 401, "{path}");
    }
    let spec = json!({ "kind": "optimize", "slate": id });
    assert_eq!(server.post_json(&mine, "/v1/jobs", &spec).verdict(), (403, "not-yours", Some("/slate")));
}
