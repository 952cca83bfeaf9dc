//! The whole pipeline on real results and real salaries, where they are at hand. No row of them is in this repository.

use std::{path::PathBuf, process::Stdio};

use crate::server::paddock;

/// The directory with real data, or `None` with a line on standard error where it is absent.
fn real_data() -> Option<PathBuf> {
    let directory = std::env::var_os("PADDOCK_REAL_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    if directory.join("slate_bristol37.csv").exists() {
        return Some(directory);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "real data not found at {}", directory.display());
    eprintln!("skipped: real data not found at {}", directory.display());
    None
}

#[test]
fn the_demo_runs_on_real_data_and_beats_the_uniform_forecast() {
    let Some(data) = real_data() else { return };
    let output = demo(&["--data", data.to_str().unwrap()]);
    assert!(output.contains("251 new"), "{output}");
    assert!(output.contains("37 drivers"), "{output}");
    let crps = output.lines().find(|line| line.trim_start().starts_with("CRPS")).unwrap();
    let figures: Vec<f64> = crps.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(figures[0] < figures[1], "{crps}");
    assert!(output.contains("20 proven optimal"), "{output}");
}

#[test]
fn the_demo_runs_on_a_made_up_season() {
    let output = demo(&[]);
    assert!(output.contains("120 new"), "{output}");
    assert!(output.contains("20 proven optimal"), "{output}");
}

fn demo(arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let run = paddock(directory.path())
        .arg("demo")
        .args(arguments)
        .arg("--data-dir")
        .arg(directory.path().join("demo"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{output}\n{}", String::from_utf8_lossy(&run.stderr));
    output
}
