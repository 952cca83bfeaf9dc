//! `paddock plugin list|show|costs|promote|rollback|deprecate|quarantine|share|diff`: the registry of a server, as a client of its API.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    client::{Client, ClientError},
    job::print,
    plugin_costs::{self, CostsArgs},
    remote::RemoteArgs,
    table::Table,
};

/// Look after the plugins of a server.
#[derive(Debug, Subcommand)]
pub enum RegistryCommand {
    /// List the plugins that the team can use, newest first.
    List(ListArgs),
    /// Show a version: how it stands, what it says of itself, what its tests found, and the plugin's aliases.
    Show(ShowArgs),
    /// Show what a version has cost in the team's jobs, and how often it failed.
    Costs(CostsArgs),
    /// Let an alias stand for a version.
    Promote(PromoteArgs),
    /// Let an alias stand for the version before again; once more goes further back.
    Rollback(AliasArgs),
    /// Advise against a version: jobs that name it are warned.
    Deprecate(DeprecateArgs),
    /// Hold a version back: jobs that name it are refused until it is released.
    Quarantine(QuarantineArgs),
    /// Say which other teams may use a plugin.
    Share(ShareArgs),
    /// Show how two versions differ, breaking changes first.
    Diff(DiffArgs),
}

/// What to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only versions of this plugin.
    name: Option<String>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// A version of a plugin.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// `name@1.2.0`, `name@stable`, or `team/name@1.2.0` of another team.
    plugin: String,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// A version to promote.
#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// `name@1.2.0`, or `name@canary` for the version that another alias stands for.
    plugin: String,
    /// The alias.
    #[arg(long, default_value = "stable")]
    alias: String,
    /// From now on, go back to the version before where its own is quarantined (`--falls-back false` takes that back).
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    falls_back: Option<bool>,
    /// From now on, run this version or alias beside it in the team's jobs (`--shadow none` takes that back).
    #[arg(long, value_name = "VERSION")]
    shadow: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// An alias of a plugin.
