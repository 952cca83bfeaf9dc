//! `paddock team`: what the operator decides about teams, directly in the data directory; works beside a running server.

use anyhow::Result;
use clap::{Args, Subcommand};

use super::settings::SettingsArgs;
use crate::{auth, config::Overrides, db::Db};

/// Decide about teams.
#[derive(Debug, Subcommand)]
pub enum TeamCommand {
    /// Set a team's share of the workers beside the other teams; a new team has the weight 1.
    Weight(WeightArgs),
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

impl TeamCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// Where the data directory cannot be used or there is no such team.
    pub fn run(&self) -> Result<()> {
        let Self::Weight(args) = self;
        super::block_on(async {
            let db = Db::open_beside(&args.settings.load(Overrides::default())?.db).await?;
            let set = auth::set_weight(&db, &args.team, args.weight).await;
            db.close().await;
            set?;
            eprintln!("team {} has the weight {}", args.team, args.weight);
            Ok(())
        })
    }
}
