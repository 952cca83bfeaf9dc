//! `paddock prune`: delete now what the server would delete in its next round; works beside a running server.

use anyhow::Result;
use clap::Args;

use super::settings::SettingsArgs;
use crate::{
    app::{Depth, Pruned, Pruner},
    config::Overrides,
    db::{Db, artifacts::ArtifactStore},
};

/// What to delete.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Say what would go, and delete nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Deletes what is older than the settings `retention.*` allow, and every artifact that nobody names.
///
/// # Errors
/// Where the data directory, the database or the artifact store cannot be used.
pub fn run(args: &PruneArgs) -> Result<()> {
    let config = args.settings.load(Overrides::default())?;
    super::block_on(async {
        let db = Db::open_beside(&config.db).await?;
        let artifacts = ArtifactStore::open(&config.db, db.clone())?;
        let pruner = Pruner::new(db.clone(), artifacts, &config);
        let now_us = db.now_us().await?;
        let pruned = if args.dry_run { pruner.survey(now_us).await } else { pruner.round(now_us, Depth::Files).await };
        db.close().await;
        println!("{}", sentence(args.dry_run, &pruned?));
        Ok(())
    })
}

fn sentence(is_dry_run: bool, pruned: &Pruned) -> String {
    let verb = if is_dry_run { "would delete" } else { "deleted" };
    format!(
        "{verb} {} jobs, {} events of other jobs, {} idempotency keys, {} artifacts ({} bytes), {} files without a row ({} bytes)",
        pruned.jobs,
        pruned.events,
        pruned.idempotency_keys,
        pruned.artifacts,
        pruned.artifact_bytes,
        pruned.files.unwrap_or(0),
        pruned.file_bytes,
    )
}