#[derive(Debug, Args)]
pub struct AliasArgs {
    /// Name of the plugin.
    name: String,
    /// The alias.
    #[arg(long, default_value = "stable")]
    alias: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// A version to advise against.
#[derive(Debug, Args)]
pub struct DeprecateArgs {
    /// `name@1.2.0`.
    plugin: String,
    /// What to tell those who use it: why, and what to use instead.
    #[arg(long, required_unless_present = "undo")]
    message: Option<String>,
    /// Take it back.
    #[arg(long, conflicts_with = "message")]
    undo: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// A version to hold back, or to release.
#[derive(Debug, Args)]
pub struct QuarantineArgs {
    /// `name@1.2.0`.
    plugin: String,
    /// Why; told to those whose jobs are refused.
    #[arg(long, required_unless_present = "release")]
    reason: Option<String>,
    /// Release it.
    #[arg(long, conflicts_with = "reason")]
    release: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Who may use a plugin.
#[derive(Debug, Args)]
pub struct ShareArgs {
    /// Name of the plugin.
    name: String,
    /// Name of a team that may use it; repeat for more. Without this and the other flags, show who may.
    #[arg(long = "with", value_name = "TEAM")]
    with: Vec<String>,
    /// Every team of the server may use it.
    #[arg(long, conflicts_with_all = ["with", "private"])]
    public: bool,
    /// Nobody else may use it.
    #[arg(long, conflicts_with = "with")]
    private: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Two versions of a plugin.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Name of the plugin.
    name: String,
    /// A version or an alias.
    from: String,
    /// A version or an alias.
    to: String,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

impl RegistryCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// Where the server refuses or does not answer.
    pub fn run(&self) -> Result<()> {
        match self {
            Self::List(args) => list(args),
            Self::Show(args) => show(args),
            Self::Costs(args) => plugin_costs::costs(args),
            Self::Promote(args) => promote(args),
            Self::Rollback(args) => roll_back(args),
            Self::Deprecate(args) => deprecate(args),
            Self::Quarantine(args) => quarantine(args),
            Self::Share(args) => share(args),
            Self::Diff(args) => diff(args),
        }
    }
}

fn list(args: &ListArgs) -> Result<()> {
    let plugins = all_pages(&args.remote.client(), args.name.as_deref())?;
    if args.json {
        return print(&Value::Array(plugins));
    }
    let mut table = Table::new(&["plugin", "does", "state", ">KiB", "owner", "uploaded"]);
    for plugin in &plugins {
        table.row([
            format!("{}@{}", text(plugin, "name"), text(plugin, "version")),
            text(plugin, "world").to_owned(),
            text(plugin, "state").to_owned(),
            plugin["size_bytes"].as_u64().unwrap_or(0).div_ceil(1024).to_string(),
            plugin["owner"].as_str().unwrap_or("shipped").to_owned(),
            text(plugin, "created_at").chars().take(19).collect(),
        ]);
    }
    table.lines().iter().for_each(|line| println!("{line}"));
    Ok(())
}

fn all_pages(client: &Client, name: Option<&str>) -> Result<Vec<Value>> {
    let (mut plugins, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let given = [("name", name), ("cursor", cursor.as_deref())];
        let query: Vec<_> = given.into_iter().filter_map(|(field, value)| Some((field, value?.to_owned()))).collect();
        let page = client.get_query("/v1/plugins", &query)?;
        plugins.extend(page["items"].as_array().cloned().unwrap_or_default());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(plugins);
        }
    }
}

fn show(args: &ShowArgs) -> Result<()> {
    let (name, version) = versioned(&args.plugin)?;
    let client = args.remote.client();
    let plugin = client.get(&path(name, version))?;
    let aliases = client.get(&format!("/v1/plugins/{}/aliases", escaped(name)))?;
    let report = match client.get(&format!("{}/report", path(name, version))) {
        Ok(report) => report,
        // What is shipped never was an upload.
        Err(ClientError::Problem(problem)) if problem.status == 404 => Value::Null,
        Err(error) => return Err(error.into()),
    };
    if args.json {
        return print(&json!({ "plugin": plugin, "aliases": aliases["items"], "report": report }));
    }
    let lines = shown(&plugin, &aliases["items"]).into_iter().chain(tests(&report["conformance"]));
    lines.for_each(|line| println!("{line}"));
    Ok(())
}

/// What the tests of an upload found, in short.
fn tests(found: &Value) -> Vec<String> {
    let checks = found["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let count = |verdict: &str| checks.iter().filter(|check| check["verdict"] == verdict).count();
    let mut lines = Vec::new();
    if !checks.is_empty() {
        let fuel = found["usage"]["fuel"].as_u64().unwrap_or(0);
        lines.push(format!("  tests     {} passed, {} failed, {fuel} fuel", count("passed"), count("failed")));
    }
    for check in checks.iter().filter(|check| check["verdict"] == "failed") {
        lines.push(format!("  {}: {}", text(check, "name"), text(check, "found")));
        lines.push(format!("    repeat it with: {}", text(check, "reproduce")));
    }
    lines
}

fn shown(plugin: &Value, aliases: &Value) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{}@{}, a {}: {}",
            text(plugin, "name"),
            text(plugin, "version"),
            text(plugin, "world"),
            text(plugin, "state")
        ),
        format!("  {}", text(plugin, "summary")),
        format!("  sha256    {}", text(plugin, "hash")),
        format!("  owner     {}", plugin["owner"].as_str().unwrap_or("shipped with the service")),
    ];
    if let Some(deprecation) = plugin["deprecation"].as_str() {
        lines.push(format!("  deprecated: {deprecation}"));
    }
    if let Some(reason) = plugin["quarantine"]["reason"].as_str() {
        lines.push(format!("  held back since {}: {reason}", text(&plugin["quarantine"], "since")));
    }
    for alias in aliases.as_array().into_iter().flatten() {
        let falls_back = if alias["falls_back"] == true { ", falls back" } else { "" };
        let beside = alias["shadow"].as_str().map(|shadow| format!(", {shadow} beside it")).unwrap_or_default();
        lines.push(format!("  alias {:<9} {}{falls_back}{beside}", text(alias, "alias"), text(alias, "version")));
    }
    lines
}

fn promote(args: &PromoteArgs) -> Result<()> {
    let (name, version) = versioned(&args.plugin)?;
    let client = args.remote.client();
    let alias = alias_path(name, &args.alias);
    let mut promoted = client.post_json(&format!("{alias}/promote"), &json!({ "version": version }))?;
    let mut changes = Map::new();
    changes.extend(args.falls_back.map(|falls_back| ("falls_back".to_owned(), json!(falls_back))));
    let shadow = args.shadow.as_deref().map(|shadow| if shadow == "none" { Value::Null } else { json!(shadow) });
    changes.extend(shadow.map(|shadow| ("shadow".to_owned(), shadow)));
    if !changes.is_empty() {
        promoted = client.patch_json(&alias, &Value::Object(changes))?;
    }
    println!("{name}@{} is {}", text(&promoted, "alias"), text(&promoted, "version"));
    Ok(())
}

fn roll_back(args: &AliasArgs) -> Result<()> {
    let moved = args.remote.client().post_empty(&format!("{}/rollback", alias_path(&args.name, &args.alias)))?;
    println!("{}@{} is {} again", args.name, text(&moved, "alias"), text(&moved, "version"));
    Ok(())
}

fn deprecate(args: &DeprecateArgs) -> Result<()> {
    let (name, version) = versioned(&args.plugin)?;
    let body = json!({ "message": args.message });
    let plugin = args.remote.client().post_json(&format!("{}/deprecate", path(name, version)), &body)?;
    told(&plugin);
    Ok(())
}

