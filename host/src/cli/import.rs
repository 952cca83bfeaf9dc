//! `paddock import`: upload race results, a race to come, or a slate to a server.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::Value;

use super::remote::RemoteArgs;

/// What to upload.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Past races with their results, as CSV; or one race to come, as JSON.
    Races(RacesArgs),
    /// A slate, as CSV (DraftKings' export works).
    Slate(SlateArgs),
}

/// A file of races.
#[derive(Debug, Args)]
pub struct RacesArgs {
    /// CSV file with one row per race and driver, or JSON file with one race.
    file: PathBuf,
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
    remote: RemoteArgs,
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
    let is_json = args.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let media_type = if is_json { "application/json" } else { "text/csv" };
    Ok(args.remote.client().post_bytes("/v1/races", &[], media_type, &bytes)?)
}

fn slate(args: &SlateArgs) -> Result<Value> {
    let bytes = read(&args.file)?;
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = args.name.as_deref().unwrap_or(&stem);
    let query = [("name", name), ("contest", args.contest.as_str()), ("race", args.race.as_str())];
    Ok(args.remote.client().post_bytes("/v1/slates", &query, "text/csv", &bytes)?)
}

fn read(file: &PathBuf) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
