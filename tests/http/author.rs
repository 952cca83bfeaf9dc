//! The tools of plugin authors, on the built-in plugins and without a server.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::server::paddock;

fn component(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../guests/components/{name}.wasm"))
}

fn tool(directory: &TempDir, command: &str, name: &str) -> Command {
    let mut tool = paddock(directory.path());
    tool.args(["plugin", command]).arg(component(name));
    tool
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a tool prints, where it succeeds.
fn said(tool: &mut Command) -> String {
    let Output { status, stdout, stderr } = tool.output().unwrap();
    assert!(status.success(), "{}{}", text(&stdout), text(&stderr));
    text(&stdout)
}

#[test]
fn check_tells_each_promise_and_its_code_tells_whether_all_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let told = said(&mut tool(&directory, "check", "constraint-race-physics"));
    assert!(told.contains("passed  block-split") && told.contains("conforms"), "{told}");
    let told = said(tool(&directory, "check", "generator-race").args(["--json", "--only", "deterministic,fuel"]));
    let report: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (report["passed"].as_bool(), report["conformance"]["checks"].as_array().unwrap().len()),
        (Some(true), 2)
    );

    let failing = tool(&directory, "check", "generator-race")
        .env("PADDOCK_PLUGINS__CONFORMANCE__FUEL_PER_SESSION", "10")
        .output()
        .unwrap();
    let told = text(&failing.stdout);
    assert!(!failing.status.success() && told.contains("FAILED  fuel"), "{told}");
    assert!(told.contains("generator-race.wasm --only fuel --seed 0"), "{told}");

    std::fs::write(directory.path().join("no.wasm"), b"(module)").unwrap();
    let refused = paddock(directory.path()).args(["plugin", "check", "no.wasm", "--json"]).output().unwrap();
    let told: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert!(!refused.status.success());
    assert_eq!(told["problem"]["code"], "component-is-text");
}

#[test]
fn run_shows_what_comes_out_of_each_world() {
    let directory = tempfile::tempdir().unwrap();
    let verdicts = said(tool(&directory, "run", "constraint-team-limit").args(["--params", r#"{"max_per_team": 1}"#]));
    assert!(verdicts.contains("too-many-of-one-team") && verdicts.contains("lineups"), "{verdicts}");
    let model = directory.path().join("model.json");
    let fitted = said(
        tool(&directory, "run", "calibrator-attrition")
            .args(["--params", r#"{"warmup": 60, "draws": 20}"#, "--model-out"])
            .arg(&model),
    );
    assert!(fitted.contains("20 draws of the layout attrition-plackett-luce/1"), "{fitted}");
    let outlook = said(tool(&directory, "run", "generator-race").args(["--count", "50", "--model"]).arg(&model));
    assert!(outlook.contains("mean finish") && outlook.contains("Ada Vale"), "{outlook}");
    // Other inputs are the printed ones, changed.
    let inputs = said(paddock(directory.path()).args(["plugin", "inputs"])).replace("Ada Vale", "Someone Else");
    let file = directory.path().join("inputs.json");
    std::fs::write(&file, inputs).unwrap();
    let outlook = said(tool(&directory, "run", "generator-race").arg("--inputs").arg(&file));
    assert!(outlook.contains("Someone Else"), "{outlook}");
    let wrong = tool(&directory, "run", "constraint-team-limit").args(["--params", r#"{"max": 1}"#]).output().unwrap();
    assert!(!wrong.status.success() && text(&wrong.stderr).contains("what to do"), "{wrong:?}");
}

#[test]
fn bench_and_profile_look_at_every_world() {
    let directory = tempfile::tempdir().unwrap();
    for (name, function) in [
        ("constraint-race-physics", "scenario-judge.judge"),
        ("generator-race", "generator.generate"),
        ("calibrator-attrition", "chain.step"),
    ] {
        let told = said(tool(&directory, "bench", name).args(["--seconds", "0.05"]));
        assert!(told.contains(function) && told.contains("calls/s"), "{told}");
        let graph = directory.path().join(format!("{name}.svg"));
        let told = said(tool(&directory, "profile", name).args(["--seconds", "0.3", "--out"]).arg(&graph));
        assert!(told.contains("samples"), "{told}");
        let svg = std::fs::read_to_string(graph).unwrap();
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
        // More than the box of all samples: functions were seen.
        assert!(svg.matches("<rect x=").count() > 2, "{svg}");
    }
}