fn quarantine(args: &QuarantineArgs) -> Result<()> {
    let (name, version) = versioned(&args.plugin)?;
    let (client, path) = (args.remote.client(), path(name, version));
    let plugin = match &args.reason {
        Some(reason) => client.post_json(&format!("{path}/quarantine"), &json!({ "reason": reason }))?,
        None => client.post_empty(&format!("{path}/release"))?,
    };
    told(&plugin);
    Ok(())
}

fn share(args: &ShareArgs) -> Result<()> {
    let (client, path) = (args.remote.client(), format!("/v1/plugins/{}/sharing", escaped(&args.name)));
    let wanted = match (args.public, args.private, args.with.is_empty()) {
        (true, ..) => Some(json!({ "visibility": "public" })),
        (_, true, _) => Some(json!({ "visibility": "private" })),
        (.., false) => Some(json!({ "visibility": "teams", "teams": args.with })),
        (.., true) => None,
    };
    let sharing = match wanted {
        Some(wanted) => client.put_json(&path, &wanted)?,
        None => client.get(&path)?,
    };
    let teams: Vec<&str> = sharing["teams"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match text(&sharing, "visibility") {
        "teams" => println!("{} is shared with {}", args.name, teams.join(", ")),
        visibility => println!("{} is {visibility}", args.name),
    }
    Ok(())
}

fn diff(args: &DiffArgs) -> Result<()> {
    let path = format!("/v1/plugins/{}/diff", escaped(&args.name));
    let query = [("from", args.from.clone()), ("to", args.to.clone())];
    let found = args.remote.client().get_query(&path, &query)?;
    if args.json {
        return print(&found);
    }
    differences(&args.name, &found).iter().for_each(|line| println!("{line}"));
    Ok(())
}

fn differences(name: &str, found: &Value) -> Vec<String> {
    let (from, to) = (text(found, "from"), text(found, "to"));
    let verdict = match (found["is_identical"] == true, found["is_breaking"] == true) {
        (true, _) => "the same bytes",
        (_, true) => "breaking changes",
        (_, false) => "no breaking change",
    };
    let mut lines = vec![format!("{name} {from} -> {to}: {verdict}")];
    let sentences = found["summary"].as_array().into_iter().flatten().filter_map(Value::as_str);
    lines.extend(sentences.map(|sentence| format!("  {sentence}")));
    lines
}

fn told(plugin: &Value) {
    println!("{}@{} is {}", text(plugin, "name"), text(plugin, "version"), text(plugin, "state"));
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Name and version of `[team/]name@version`.
///
/// # Errors
/// Where it names no version.
pub fn versioned(plugin: &str) -> Result<(&str, &str)> {
    match plugin.rsplit_once('@') {
        Some((name, version)) if !name.is_empty() && !version.is_empty() => Ok((name, version)),
        _ => bail!("`{plugin}` names no version\n  what to do: write `name@1.2.0` or `name@stable`"),
    }
}

/// Where a version is in the API.
pub fn path(name: &str, version: &str) -> String {
    format!("/v1/plugins/{}/{}", escaped(name), escaped(version))
}

fn alias_path(name: &str, alias: &str) -> String {
    format!("/v1/plugins/{}/aliases/{}", escaped(name), escaped(alias))
}

/// One segment of a path: a team's name may hold anything.
fn escaped(segment: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    segment
        .bytes()
        .map(|byte| if is_plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_of_another_team_becomes_one_segment_of_a_path() {
        assert_eq!(versioned("Red Racing/rule@1.0.0").unwrap(), ("Red Racing/rule", "1.0.0"));
        assert_eq!(path("Red Racing/rule", "1.0.0+b"), "/v1/plugins/Red%20Racing%2Frule/1.0.0%2Bb");
        assert!(versioned("rule").is_err() && versioned("rule@").is_err());
    }

    #[test]
    fn failed_tests_are_shown_with_how_to_repeat_them() {
        let found = json!({ "usage": { "fuel": 42 }, "checks": [
            { "name": "runs", "verdict": "passed", "found": "" },
            { "name": "finite", "verdict": "failed", "found": "draws[3] = NaN", "reproduce": "paddock plugin check FILE" },
        ] });
        let expected = [
            "  tests     1 passed, 1 failed, 42 fuel",
            "  finite: draws[3] = NaN",
            "    repeat it with: paddock plugin check FILE",
        ];
        assert_eq!(tests(&found), expected);
        assert!(tests(&Value::Null).is_empty());
    }

    #[test]
    fn a_difference_is_told_with_its_verdict_first() {
        let found = json!({ "from": "1.0.0", "to": "1.1.0", "is_identical": false, "is_breaking": true,
            "summary": ["parameter `k` removed", "fuel +40 %"] });
        let expected = ["rule 1.0.0 -> 1.1.0: breaking changes", "  parameter `k` removed", "  fuel +40 %"];
        assert_eq!(differences("rule", &found), expected);
    }
}
