//! The pipeline: what each kind of job does. It plans a job's stages, runs their tasks, and puts the result together.
//!
//! calibrate -> simulate -> veto -> optimize; a job kind is a part of that way. Tasks talk to each other through outputs and
//! artifacts only, so any worker can run any task.

mod beside;
mod chain_state;
mod checks;
mod choose;
mod classes;
mod columns;
mod contest_view;
mod digest;
mod estimate;
mod fit;
mod forecast;
mod hindsight;
mod judges;
mod keeper;
mod limits;
mod lineup_rules;
mod misbehaviour;
mod native;
mod outputs;
mod payouts;
mod pinned;
mod pinning;
mod plan;
mod posterior;
mod preview;
mod record;
mod report;
mod roster;
mod sample;
mod shadow;
mod shadow_report;
mod simulate;
mod stages;
mod tally;
mod task;
mod veto;
mod work;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::limits::PipelineConfig;
use self::{
    pinned::{PinnedSpec, TaskInput},
    task::Task,
};
use crate::{
    auth::signing::Signer,
    catalog::{CatalogLimits, ContestBook},
    db::{
        Db, Errands,
        artifacts::{ArtifactHash, ArtifactStore, InvalidHash},
    },
    domain::{
        contest::Contest,
        ids::{JobId, TeamId},
        problem::Problem,
        spec::JobSpec,
    },
    jobs::{
        ClaimedTask, NewStage, TaskContext, TaskFailure, TaskOutput, TaskRunner,
        costs::{Expected, RecentCosts},
        outlook::Outlooks,
    },
    plugins::{LoadedPlugin, PluginRuntime},
    results::JobPreview,
};

/// Plans and runs jobs. Clones share everything.
#[derive(Clone)]
pub struct Pipeline {
    db: Db,
    artifacts: ArtifactStore,
    plugins: PluginRuntime,
    contests: Arc<ContestBook>,
    catalog: Arc<CatalogLimits>,
    config: Arc<PipelineConfig>,
    /// Signs results.
    signer: Arc<Signer>,
    /// Says when the workers would get to a job.
    outlooks: Outlooks,
    /// What past jobs cost, as it was read for a job that has just been planned.
    recent_costs: Arc<RecentCosts>,
    /// For the blocking threads that run tasks, whose storage calls are asynchronous.
    errands: Errands,
}

/// What a pipeline is made of.
pub struct PipelineParts {
    /// Rows.
    pub db: Db,
    /// Large things, by content hash.
    pub artifacts: ArtifactStore,
    /// Runs plugins.
    pub plugins: PluginRuntime,
    /// The contests that slates can be for.
    pub contests: Arc<ContestBook>,
    /// What an imported file may be.
    pub catalog: CatalogLimits,
    /// What a job may ask for, and how tasks are cut.
    pub config: PipelineConfig,
    /// Signs results.
    pub signer: Signer,
    /// What is foreseen of the queue.
    pub outlooks: Outlooks,
}

/// A job that can be queued.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The exact specification that every task gets.
    pub spec: Value,
    /// Stages of tasks.
    pub stages: Vec<NewStage>,
    /// What past jobs say that it will cost.
    pub expected: Option<Expected>,
}

impl Pipeline {
    /// A pipeline over the given rooms. Must be called on an asynchronous runtime, which then serves the tasks' storage calls.
    #[must_use]
    pub fn new(parts: PipelineParts) -> Self {
        let PipelineParts { db, artifacts, plugins, contests, catalog, config, signer, outlooks } = parts;
        Self {
            db,
            artifacts,
            plugins,
            contests,
            catalog: Arc::new(catalog),
            config: Arc::new(config),
            signer: Arc::new(signer),
            outlooks,
            recent_costs: Arc::default(),
            errands: Errands::here(),
        }
    }

    /// Makes a specification exact and cuts it into stages of tasks.
    ///
    /// # Errors
    /// What is wrong with it, with the JSON pointer of the field.
    pub async fn plan(&self, team: &TeamId, spec: JobSpec) -> Result<Plan, Problem> {
        let pinned = plan::plan(self, team, spec).await?;
        let stages = stages::stages(&pinned);
        let expected = estimate::expected(self, team, &pinned, &stages).await;
        let spec = serde_json::to_value(&pinned)
            .map_err(|error| Problem::internal(format!("The plan could not be written: {error}.")))?;
        Ok(Plan { spec, stages, expected })
    }

