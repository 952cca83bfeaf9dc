//! What a task works with: its specification, the engine, the plugins and the catalog, and how their failures become its own.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{
    Pipeline,
    columns::ColumnsError,
    outputs::{self, Done},
    pinned::{PinnedPlugin, PinnedRace, PinnedSpec, fingerprint},
    stages::{FIT, POSTERIOR, SHADOW_FIT, SHADOW_POSTERIOR},
};
use crate::{
    catalog::{self, CatalogError, StoredModel},
    db::{Db, artifacts::ArtifactHash},
    domain::{ids::ModelId, interrupt::Interrupt, problem::Problem, race::Race, slate::Slate},
    jobs::{ClaimedTask, LogLevel, TaskContext, TaskFailure},
    plugins::{CallContext, GuestLog, GuestLogLevel, LoadedPlugin, PluginFailure},
};

/// A stage that makes fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FitStage {
    /// Their chains.
    Chains,
    /// Their posteriors.
    Posteriors,
}

/// One attempt at one task.
pub struct Task<'a> {
    /// Where everything else is.
    pub pipeline: &'a Pipeline,
    /// The engine.
    pub context: &'a TaskContext,
    /// The task.
    pub claimed: &'a ClaimedTask,
    /// The job's specification; of a task that runs a candidate, that of the comparison.
    pub spec: &'a PinnedSpec,
    lane: Lane,
    interrupt: Arc<Interrupt>,
    started: Instant,
}

/// Whose outputs a task reads and makes, and whose budget it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// The job's.
    Main,
    /// Those of a candidate beside it, which may have fits of its own.
    Beside { has_fits: bool },
}

impl<'a> Task<'a> {
    /// Begins an attempt.
    pub fn begin(
        pipeline: &'a Pipeline,
        context: &'a TaskContext,
        claimed: &'a ClaimedTask,
        spec: &'a PinnedSpec,
    ) -> Self {
        let interrupt = Arc::clone(context.interrupt());
        Self { pipeline, context, claimed, spec, lane: Lane::Main, interrupt, started: Instant::now() }
    }

    /// The same attempt with the budget of a candidate, on the plan of its comparison.
    pub fn beside(&self, spec: &'a PinnedSpec, has_fits: bool) -> Self {
        let deadline = self.started + Duration::from_secs(self.pipeline.config.shadow_s);
        let interrupt = Arc::new(Interrupt::below(Arc::clone(self.context.interrupt()), deadline));
        Self { spec, lane: Lane::Beside { has_fits }, interrupt, ..*self }
    }

    /// The outputs of an earlier stage, fit or posterior, of the fits that this task works on.
    ///
    /// # Errors
    /// Where the storage fails, or a candidate's fit has failed.
    pub fn fitted<T: DeserializeOwned>(&self, stage: FitStage) -> Result<Vec<Done<T>>, TaskFailure> {
        match (self.lane, stage) {
            (Lane::Beside { has_fits: true }, FitStage::Chains) => {
                outputs::read_attempted(self.context.outputs(SHADOW_FIT)?)
            }
            (Lane::Beside { has_fits: true }, FitStage::Posteriors) => {
                outputs::read_attempted(self.context.outputs(SHADOW_POSTERIOR)?)
            }
            (_, FitStage::Chains) => outputs::read(self.context.outputs(FIT)?),
            (_, FitStage::Posteriors) => outputs::read(self.context.outputs(POSTERIOR)?),
        }
    }

    /// Wall time of this attempt so far, in milliseconds.
    pub fn wall_ms(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * 1e3
    }

    /// The plugin's code, from memory, the cache or its stored component.
    ///
    /// # Errors
    /// Where it cannot be had.
    pub fn load(&self, plugin: &PinnedPlugin) -> Result<LoadedPlugin, TaskFailure> {
        let bytes = || self.artifact(&plugin.hash).map_err(|failure| format!("{failure:?}"));
        Ok(self.pipeline.plugins.load(&plugin.hash, bytes)?)
    }

    /// An artifact's bytes, by the hash that an earlier task or the catalog gave.
    ///
    /// # Errors
    /// Where there is none, or the storage fails.
    pub fn artifact(&self, hash: &str) -> Result<Bytes, TaskFailure> {
        let hash: ArtifactHash =
            hash.parse().map_err(|error| Problem::internal(format!("An artifact has no hash: {error}.")))?;
        self.context.get_artifact(&hash)
    }

    /// What a call into a plugin needs, with `spent` fuel already used up by earlier attempts.
    pub fn call(&self, plugin: &PinnedPlugin, spent: u64) -> (CallContext, GuestLines) {
        let lines = GuestLines { lines: Arc::default(), plugin: plugin.label.clone() };
        let budget = match self.lane {
            Lane::Main => self.pipeline.config.task_fuel,
            Lane::Beside { .. } => self.pipeline.config.shadow_fuel,
        };
        let call = CallContext {
            interrupt: Arc::clone(&self.interrupt),
            fuel: budget.saturating_sub(spent),
            log: Arc::new(lines.clone()),
        };
        (call, lines)
    }

