//! The registry with real components and jobs: named by alias, warned of, quarantined after crashes, shared, and looked after from
//! the command line.

use std::{path::Path, process::Output};

use hostile::fixture::{CONSTRAINT, Fixture, Says};
use serde_json::{Value, json};

use crate::{
    season::{import, result, small_fit, submit, wait_until},
    server::{Answer, Place, Server},
};

/// Entries of the race that uploads are tested on; those of the made-up season have more.
const TESTED_ENTRIES: u32 = 12;

/// A constraint of this version that keeps everything.
fn honest(version: &str) -> Fixture {
    Fixture::constraint_that_says(&Says { version, ..CONSTRAINT })
}

/// A constraint of this version that passes its tests and does `what` in a race of another size.
pub fn after_its_tests(version: &str, what: &str) -> Vec<u8> {
    let fixture = honest(version);
    let keep = fixture.methods.iter().find(|(name, _)| name.ends_with("scenario-judge.judge")).unwrap().1.clone();
    let is_other_race = format!("(i32.ne (local.get 3) (i32.mul (local.get 1) (i32.const {TESTED_ENTRIES})))");
    fixture.with("scenario-judge.judge", format!("(if {is_other_race} (then {what})) {keep}")).build()
}

/// A built-in component under another version.
pub fn as_version(name: &str, version: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../guests/components/{name}.wasm"));
    let mut component = std::fs::read(path).unwrap();
    // The version stands right behind the name among the component's strings.
    let named = |window: &[u8]| window.starts_with(name.as_bytes()) && window[name.len()].is_ascii_digit();
    let at = component.windows(name.len() + version.len()).position(named).unwrap() + name.len();
    component[at..at + version.len()].copy_from_slice(version.as_bytes());
    component
}

/// Uploads a component that is taken.
pub fn upload(server: &Server, key: &str, wasm: &[u8]) -> Answer {
    let answer = server.post(key, "/v1/plugins", "application/wasm", wasm);
    assert_eq!((answer.status, &answer.body["state"]), (201, &json!("active")), "{}", answer.body);
    answer
}

/// A model of the season, and a job that lets `constraint` judge scenarios drawn from it.
pub fn simulation(server: &Server, key: &str) -> Value {
    let slate = import(server, key);
    let fit = submit(server, key, &small_fit());
    let model = result(server, key, &fit)["model"]["id"].clone();
    json!({ "kind": "simulate", "model": model, "race": slate["race"], "scenarios": { "n_scenarios": 300 } })
}

pub fn judged_by(simulation: &Value, constraint: &Value) -> Value {
    let mut spec = simulation.clone();
    spec["scenarios"]["constraints"] = json!([constraint]);
    spec
}

fn client(server: &Server, key: &str, arguments: &[&str]) -> Output {
    server.client(key, &[&["plugin"], arguments].concat())
}

