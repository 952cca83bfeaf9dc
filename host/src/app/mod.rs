//! Joins the rooms to one running server: database, artifacts, plugins, pipeline, workers, HTTP. Nothing is decided here.

mod builtins;
mod key_file;
mod planner;
mod retention;
mod scheduler;

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{AbortHandle, JoinHandle},
};

pub use self::retention::{Depth, Pruned, Pruner};
use self::{planner::PipelinePlanner, scheduler::Scheduler};
use crate::{
    api::{self, ApiParts, ApiState, Surface},
    auth::signing::{self, Signer},
    catalog::ContestBook,
    config::{Config, Role},
    db::{Db, artifacts::ArtifactStore},
    jobs::{Worker, WorkerHandle, outlook::Outlooks},
    pipeline::{Pipeline, PipelineParts},
    plugins::{PluginRuntime, PluginsConfig},
    webhooks::{Sender, SenderHandle},
};

/// A server that serves.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its database, for what only the operator of the machine may do.
    pub db: Db,
    state: ApiState,
    /// `None` where this process answers requests only.
    worker: Option<WorkerHandle>,
    /// As the worker.
    sender: Option<SenderHandle>,
    /// What is done beside requests and tasks.
    companions: Vec<AbortHandle>,
    server: JoinHandle<std::io::Result<()>>,
    stop_serving: oneshot::Sender<()>,
    drain_grace: Duration,
}

/// Starts a server. It accepts requests when this returns.
///
/// # Errors
/// What cannot be used: the data directory, the database, the plugin engine, or the address.
pub async fn start(config: Config) -> Result<Running> {
    let is_shared = config.db.url.is_some();
    ensure!(
        is_shared || config.role == Role::All,
        "a role other than `all` needs a database that others can share: give --database-url"
    );
    let db = Db::open(&config.db).await.context("cannot open the database")?;
    let artifacts = ArtifactStore::open(&config.db, db.clone()).context("cannot open the artifact store")?;
    let plugins = open_plugins(&config)?;
    builtins::enter(&db, &artifacts, &plugins).await?;
    let signer = open_signer(&config)?;
    if config.role != Role::Api {
        signing::publish(&db, signer.public()).await.context("cannot make the signing key known")?;
    }
    let contests = Arc::new(ContestBook::with_files(config.catalog.contests_dir.as_deref())?);
    let outlooks = Outlooks::new(db.clone(), &config.jobs);
    let pipeline = Pipeline::new(PipelineParts {
        db: db.clone(),
        artifacts: artifacts.clone(),
        plugins: plugins.clone(),
        contests: Arc::clone(&contests),
        catalog: config.catalog.clone(),
        config: config.pipeline.clone(),
        signer,
        outlooks: outlooks.clone(),
    });
    let listener =
        TcpListener::bind(config.listen).await.with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let planner = Arc::new(PipelinePlanner(pipeline.clone()));
    let companions = start_companions(&config, &db, &artifacts, planner.clone());
    let worker = match config.role {
        Role::Api => None,
        Role::All | Role::Worker => {
            Some(Worker::start(db.clone(), artifacts.clone(), Arc::new(pipeline), config.jobs).await?)
        }
    };
    let sender = match config.role {
        Role::Api => None,
        Role::All | Role::Worker => Some(Sender::start(db.clone(), config.webhooks.clone()).await?),
    };
    let state = ApiState::new(ApiParts {
        db: db.clone(),
        artifacts,
        planner,
        plugins,
        contests,
        catalog: config.catalog,
        outlooks,
        webhooks: config.webhooks,
        config: config.api,
    });
    let (stop_serving, stopped) = oneshot::channel();
    // A dropped sender stops the server like a message does.
    let shutdown = async { drop(stopped.await) };
    let surface = if config.role == Role::Worker { Surface::Health } else { Surface::Everything };
    let server = tokio::spawn(api::serve(listener, surface, state.clone(), shutdown));
    tracing::info!(%address, "serving");
    let drain_grace = Duration::from_secs(config.drain_grace_s);
    Ok(Running { address, db, state, worker, sender, companions, server, stop_serving, drain_grace })
}

/// Serves until `stop` is ready or an operator asks for it over HTTP, then drains.
///
/// # Errors
/// As [`start`], and where the listener fails for good.
pub async fn run(config: Config, stop: impl Future<Output = ()>) -> Result<()> {
    let mut running = start(config).await?;
    let drain_requested = running.state.drain_requested();
    let failed = tokio::select! {
        () = stop => None,
        () = drain_requested => None,
        ended = &mut running.server => Some(ended),
    };
    running.shutdown().await;
    match failed {
        Some(ended) => ended?.context("the HTTP server failed"),
        None => Ok(()),
    }
}

impl Running {
    /// Stops in order: `/readyz` fails, tasks stop at a checkpoint and are given back, requests under way finish.
    pub async fn shutdown(self) {
        self.state.begin_draining();
        // At any point of their work: everything they do is in transactions that another round or node makes up for.
        self.companions.iter().for_each(AbortHandle::abort);
        // Side by side: both together have the grace.
        tokio::join!(drain_worker(self.worker, self.drain_grace), drain_sender(self.sender, self.drain_grace));
        drop(self.stop_serving);
        if !self.server.is_finished() && tokio::time::timeout(self.drain_grace, self.server).await.is_err() {
            tracing::warn!("requests did not finish in time");
        }
        self.db.close().await;
        tracing::info!("stopped");
    }
}

/// Starts what is done beside requests and tasks; on every node, for any of them may be the only one.
fn start_companions(
    config: &Config,
    db: &Db,
    artifacts: &ArtifactStore,
    planner: Arc<PipelinePlanner>,
) -> Vec<AbortHandle> {
    let scheduler = Scheduler { db: db.clone(), planner, api: config.api.clone(), config: config.schedules.clone() };
    let pruner = Pruner::new(db.clone(), artifacts.clone(), config);
    vec![tokio::spawn(scheduler.run()).abort_handle(), tokio::spawn(pruner.run()).abort_handle()]
}

async fn drain_worker(worker: Option<WorkerHandle>, grace: Duration) {
    let Some(worker) = worker else { return };
    let drained = worker.drain(grace).await;
    if drained.abandoned > 0 {
        tracing::warn!(tasks = drained.abandoned, "tasks did not stop in time; their leases will run out");
    }
}

async fn drain_sender(sender: Option<SenderHandle>, grace: Duration) {
    if let Some(sender) = sender {
        sender.drain(grace).await;
    }
}

/// The key that this node signs results with.
fn open_signer(config: &Config) -> Result<Signer> {
    let path = config.signing_key_file.clone().unwrap_or_else(|| config.db.data_dir.join("signing.key"));
    Signer::from_seed(&key_file::read_or_create(&path)?).context("the signing key is no key")
}

fn open_plugins(config: &Config) -> Result<PluginRuntime> {
    let data_dir = &config.db.data_dir;
    let plugins = PluginsConfig {
        cache_dir: data_dir.join("compiled"),
        mac_key: key_file::read_or_create(&data_dir.join("compiled.key"))?,
        compiler: std::env::current_exe().context("cannot find this program's own file, which compiles plugins")?,
        limits: config.plugins.clone(),
    };
    Ok(PluginRuntime::new(plugins)?)
}