    /// A race of the team, as it was when the job was accepted.
    ///
    /// # Errors
    /// `input-changed` where it was imported again since; else where the database fails.
    pub fn race(&self, pinned: &PinnedRace) -> Result<Race, TaskFailure> {
        let mut races = self.races(std::slice::from_ref(pinned))?;
        races.pop().ok_or_else(|| TaskFailure::fatal(input_changed(&format!("Race {}", pinned.key))))
    }

    /// Races of the team in the order given, as they were when the job was accepted.
    ///
    /// # Errors
    /// As [`Self::race`].
    pub fn races(&self, pinned: &[PinnedRace]) -> Result<Vec<Race>, TaskFailure> {
        let ids: Vec<_> = pinned.iter().map(|race| race.id.clone()).collect();
        let team = self.claimed.team.clone();
        let found = self.errand(|db| async move { catalog::races_by_ids(&db, &team, &ids).await })?;
        if found.len() != pinned.len() {
            return Err(TaskFailure::fatal(input_changed("A race")));
        }
        let changed = found.iter().zip(pinned).find(|(race, pinned)| fingerprint(race) != pinned.hash);
        match changed {
            Some((_, pinned)) => Err(TaskFailure::fatal(input_changed(&format!("Race {}", pinned.key)))),
            None => Ok(found),
        }
    }

    /// The model of the catalog that the job names.
    ///
    /// # Errors
    /// Where the model is gone or the database fails.
    pub fn stored_model(&self, id: &ModelId) -> Result<StoredModel, TaskFailure> {
        let (team, id) = (self.claimed.team.clone(), id.clone());
        Ok(self.errand(|db| async move { catalog::model(&db, &team, &id).await })?)
    }

    /// Has the catalog asked or told something, away from this thread.
    ///
    /// # Errors
    /// As `work`.
    pub fn errand<T: Send + 'static, F>(&self, work: impl FnOnce(Db) -> F) -> Result<T, CatalogError>
    where
        F: Future<Output = Result<T, CatalogError>> + Send + 'static,
    {
        self.pipeline.errands.run(work(self.pipeline.db.clone()))
    }

    /// The slate that the job chooses from, as it was when the job was accepted.
    ///
    /// # Errors
    /// As [`Self::race`].
    pub fn slate(&self) -> Result<Slate, TaskFailure> {
        let pinned = self.spec.slate.as_ref();
        let pinned = pinned.ok_or_else(|| Problem::internal("The job has no slate to choose from."))?;
        let (team, id) = (self.claimed.team.clone(), pinned.id.clone());
        let slate = self.errand(|db| async move { catalog::slate(&db, &team, &id).await })?;
        if fingerprint(&slate) == pinned.hash { Ok(slate) } else { Err(TaskFailure::fatal(input_changed("The slate"))) }
    }
}

fn input_changed(what: &str) -> Problem {
    Problem::new(
        "input-changed",
        "The data changed after the job was accepted",
        format!("{what} was imported again or deleted since."),
        "Submit the job again.",
    )
}

/// A guest's log lines, on their way from the guest's store to the task's log.
#[derive(Clone)]
pub struct GuestLines {
    lines: Arc<Mutex<Vec<(LogLevel, String)>>>,
    plugin: String,
}

impl GuestLines {
    /// Hands the lines over to the task's log.
    pub fn flush(&self, context: &TaskContext) {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
        for (level, line) in lines {
            context.log(level, &format!("{}: {line}", self.plugin));
        }
    }

    fn push(&self, level: LogLevel, line: String) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push((level, line));
    }
}

impl GuestLog for GuestLines {
    fn line(&self, level: GuestLogLevel, message: &str) {
        let level = match level {
            GuestLogLevel::Debug => LogLevel::Debug,
            GuestLogLevel::Info => LogLevel::Info,
            GuestLogLevel::Warn => LogLevel::Warn,
            GuestLogLevel::Error => LogLevel::Error,
        };
        self.push(level, message.to_owned());
    }

    fn dropped(&self, lines: u64) {
        self.push(LogLevel::Warn, format!("{lines} log lines past the limit were dropped"));
    }
}

impl From<PluginFailure> for TaskFailure {
    fn from(failure: PluginFailure) -> Self {
        if failure.is_stop() {
            Self::Stopped
        } else if failure.is_retryable() {
            Self::retry(failure.to_problem())
        } else {
            Self::fatal(failure.to_problem())
        }
    }
}

impl From<CatalogError> for TaskFailure {
    fn from(error: CatalogError) -> Self {
        if error.is_transient() { Self::retry(error.to_problem()) } else { Self::fatal(error.to_problem()) }
    }
}

impl From<ColumnsError> for TaskFailure {
    fn from(error: ColumnsError) -> Self {
        Self::fatal(Problem::internal(format!("An artifact cannot be used: {error}.")))
    }
}
