//! `paddock demo`: the whole pipeline once, on a server of its own, through the public API as any client would use it.

mod inputs;
mod report;
mod steps;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use self::inputs::Inputs;
use super::{client::Client, serve::stop_signal};
use crate::{
    app::{self, Running},
    auth::{self, NewKey, Scope},
    config::{Config, Overrides},
    telemetry,
};

/// Name of the team that the demo works for.
const TEAM: &str = "demo";

/// What to show.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Directory with real data (results as CSV, a slate as CSV); made-up data where absent.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Lineups of the portfolio.
    #[arg(long, default_value_t = 20)]
    lineups: u32,
    /// Scenarios to draw.
    #[arg(long, default_value_t = 10_000)]
    scenarios: u32,
    /// Past races to fit the model on.
    #[arg(long, default_value_t = 108)]
    races: u32,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the server keeps its data; kept afterwards.
    #[arg(long, default_value = "paddock-demo")]
    data_dir: PathBuf,
    /// Leave the server running until Ctrl-C.
    #[arg(long)]
    keep_serving: bool,
}

/// Runs the demo.
///
/// # Errors
/// Where the data cannot be read, or a step of the pipeline fails.
pub fn run(args: &DemoArgs) -> Result<()> {
    let inputs = Inputs::load(args.data.as_deref(), args.seed)?;
    let config = config(args)?;
    telemetry::start(&config.telemetry)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let running = runtime.block_on(app::start(config))?;
    let key = runtime.block_on(make_key(&running))?;
    let client = Client::new(&format!("http://{}", running.address), &key);
    println!(
        "paddock {} serves on {}, data in {}",
        env!("CARGO_PKG_VERSION"),
        client.server(),
        args.data_dir.display()
    );
    let shown = steps::show(&client, args, &inputs);
    if shown.is_ok() {
        closing_words(&client, &key, args);
    }
    if shown.is_ok() && args.keep_serving {
        runtime.block_on(async {
            stop_signal()?.await;
            anyhow::Ok(())
        })?;
    }
    runtime.block_on(running.shutdown());
    shown
}

/// The defaults, on a free loopback port, with a log that only speaks of trouble: the demo's own lines are the show.
fn config(args: &DemoArgs) -> Result<Config> {
    let overrides = Overrides {
        listen: Some(([127, 0, 0, 1], 0).into()),
        data_dir: Some(args.data_dir.clone()),
        ..Overrides::default()
    };
    let mut config = Config::load(None, &overrides)?;
    config.telemetry.filter = "warn".to_owned();
    Ok(config)
}

async fn make_key(running: &Running) -> Result<String> {
    let team = auth::find_or_create_team(&running.db, TEAM).await?;
    let new = NewKey { name: "demo".to_owned(), scopes: Scope::OF_A_TEAM.to_vec(), valid_s: Some(24 * 3600) };
    let created = auth::create_key(&running.db, &team, &new).await.context("cannot make a key")?;
    Ok(created.secret.expose().to_owned())
}

fn closing_words(client: &Client, key: &str, args: &DemoArgs) {
    let directory = args.data_dir.display();
    println!("\nThe data stays in {directory}. Ask the API what it knows (the key is valid for a day):");
    println!("  export PADDOCK_SERVER={} PADDOCK_API_KEY={key}", client.server());
    println!("  curl -s -H \"Authorization: Bearer $PADDOCK_API_KEY\" $PADDOCK_SERVER/v1/jobs");
    println!("  curl -s $PADDOCK_SERVER/openapi.json");
    if args.keep_serving {
        println!("Serving until Ctrl-C.");
    } else {
        println!("The server has stopped; `paddock serve --data-dir {directory}` starts it again on port 8080.");
    }
}
