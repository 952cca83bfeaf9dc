//! `paddock import`: upload race results, a race to come, or a slate to a server.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::Value;

use super::remote::RemoteArgs;

/// What to upload.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Races as CSV: results of past ones, entry lists of those to come.
    Races(RacesArgs),
    /// A slate, as CSV (DraftKings' export works).
    Slate(SlateArgs),
}

/// A file of races.
#[derive(Debug, Args)]
pub struct RacesArgs {
    /// CSV file with one row per race and driver.
    file: PathBuf,
    /// Header name of a column, for example `finish="Fin Pos"`; repeat for more. Usual names are found without.
    #[arg(long = "column", value_parser = column)]
    columns: Vec<(String, String)>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// A file with a slate.
#[derive(Debug, Args)]
pub struct SlateArgs {
    /// CSV file with one row per driver.
    file: PathBuf,
    /// Race: its id, or its key (`2026-08`).
    #[arg(long)]
    race: String,
    /// Key of the contest.
    #[arg(long, default_value = "draftkings-nascar-classic-2021")]
    contest: String,
    /// Name of the slate; the file's name where absent.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    race_to_come: RaceToCome,
    /// Header name of a column, for example `salary="Cost"`; repeat for more. Usual names are found without.
    #[arg(long = "column", value_parser = column)]
    columns: Vec<(String, String)>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// A race that is not in the catalog yet; its entries are made from the slate, which must have start positions.
#[derive(Debug, Args)]
struct RaceToCome {
    /// Name of its track.
    #[arg(long, requires = "track_type", requires = "race_laps")]
    track: Option<String>,
    /// Kind of track: superspeedway, road, dirt, short, large_oval or intermediate.
    #[arg(long, requires = "track")]
    track_type: Option<String>,
    /// Scheduled laps.
    #[arg(long, requires = "track")]
    race_laps: Option<u16>,
    /// Name of the race; the track's where absent.
    #[arg(long, requires = "track")]
    race_name: Option<String>,
}

impl ImportCommand {
    /// Runs the command and prints what the server says of the import.
    ///
    /// # Errors
    /// Where the file cannot be read, or the server refuses it.
    pub fn run(&self) -> Result<()> {
        let report = match self {
            Self::Races(args) => races(args)?,
            Self::Slate(args) => slate(args)?,
        };
        println!("{}", serde_json::to_string_pretty(&report)?);
        Ok(())
    }
}

fn races(args: &RacesArgs) -> Result<Value> {
    let bytes = read(&args.file)?;
    let columns = column_map(&args.columns);
    let query: Vec<(&str, &str)> = columns.iter().map(|map| ("columns", map.as_str())).collect();
    Ok(args.remote.client().post_bytes("/v1/races", &query, "text/csv", &bytes)?)
}

fn slate(args: &SlateArgs) -> Result<Value> {
    let bytes = read(&args.file)?;
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = args.name.as_deref().unwrap_or(&stem);
    let race_laps = args.race_to_come.race_laps.map(|laps| laps.to_string());
    let columns = column_map(&args.columns);
    let query = [
        ("name", Some(name)),
        ("contest", Some(args.contest.as_str())),
        ("race", Some(args.race.as_str())),
        ("track", args.race_to_come.track.as_deref()),
        ("track_type", args.race_to_come.track_type.as_deref()),
        ("race_laps", race_laps.as_deref()),
        ("race_name", args.race_to_come.race_name.as_deref()),
        ("columns", columns.as_deref()),
    ];
    let query: Vec<(&str, &str)> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    Ok(args.remote.client().post_bytes("/v1/slates", &query, "text/csv", &bytes)?)
}

/// `finish=Fin Pos` as a pair.
fn column(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(column, header)| !column.is_empty() && !header.is_empty());
    pair.map(|(column, header)| (column.to_owned(), header.to_owned()))
        .ok_or_else(|| "expected COLUMN=HEADER, for example finish=\"Fin Pos\"".to_owned())
}

/// The column map as the API takes it.
fn column_map(columns: &[(String, String)]) -> Option<String> {
    let map: serde_json::Map<String, Value> =
        columns.iter().map(|(column, header)| (column.clone(), Value::from(header.as_str()))).collect();
    (!map.is_empty()).then(|| Value::Object(map).to_string())
}

fn read(file: &PathBuf) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_columns_become_a_json_object() {
        let columns = [column("finish=Fin Pos").unwrap(), column("salary=A=B").unwrap()];
        assert_eq!(column_map(&columns).unwrap(), r#"{"finish":"Fin Pos","salary":"A=B"}"#);
        assert_eq!(column_map(&[]), None);
        assert!(column("finish").is_err() && column("=x").is_err() && column("x=").is_err());
    }
}