    /// What past jobs say that a plan will cost that was made before; nothing where another version made it.
    pub async fn expected(&self, team: &TeamId, plan: &Value, stages: &[NewStage]) -> Option<Expected> {
        let pinned = read_plan::<PinnedSpec>(plan).ok()?;
        estimate::expected(self, team, &pinned, stages).await
    }

    /// Makes the plan of a job that has a result into that of its replay.
    ///
    /// # Errors
    /// `no-record` where its result does not say what its components made, `foreign-plan` where another version planned it.
    pub fn replay(&self, job: &JobId, plan: &Value, result: &Value) -> Result<Value, Problem> {
        record::record_of(result).ok_or_else(|| record::no_record(job))?;
        let mut pinned = read_plan::<PinnedSpec>(plan)?;
        pinned.replays = Some(job.clone());
        serde_json::to_value(&pinned)
            .map_err(|error| Problem::internal(format!("The plan could not be written: {error}.")))
    }

    /// Says what a job would do and cost, without making one.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub async fn preview(&self, team: &TeamId, spec: JobSpec) -> Result<JobPreview, Problem> {
        preview::preview(self, team, spec).await
    }

    /// A plugin's code, on a thread that may block: it is compiled where the compiled code is in no cache.
    async fn load(&self, hash: &str) -> Result<LoadedPlugin, Problem> {
        let Self { plugins, artifacts, errands, .. } = self.clone();
        let hash = hash.to_owned();
        let loading = tokio::task::spawn_blocking(move || {
            plugins.load(&hash, || {
                let name: ArtifactHash = hash.parse().map_err(|error: InvalidHash| error.to_string())?;
                errands.run(async move { artifacts.get(&name).await }).map_err(|error| error.to_string())
            })
        });
        let loaded = loading.await.map_err(|_| Problem::internal("Loading a plugin ended unexpectedly."))?;
        loaded.map_err(|failure| failure.to_problem())
    }

    fn contest(&self, key: &str) -> Result<&Contest, Problem> {
        self.contests.get(key).ok_or_else(|| {
            let detail = format!("The slate is of the contest `{key}`, which this server does not know.");
            Problem::new(
                "unknown-contest",
                "The contest is not known",
                detail,
                "Import the slate again for a contest of GET /v1/contests.",
            )
        })
    }
}

impl TaskRunner for Pipeline {
    fn run(&self, context: &TaskContext, claimed: &ClaimedTask) -> Result<TaskOutput, TaskFailure> {
        let spec: PinnedSpec = read(&claimed.spec)?;
        let task = Task::begin(self, context, claimed, &spec);
        let done = run_task(&task, read(&claimed.input)?);
        if let Err(TaskFailure::Fatal(problem)) = &done {
            misbehaviour::note_blamed(&task, problem);
        }
        done
    }
}

fn run_task(task: &Task<'_>, input: TaskInput) -> Result<TaskOutput, TaskFailure> {
    match input {
        TaskInput::FitChain { fit, chain } => fit::run_chain(task, fit, chain)?.into_output(),
        TaskInput::AssemblePosterior { fit } => posterior::assemble(task, fit)?.into_output(),
        TaskInput::Forecast { forecast } => forecast::run_forecast(task, forecast)?.into_output(),
        TaskInput::SimulateBlock { simulation, block, scenarios } => {
            simulate::run_block(task, simulation, block, scenarios)?.into_output()
        }
        TaskInput::ChooseLineups => choose::run(task)?.into_output(),
        TaskInput::ShadowChain { fit, chain } => shadow::run_chain(task, fit, chain),
        TaskInput::ShadowPosterior { fit } => shadow::assemble(task, fit),
        TaskInput::ShadowForecast { forecast } => shadow::run_forecast(task, forecast),
        TaskInput::ShadowDraws { block } => shadow::draw_scenarios(task, block),
        TaskInput::ShadowScenarios { constraint, block } => shadow::judge_scenarios(task, constraint, block),
        TaskInput::ShadowLineups { constraint } => shadow::judge_lineups(task, constraint),
        TaskInput::Report => report::report(task),
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, TaskFailure> {
    Ok(read_plan(value)?)
}

fn read_plan<T: DeserializeOwned>(value: &Value) -> Result<T, Problem> {
    T::deserialize(value).map_err(|error| {
        Problem::new(
            "foreign-plan",
            "The job was planned by another version",
            format!("Its plan cannot be read: {error}."),
            "Submit the job again.",
        )
    })
}
