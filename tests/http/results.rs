//! Results are what the API's description says they are.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::{
    season::{import, result, small_fit, submit},
    server::{Place, Server},
};

/// Holds `value` against a schema of the description.
pub fn hold_against(document: &Value, schema: &str, value: &Value) {
    let schema = json!({
        "$ref": format!("#/components/schemas/{schema}"),
        "components": document["components"],
    });
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

/// A contest whose captain counts half as much again.
static CAPTAIN: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "key": "captain-test-2021", "name": "Captain", "operator": "Test", "first_season": 2021, "last_season": null,
        "roster_size": 3, "salary_cap_usd": 40_000, "source": "a test",
        "slots": [
            { "name": "CPT", "count": 1, "points_percent": 150, "salary_percent": 150 },
            { "name": "FLEX", "count": 2 },
        ],
        "scoring": {
            "finish_hundredths": [4500, 4200, 4100, 4000], "place_differential_hundredths": 100,
            "lap_led_hundredths": 25, "fastest_lap_hundredths": 45, "lap_completed_hundredths": 0,
        },
    })
});

/// The same slate for the captain's contest; gives its id.
fn captain_slate(server: &Server, key: &str, slate: &Value) -> Value {
    let rows = slate["entries"].as_array().unwrap().iter();
    let rows = rows.map(|entry| format!("{},{}\n", entry["driver"].as_str().unwrap(), entry["salary_usd"]));
    let file = format!("driver,salary\n{}", rows.collect::<String>());
    let path = format!("/v1/slates?name=captain&contest=captain-test-2021&race={}", slate["race"].as_str().unwrap());
    let imported = server.post(key, &path, "text/csv", file.as_bytes());
    assert_eq!(imported.status, 201, "{}", imported.body);
    imported.body["slate"]["id"].clone()
}

/// Holds a job's lineups as files against its result.
fn check_files(server: &Server, key: &str, job: &str, found: &Value) {
    let path = format!("/v1/jobs/{job}/lineups");
    let portfolio = &found["portfolio"];
    assert_eq!(&server.get(key, &path).body, portfolio);
    let lineups = portfolio["lineups"].as_array().unwrap();
    let (status, media_type, table) = server.get_file(key, &path, "text/csv, */*;q=0.1");
    let table = String::from_utf8(table).unwrap();
    assert_eq!(
        (status, media_type.as_str(), table.lines().count()),
        (200, "text/csv; charset=utf-8", lineups.len() + 1)
    );
    let (status, media_type, arrow) = server.get_file(key, &path, "application/vnd.apache.arrow.file");
    assert_eq!(
        (status, media_type.as_str(), &arrow[..6]),
        (200, "application/vnd.apache.arrow.file", b"ARROW1".as_slice())
    );
    let ids = |lineup: &Value| -> Option<Vec<String>> {
        let drivers = lineup["drivers"].as_array().unwrap().iter();
        drivers.map(|driver| driver["external_id"].as_str().map(str::to_owned)).collect()
    };
    let upload = server.get_file(key, &format!("{path}?format=draftkings"), "*/*");
    match lineups.iter().map(ids).collect::<Option<Vec<_>>>() {
        Some(ids) => {
            let rows: Vec<String> = ids.iter().map(|ids| ids.join(",")).collect();
            let text = String::from_utf8(upload.2).unwrap();
            assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), rows);
        }
        None => assert_eq!(upload.0, 422),
    }
}

#[test]
fn the_result_of_each_kind_of_job_is_as_described() {
    let contests = tempfile::tempdir().unwrap();
    std::fs::write(contests.path().join("captain.json"), CAPTAIN.to_string()).unwrap();
    let directory = contests.path().display().to_string();
    let server = Server::start_at(&Place::shared(vec![("PADDOCK_CATALOG__CONTESTS_DIR".to_owned(), directory)]), &[]);
    let key = server.key("team", "submit,read");
    let document = server.get(&key, "/openapi.json").body;
    let slate = import(&server, &key);
    let run = |schema: &str, spec: &Value| {
        let job = submit(&server, &key, spec);
        let found = result(&server, &key, &job);
        hold_against(&document, schema, &found);
        hold_against(&document, "JobResult", &server.get(&key, &format!("/v1/jobs/{job}/result")).body);
        if schema == "OptimizeResult" {
            check_files(&server, &key, &job, &found);
        } else {
            let refused = server.get(&key, &format!("/v1/jobs/{job}/lineups"));
            assert_eq!(refused.verdict(), (422, "no-lineups", None));
        }
        found
    };
    let fitted = run("CalibrateResult", &small_fit());
    let model = &fitted["model"]["id"];
    let scenarios = json!({ "n_scenarios": 500 });
    run(
        "SimulateResult",
        &json!({ "kind": "simulate", "model": model, "race": slate["race"], "scenarios": scenarios }),
    );
    let optimize = json!({
        "kind": "optimize", "slate": slate["id"], "model": model, "scenarios": scenarios, "lineups": 3,
        "validation_scenarios": 500, "lineup_constraints": [{ "plugin": "constraint-team-limit" }],
    });
    run("OptimizeResult", &optimize);
    let drivers = |index: usize| slate["entries"][index]["driver"].clone();
    let mut together = optimize;
    together["together"] = json!({ "type": "expected_maximum" });
    together["exposures"] = json!([{ "percent_max": 67.0 }, { "driver": drivers(3), "lineups_min": 2 }]);
    together["rules"] = json!([{ "type": "never", "driver": drivers(0), "with": [drivers(1)] }]);
    run("OptimizeResult", &together);
    together["together"] = json!({
        "type": "expected_payout",
        "contest": {
            "entrants": 200, "entry_fee_usd": 10, "ownership": { drivers(0).as_str().unwrap(): 45 },
            "prizes": [{ "from": 1, "to": 1, "usd": 500 }, { "from": 2, "to": 40, "usd": 25 }],
        },
    });
    together["sensitivity_seeds"] = json!(2);
    // Few lineups are left, so that the test is short.
    together["locks"] = json!([drivers(2), drivers(4), drivers(6)]);
    together["exposures"] = json!([]);
    let paid = run("OptimizeResult", &together);
    assert!(paid["portfolio"]["worth"]["value"].as_f64() <= paid["portfolio"]["worth"]["upper_bound"].as_f64());
    assert_eq!(paid["portfolio"]["stability"]["seeds"], 2);
    assert!(paid["portfolio"]["validation"]["fresh"].is_f64());
    let captained = json!({
        "kind": "optimize", "slate": captain_slate(&server, &key, &slate), "model": model, "scenarios": scenarios,
        "lineups": 2, "locks": [drivers(1)],
    });
    let captained = run("OptimizeResult", &captained);
    let first = &captained["portfolio"]["lineups"][0];
    let slots: Vec<&str> =
        first["drivers"].as_array().unwrap().iter().map(|driver| driver["slot"].as_str().unwrap()).collect();
    assert_eq!(slots, ["CPT", "FLEX", "FLEX"]);
    let locked = |driver: &Value| driver["driver"] == drivers(1);
    assert!(first["drivers"].as_array().unwrap().iter().any(locked), "{first}");
    let mut evaluate = small_fit();
    evaluate.as_object_mut().unwrap().remove("holdout_races");
    evaluate["kind"] = json!("evaluate");
    evaluate["races_max"] = json!(2);
    run("EvaluateResult", &evaluate);

    let seen = server.get(&key, &format!("/v1/models/{}", model.as_str().unwrap()));
    hold_against(&document, "ModelView", &seen.body);
    assert_eq!(server.get(&key, "/v1/models").body["items"][0]["id"], *model);
}
