//! `paddock team`: what the operator decides about teams, directly in the data directory; works beside a running server.

use anyhow::Result;
use clap::{Args, Subcommand};

use super::settings::SettingsArgs;
use crate::{
    auth::{self, TeamLimit, TeamLimits},
    config::Overrides,
    db::Db,
};

/// Decide about teams.
#[derive(Debug, Subcommand)]
pub enum TeamCommand {
    /// Set a team's share of the workers beside the other teams; a new team has the weight 1.
    Weight(WeightArgs),
    /// Set what a team may use at most, and show it; without a flag, only show it.
    Limit(LimitArgs),
}

/// The weight to set.
#[derive(Debug, Args)]
pub struct WeightArgs {
    /// Name of the team, as in `key create --team`.
    team: String,
    /// A team of weight 2 gets twice the workers of a team of weight 1 while both have work.
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(auth::WEIGHT_MAX)))]
    weight: u32,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// The limits to set.
#[derive(Debug, Args)]
pub struct LimitArgs {
    /// Name of the team, as in `key create --team`.
    team: String,
    /// Tasks that run at the same time, or `default`.
    #[arg(long, value_name = "N")]
    running_tasks: Option<TeamLimit>,
    /// Jobs that have not ended, or `default`.
    #[arg(long, value_name = "N")]
    live_jobs: Option<TeamLimit>,
    /// CPU-seconds per day (UTC), or `default`.
    #[arg(long, value_name = "N")]
    cpu_s_per_day: Option<TeamLimit>,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl TeamCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// Where the data directory cannot be used or there is no such team.
    pub fn run(&self) -> Result<()> {
        match self {
            Self::Weight(args) => set_weight(args),
            Self::Limit(args) => set_limits(args),
        }
    }
}

fn set_weight(args: &WeightArgs) -> Result<()> {
    super::block_on(async {
        let db = Db::open_beside(&args.settings.load(Overrides::default())?.db).await?;
        let set = auth::set_weight(&db, &args.team, args.weight).await;
        db.close().await;
        set?;
        eprintln!("team {} has the weight {}", args.team, args.weight);
        Ok(())
    })
}

fn set_limits(args: &LimitArgs) -> Result<()> {
    super::block_on(async {
        let db = Db::open_beside(&args.settings.load(Overrides::default())?.db).await?;
        let limits = change_limits(&db, args).await;
        db.close().await;
        let TeamLimits { running_tasks, live_jobs, cpu_s_per_day } = limits?;
        println!("running tasks:        {running_tasks}");
        println!("live jobs:            {live_jobs}");
        println!("CPU-seconds per day:  {cpu_s_per_day}");
        Ok(())
    })
}

async fn change_limits(db: &Db, args: &LimitArgs) -> Result<TeamLimits> {
    let before = auth::team_limits(db, &args.team).await?;
    let limits = TeamLimits {
        running_tasks: args.running_tasks.unwrap_or(before.running_tasks),
        live_jobs: args.live_jobs.unwrap_or(before.live_jobs),
        cpu_s_per_day: args.cpu_s_per_day.unwrap_or(before.cpu_s_per_day),
    };
    if limits != before {
        auth::set_team_limits(db, &args.team, &limits).await?;
    }
    Ok(limits)
}
