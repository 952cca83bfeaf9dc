//! Results are what the API's description says they are.

use serde_json::{Value, json};

use crate::{
    season::{import, result, small_fit, submit},
    server::Server,
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

#[test]
fn the_result_of_each_kind_of_job_is_as_described() {
    let server = Server::start();
    let key = server.key("team", "submit,read");
    let document = server.get(&key, "/openapi.json").body;
    let slate = import(&server, &key);
    let run = |schema: &str, spec: &Value| {
        let job = submit(&server, &key, spec);
        let found = result(&server, &key, &job);
        hold_against(&document, schema, &found);
        hold_against(&document, "JobResult", &server.get(&key, &format!("/v1/jobs/{job}/result")).body);
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
    let mut evaluate = small_fit();
    evaluate.as_object_mut().unwrap().remove("holdout_races");
    evaluate["kind"] = json!("evaluate");
    evaluate["races_max"] = json!(2);
    run("EvaluateResult", &evaluate);

    let seen = server.get(&key, &format!("/v1/models/{}", model.as_str().unwrap()));
    hold_against(&document, "ModelView", &seen.body);
    assert_eq!(server.get(&key, "/v1/models").body["items"][0]["id"], *model);
}