/// What a command says, where it succeeds.
pub fn told(server: &Server, key: &str, arguments: &[&str]) -> String {
    let output = client(server, key, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_version_that_crashes_jobs_is_quarantined_and_its_alias_falls_back() {
    let settings = [("PADDOCK_PLUGINS__QUARANTINE_TRAPS", "2"), ("PADDOCK_PLUGINS__CONFORMANCE_REQUIRED", "false")];
    let place = Place::shared(settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let server = Server::start_at(&place, &[]);
    let key = server.key("ours", "read,submit,admin");
    let simulation = simulation(&server, &key);
    // Where the operator does not mind, what fails its tests is taken, and its report still tells.
    let crashes = honest("0.9.0").with("scenario-judge.judge", "(unreachable)").build();
    let broken = upload(&server, &key, &crashes).location.unwrap();
    assert_eq!(server.get(&key, &format!("{broken}/report")).body["conformance"]["passed"], false);
    upload(&server, &key, &honest("1.0.0").build());
    upload(&server, &key, &after_its_tests("1.1.0", "(unreachable)"));
    told(&server, &key, &["promote", "fixture@1.0.0"]);
    told(&server, &key, &["promote", "fixture@1.1.0", "--falls-back"]);

    let by_alias = judged_by(&simulation, &json!({ "plugin": "fixture@stable" }));
    let by_name = judged_by(&simulation, &json!({ "plugin": "fixture" }));
    let mut failed = String::new();
    for spec in [&by_alias, &by_name] {
        failed = submit(&server, &key, spec);
        let job = wait_until(&server, &key, &failed, |job| job["state"] == "failed");
        assert_eq!(
            (&job["problem"]["code"], &job["problem"]["plugin"]),
            (&json!("plugin-trapped"), &json!("fixture@1.1.0"))
        );
    }
    let held = server.get(&key, "/v1/plugins/fixture/1.1.0").body;
    assert_eq!(held["state"], "quarantined", "{held}");
    let stable = server.get(&key, "/v1/plugins/fixture/aliases/stable").body;
    assert_eq!((&stable["version"], &stable["how"]), (&json!("1.0.0"), &json!("fell_back")));
    assert!(stable.get("by").is_none(), "{stable}");

    let pinned = judged_by(&simulation, &json!({ "plugin": "fixture", "version": "1.1.0" }));
    let refused = server.post_json(&key, "/v1/jobs", &pinned);
    assert_eq!(refused.verdict(), (422, "plugin-quarantined", Some("/scenarios/constraints/0/plugin")));
    assert!(refused.body["detail"].as_str().unwrap().contains("in 2 jobs"), "{}", refused.body);
    let rerun = server.post(&key, &format!("/v1/jobs/{failed}/rerun"), "application/json", b"");
    assert_eq!((rerun.status, rerun.code()), (422, "plugin-quarantined"));
    let works = submit(&server, &key, &by_alias);
    assert_eq!(result(&server, &key, &works)["run"]["plugins"][1]["plugin"], "fixture@1.0.0");

    assert_eq!(told(&server, &key, &["quarantine", "fixture@1.1.0", "--release"]), "fixture@1.1.0 is active");
    // It runs again, and crashes again.
    assert_eq!(server.post_json(&key, "/v1/jobs/preview", &pinned).code(), "plugin-trapped");
}

#[test]
fn a_deprecated_version_is_warned_of_and_a_shared_one_is_named_by_its_team() {
    let server = Server::start();
    let (ours, theirs) = (server.key("ours", "read,submit,admin"), server.key("theirs", "read,submit,admin"));
    let simulation = simulation(&server, &ours);
    upload(&server, &theirs, &honest("1.0.0").build());
    let foreign = judged_by(&simulation, &json!({ "plugin": "theirs/fixture@1.0.0" }));
    assert_eq!(server.post_json(&ours, "/v1/jobs", &foreign).verdict().1, "invalid-input");
    assert_eq!(told(&server, &theirs, &["share", "fixture", "--with", "ours"]), "fixture is shared with ours");
    let advice = "Keeps everything; use another.";
    told(&server, &theirs, &["deprecate", "fixture@1.0.0", "--message", advice]);

    let warning = json!([format!("theirs/fixture@1.0.0 is deprecated: {advice}")]);
    assert_eq!(server.post_json(&ours, "/v1/jobs/preview", &foreign).body["warnings"], warning);
    let job = submit(&server, &ours, &foreign);
    assert_eq!(result(&server, &ours, &job)["run"]["plugins"][1]["plugin"], "theirs/fixture@1.0.0");
    assert_eq!(server.get(&ours, &format!("/v1/jobs/{job}")).body["warnings"], warning);
    let listed = told(&server, &ours, &["list", "fixture"]);
    assert!(listed.contains("deprecated") && listed.contains("theirs"), "{listed}");
    assert!(told(&server, &ours, &["show", "theirs/fixture@1.0.0"]).contains(advice));

    assert_eq!(told(&server, &theirs, &["share", "fixture", "--private"]), "fixture is private");
    assert_eq!(server.post_json(&ours, "/v1/jobs", &foreign).verdict().1, "invalid-input");
    let refused = client(&server, &ours, &["show", "theirs/fixture@1.0.0"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("what to do"), "{refused:?}");
}

#[test]
fn an_upload_is_tested_and_its_report_says_what_was_found() {
    let server = Server::start();
    let key = server.key("ours", "read,submit,admin");
    let taken = upload(&server, &key, &honest("1.0.0").build());
    let report = server.get(&key, &format!("{}/report", taken.location.unwrap())).body;
    assert_eq!(
        (&report["capabilities"]["tier"], &report["conformance"]["passed"]),
        (&json!("plain"), &json!(true)),
        "{report}"
    );
    assert!(report["conformance"]["usage"]["fuel"].as_u64().unwrap() > 0);

    // What crashes on any race is found at the door; other bytes can take its version then.
    let crashes = honest("2.0.0").with("scenario-judge.judge", "(unreachable)").build();
    let rejected = server.post(&key, "/v1/plugins", "application/wasm", &crashes);
    assert_eq!((rejected.status, rejected.code()), (422, "plugin-rejected"), "{}", rejected.body);
    assert!(rejected.body["detail"].as_str().unwrap().contains("runs"), "{}", rejected.body);
    assert_eq!(server.get(&key, "/v1/plugins/fixture/2.0.0").body["state"], "rejected");
    let report = server.get(&key, "/v1/plugins/fixture/2.0.0/report").body;
    let failed = report["conformance"]["checks"].as_array().unwrap().iter().find(|check| check["verdict"] == "failed");
    assert!(failed.unwrap()["reproduce"].as_str().unwrap().starts_with("paddock plugin check"), "{report}");
    let promoted = client(&server, &key, &["promote", "fixture@2.0.0"]);
    assert!(String::from_utf8_lossy(&promoted.stderr).contains("plugin-rejected"), "{promoted:?}");
    upload(&server, &key, &honest("2.0.0").build());

    let grown = Says {
        version: "3.0.0",
        schema: r#"{"type":"object","additionalProperties":false,"properties":{"k":{"type":"integer","default":3,"minimum":0,"maximum":9}}}"#,
        ..CONSTRAINT
    };
    upload(&server, &key, &Fixture::constraint_that_says(&grown).build());
    told(&server, &key, &["promote", "fixture@2.0.0"]);
    let differs = told(&server, &key, &["diff", "fixture", "stable", "3.0.0"]);
    assert!(differs.starts_with("fixture 2.0.0 -> 3.0.0: breaking changes\n  parameter `share` removed"), "{differs}");
    assert!(differs.contains("parameter `k` added, 3 by default"), "{differs}");
    assert_eq!(told(&server, &key, &["promote", "fixture@3.0.0"]), "fixture@stable is 3.0.0");
    assert_eq!(told(&server, &key, &["rollback", "fixture"]), "fixture@stable is 2.0.0 again");
}
