//! `paddock plugin check`: what the server would say of a plugin, without a server.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::workbench::{ComponentArgs, InputArgs, refusal};
use crate::plugins::{Admitted, CheckName, CheckReport, CheckVerdict, ConformanceOptions, ConformanceReport};

/// The component to check, and which checks.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    component: ComponentArgs,
    #[command(flatten)]
    inputs: InputArgs,
    /// Only these checks, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    only: Vec<CheckName>,
    /// Seeds the plugin, and the scenarios and lineups that constraints are shown.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print one JSON document instead of text.
    #[arg(long)]
    json: bool,
}

/// Runs the command; a component that is not taken or fails a check gives a code of failure.
///
/// # Errors
/// Where a file cannot be read or this machine cannot run plugins.
pub fn run(args: &CheckArgs) -> Result<ExitCode> {
    let (wasm, inputs) = (args.component.read()?, args.inputs.load()?);
    let workbench = args.component.workbench()?;
    let admitted = match workbench.runtime.admit(&wasm) {
        Ok(admitted) => admitted,
        Err(failure) => {
            let problem = failure.to_problem();
            if args.json {
                println!("{}", json!({ "passed": false, "problem": problem }));
            } else {
                eprintln!("error: {}", refusal(&problem));
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    let options = ConformanceOptions { only: args.only.clone(), seed: args.seed, inputs: Some(inputs) };
    let report = admitted.plugin.conformance(&options)?;
    if args.json {
        let Admitted { description, compile_ms, .. } = &admitted;
        let document = json!({
            "passed": report.passed, "description": description, "size_bytes": wasm.len(), "compile_ms": compile_ms,
            "uses_wasi": admitted.plugin.uses_wasi(), "conformance": report,
        });
        println!("{document}");
    } else {
        println!("{}\n{}", about(&admitted, wasm.len()), told(&report, &args.component));
    }
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn about(admitted: &Admitted, bytes: usize) -> String {
    let description = &admitted.description;
    let mut lines = vec![
        format!("{}@{} is a valid {}", description.name, description.version, description.world.as_str()),
        format!("  {}", description.summary),
        format!("  sha256    {}", admitted.hash),
        format!("  size      {} KiB, compiled in {:.0} ms", bytes.div_ceil(1024), admitted.compile_ms),
    ];
    if admitted.plugin.uses_wasi() {
        lines.push("  imports   a virtual WASI, which the operator must allow".to_owned());
    }
    if let Some(layout) = &description.posterior_layout {
        lines.push(format!("  posterior {layout}"));
    }
    let judged = [("scenarios", description.judges_scenarios), ("lineups", description.judges_lineups)];
    let judged: Vec<&str> = judged.into_iter().filter_map(|(name, does)| does.then_some(name)).collect();
    if !judged.is_empty() {
        lines.push(format!("  judges    {}", judged.join(" and ")));
    }
    for (index, reason) in description.veto_reasons.iter().enumerate() {
        let kind = if reason.is_hard { "hard" } else { "soft" };
        lines.push(format!("  veto {:<4} {} ({kind}): {}", index + 1, reason.code, reason.summary));
    }
    lines.join("\n")
}

fn told(report: &ConformanceReport, component: &ComponentArgs) -> String {
    let mut lines: Vec<String> = report.checks.iter().map(|check| line(check, component)).collect();
    let failed = report.failed().count();
    let verdict = if failed == 0 { "conforms".to_owned() } else { format!("fails {failed} checks") };
    lines.push(format!(
        "{} {verdict}: {:.0} ms, {} units of fuel, {} MiB of memory",
        report.plugin,
        report.wall_ms,
        report.usage.fuel,
        report.usage.memory_peak_bytes.div_ceil(1 << 20)
    ));
    lines.join("\n")
}

fn line(check: &CheckReport, component: &ComponentArgs) -> String {
    let mark = match check.verdict {
        CheckVerdict::Passed => "passed",
        CheckVerdict::Failed => "FAILED",
        CheckVerdict::NotApplicable => "  --  ",
    };
    let mut text = format!("  {mark}  {:<18} {}", check.name.as_str(), check.found);
    if let Some(action) = &check.action {
        let again = check.reproduce.replace("FILE", &component.file.display().to_string());
        text.push_str(&format!("\n{:28} what to do: {action}\n{:28} again: {again}", "", ""));
    }
    text
}
