//! `paddock job compare`: how two jobs that have ended differ, for people or as JSON.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::{job::print, remote::RemoteArgs, table::Table};

/// Numbers that are shown to people; `--json` has all that the server sends.
const FIGURES_SHOWN: usize = 20;

/// The jobs to compare.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Id of a job.
    this: String,
    /// Id of the job to compare it with.
    other: String,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Compares two jobs.
///
/// # Errors
/// Where the server refuses or does not answer, for example because one of them has not ended.
pub fn compare(args: &CompareArgs) -> Result<()> {
    let found = args.remote.client().get(&format!("/v1/jobs/{}/compare/{}", args.this, args.other))?;
    if args.json {
        return print(&found);
    }
    lines(&found).iter().for_each(|line| println!("{line}"));
    Ok(())
}

fn lines(found: &Value) -> Vec<String> {
    let mut lines = vec![verdict(found)];
    for (title, part) in [
        ("asked for", &found["request"]["items"]),
        ("plugins", &found["plugins"]),
        ("inputs", &found["inputs"]["items"]),
        ("seeds", &found["seeds"]["items"]),
        ("details", &found["details"]["items"]),
    ] {
        section(&mut lines, title, part, &["where", "this", "other"], |item| {
            ["place", "this", "other"].map(|field| shown(&item[field])).to_vec()
        });
    }
    section(&mut lines, "figures", &found["figures"]["items"], &["where", ">this", ">other", ">difference"], |item| {
        ["place", "this", "other", "difference"].map(|field| shown(&item[field])).to_vec()
    });
    if let Some(lineups) = found.get("lineups") {
        let count = |field: &str| lineups[field].as_array().map_or(0, Vec::len);
        let (shared, this, other) = (count("shared"), count("only_this"), count("only_other"));
        lines.push(format!("lineups: {shared} in both, {this} in this only, {other} in the other only"));
        section(&mut lines, "exposure", &lineups["exposure"], &["driver", ">this", ">other", ">difference"], |item| {
            ["driver", "this", "other", "difference"].map(|field| shown(&item[field])).to_vec()
        });
    }
    lines
}

fn verdict(found: &Value) -> String {
    let hash = |side: &str| found["result_hash"][side].as_str().unwrap_or("none").to_owned();
    if found["identical"] == true {
        return format!("the results are identical: {}", hash("this"));
    }
    format!("the results differ: {} and {}", hash("this"), hash("other"))
}

fn section(lines: &mut Vec<String>, title: &str, items: &Value, columns: &[&str], row: fn(&Value) -> Vec<String>) {
    let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return;
    }
    let mut table = Table::new(columns);
    items.iter().take(FIGURES_SHOWN).for_each(|item| table.row(row(item)));
    lines.push(format!("{title}:"));
    lines.extend(table.lines());
    if items.len() > FIGURES_SHOWN {
        lines.push(format!("  and {} more, see --json", items.len() - FIGURES_SHOWN));
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number
            .as_f64()
            .filter(|_| number.is_f64())
            .map_or_else(|| number.to_string(), |float| format!("{float:.6}")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_shown_and_a_long_list_is_cut() {
        let figure =
            |number: usize| json!({ "place": format!("/f/{number}"), "this": 1.5, "other": 2, "difference": 0.5 });
        let figures: Vec<_> = (0..=FIGURES_SHOWN).map(figure).collect();
        let found = json!({
            "identical": false, "result_hash": { "this": "aa", "other": null }, "plugins": [],
            "request": { "items": [{ "place": "/seed", "this": 1, "other": null }] },
            "inputs": { "items": [] }, "seeds": { "items": [] }, "details": { "items": [] }, "figures": { "items": figures },
        });
        let lines = lines(&found);
        assert_eq!(lines[0], "the results differ: aa and none");
        assert_eq!(&lines[1..4], ["asked for:", "  where  this  other", "  /seed  1     -"]);
        assert_eq!(lines.last().unwrap(), "  and 1 more, see --json");
        assert!(lines.iter().any(|line| line.contains("1.500000")), "{lines:?}");
        assert_eq!(
            verdict(&json!({ "identical": true, "result_hash": { "this": "aa" } })),
            "the results are identical: aa"
        );
    }
}
