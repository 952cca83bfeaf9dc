//! `paddock key`: make and revoke API keys, directly in the data directory; works beside a running server.

use anyhow::Result;
use clap::{Args, Subcommand};

use super::settings::SettingsArgs;
use crate::{
    auth::{self, NewKey, Scope},
    config::Overrides,
    db::Db,
    domain::ids::KeyId,
};

const SECONDS_PER_DAY: u64 = 24 * 3600;

/// Make and revoke API keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key and print it; it is shown this once.
    Create(CreateArgs),
    /// Make a key open nothing from now on.
    Revoke(RevokeArgs),
}

/// The key to make.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Team that owns the key; made where it does not exist.
    #[arg(long)]
    team: String,
    /// What the key is for.
    #[arg(long, default_value = "default")]
    name: String,
    /// What the key may do; repeat or separate by commas.
    #[arg(long = "scope", value_delimiter = ',', default_value = "read,submit,admin")]
    scopes: Vec<Scope>,
    /// Days until the key expires; never where absent.
    #[arg(long)]
    expires_days: Option<u64>,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// The key to revoke.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Id of the key (`key_...`), as `key create` printed it.
    key: KeyId,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl KeyCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// Where the data directory cannot be used or a name is not valid.
    pub fn run(&self) -> Result<()> {
        super::block_on(async {
            match self {
                Self::Create(args) => create(args).await,
                Self::Revoke(args) => revoke(args).await,
            }
        })
    }
}

async fn create(args: &CreateArgs) -> Result<()> {
    let db = Db::open_beside(&args.settings.load(Overrides::default())?.db).await?;
    let team = auth::find_or_create_team(&db, &args.team).await?;
    let valid_s = args.expires_days.map(|days| days.saturating_mul(SECONDS_PER_DAY));
    let new = NewKey { name: args.name.clone(), scopes: args.scopes.clone(), valid_s };
    let created = auth::create_key(&db, &team, &new).await?;
    db.close().await;
    // The key alone on standard output, so that it can be captured; the rest is for people.
    eprintln!("team {} ({}), key {}; the key is shown this once:", team.name, team.id, created.id);
    println!("{}", created.secret.expose());
    Ok(())
}

async fn revoke(args: &RevokeArgs) -> Result<()> {
    let db = Db::open_beside(&args.settings.load(Overrides::default())?.db).await?;
    auth::revoke_key(&db, &args.key).await?;
    db.close().await;
    println!("{} revoked", args.key);
    Ok(())
}
