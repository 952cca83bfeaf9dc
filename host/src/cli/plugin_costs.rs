//! `paddock plugin costs`: what a version has cost in the team's jobs, as a table or as JSON.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::{job::print, registry, remote::RemoteArgs, table::Table};

/// A version of a plugin.
#[derive(Debug, Args)]
pub struct CostsArgs {
    /// `name@1.2.0`, `name@stable`, or `team/name@1.2.0` of another team.
    plugin: String,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Shows what a version has cost.
///
/// # Errors
/// Where the server refuses or does not answer.
pub fn costs(args: &CostsArgs) -> Result<()> {
    let (name, version) = registry::versioned(&args.plugin)?;
    let found = args.remote.client().get(&format!("{}/costs", registry::path(name, version)))?;
    if args.json {
        return print(&found);
    }
    lines(&found).iter().for_each(|line| println!("{line}"));
    Ok(())
}

fn lines(found: &Value) -> Vec<String> {
    let stages = found["stages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let plugin = found["plugin"].as_str().unwrap_or_default();
    let mut lines = match stages {
        [] => vec![format!("{plugin} has taken part in no job of the team that has a result")],
        _ => vec![format!("{plugin}, per {} units of work: median and 90th percentile", found["per_units"])],
    };
    if !stages.is_empty() {
        let mut table = Table::new(&[
            "stage",
            "unit",
            ">jobs",
            ">fuel",
            ">p90",
            ">CPU ms",
            ">p90",
            ">copied KiB",
            ">peak MiB",
            ">calls",
        ]);
        stages.iter().for_each(|stage| table.row(row(stage)));
        lines.extend(table.lines());
    }
    for failure in found["failures"].as_array().into_iter().flatten() {
        let (code, last) =
            (failure["code"].as_str().unwrap_or_default(), failure["last_at"].as_str().unwrap_or_default());
        lines.push(format!("  failed with {code} in {} jobs, the last time at {last}", failure["jobs"]));
    }
    lines
}

fn row(stage: &Value) -> Vec<String> {
    let text = |field: &str| stage[field].as_str().unwrap_or_default().to_owned();
    let spread = |field: &str, at: &str, unit: f64, digits: usize| {
        format!("{:.digits$}", stage[field][at].as_f64().unwrap_or(0.0) / unit)
    };
    vec![
        text("stage"),
        text("unit"),
        stage["jobs"].to_string(),
        spread("fuel", "median", 1.0, 0),
        spread("fuel", "p90", 1.0, 0),
        spread("cpu_ms", "median", 1.0, 2),
        spread("cpu_ms", "p90", 1.0, 2),
        spread("copied_bytes", "median", 1024.0, 1),
        format!("{:.1}", stage["memory_peak_bytes"].as_f64().unwrap_or(0.0) / f64::from(1 << 20)),
        stage["calls"].to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_stage_is_a_row_and_failures_follow() {
        let spread = json!({ "median": 2_048.0, "p90": 4_096.0 });
        let stage = json!({ "stage": "simulate", "unit": "scenarios", "jobs": 3, "calls": 9, "fuel": spread, "cpu_ms": spread,
            "copied_bytes": spread, "memory_peak_bytes": 1 << 20 });
        let failures = json!([{ "code": "plugin-trapped", "jobs": 2, "last_at": "2030-01-01T00:00:00Z" }]);
        let found = json!({ "plugin": "rule@1.0.0", "per_units": 1000, "stages": [stage], "failures": failures });
        let lines = lines(&found);
        assert!(lines[0].starts_with("rule@1.0.0, per 1000 units"), "{lines:?}");
        let cells: Vec<&str> = lines[2].split_whitespace().collect();
        assert_eq!(cells, ["simulate", "scenarios", "3", "2048", "4096", "2048.00", "4096.00", "2.0", "1.0", "9"]);
        assert_eq!(lines[3], "  failed with plugin-trapped in 2 jobs, the last time at 2030-01-01T00:00:00Z");
    }
}
