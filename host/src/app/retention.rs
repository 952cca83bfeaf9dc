//! Deletes what is old and what nobody needs, round after round. Of the nodes of a fleet, one does each round.

use std::{collections::HashSet, time::Duration};

use anyhow::Result;

use crate::{
    auth, catalog,
    config::Config,
    db::{
        Db,
        artifacts::{ArtifactHash, ArtifactStore},
        chores,
        sweep::{ARTIFACTS_PER_PAGE, Orphans, Unheld},
    },
    domain::ids::JobId,
    jobs::retention::{self, RetentionConfig, Unless},
};

/// Names of the chores.
const PRUNING: &str = "prune";
const FILES: &str = "prune files";
/// Pause before the first round of a process, at most: a service that restarts often prunes all the same.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// Jobs that are looked up together.
const JOBS_PER_PAGE: u32 = 100;

/// What deletes.
pub struct Pruner {
    db: Db,
    artifacts: ArtifactStore,
    config: RetentionConfig,
    idempotency_valid_s: u64,
}

/// What a round has deleted, or would delete.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// Jobs, with everything that belongs to them.
    pub jobs: u64,
    /// Events of other jobs.
    pub events: u64,
    /// Idempotency keys.
    pub idempotency_keys: u64,
    /// Artifacts that nobody names.
    pub artifacts: u64,
    /// Their size.
    pub artifact_bytes: u64,
    /// Files of artifacts without a row, left by a crash; `None` where nobody looked.
    pub files: Option<u64>,
    /// Their size.
    pub file_bytes: u64,
}

/// Whether a round goes through all files of the artifact store as well, which costs a request per thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Rows, and the files that they name.
    Rows,
    /// Every file too.
    Files,
}

impl Pruner {
    /// A pruner over an open database and store.
    #[must_use]
    pub fn new(db: Db, artifacts: ArtifactStore, config: &Config) -> Self {
        let idempotency_valid_s = config.api.idempotency_valid_s;
        Self { db, artifacts, config: config.retention.clone(), idempotency_valid_s }
    }

    /// Prunes again and again, in turns with the other nodes, until it is dropped.
    pub async fn run(self) {
        tokio::time::sleep(self.config.interval().min(FIRST_PAUSE)).await;
        loop {
            match self.round_if_due().await {
                Ok(Some(pruned)) if pruned != Pruned::default() => tracing::info!(
                    jobs = pruned.jobs,
                    events = pruned.events,
                    artifacts = pruned.artifacts,
                    artifact.bytes = pruned.artifact_bytes,
                    "pruned"
                ),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = %format!("{error:#}"), "pruning broke off, the rest goes next time")
                }
            }
            tokio::time::sleep(self.config.interval()).await;
        }
    }

    async fn round_if_due(&self) -> Result<Option<Pruned>> {
        if !chores::begin(&self.db, PRUNING, self.config.interval()).await? {
            return Ok(None);
        }
        let files_interval = Duration::from_secs(self.config.files_interval_s.max(1));
        let is_deep = chores::begin(&self.db, FILES, files_interval).await?;
        let depth = if is_deep { Depth::Files } else { Depth::Rows };
        self.round(self.db.now_us().await?, depth).await.map(Some)
    }

    /// Deletes what is old at `now_us`. Any number of processes may do so at the same time.
    ///
    /// # Errors
    /// Where the database or the artifact store fails; the rest goes the next time.
    pub async fn round(&self, now_us: i64, depth: Depth) -> Result<Pruned> {
        let mut pruned = Pruned { jobs: self.prune_jobs(now_us).await?, ..Pruned::default() };
        if let Some(before_us) = self.config.events_before_us(now_us) {
            pruned.events = retention::prune_events(&self.db, before_us).await?;
        }
        pruned.idempotency_keys = auth::idempotency::prune(&self.db, now_us, self.idempotency_valid_s).await?;
        retention::mark_ended(&self.db).await?;
        let mut unused = self.unused(now_us).await?;
        while let Some(page) = unused.next(self).await? {
            for artifact in page {
                if self.artifacts.condemn(&artifact.hash, now_us).await? {
                    pruned.artifacts += 1;
                    pruned.artifact_bytes += artifact.size_bytes;
                }
            }
        }
        if depth == Depth::Files {
            let (files, bytes) = self.artifacts.orphans(now_us, Orphans::Condemn).await?;
            (pruned.files, pruned.file_bytes) = (Some(files as u64), bytes);
            self.artifacts.delete_drafts(now_us).await?;
        }
        self.artifacts.delete_condemned().await?;
        self.artifacts.forget_gone(now_us).await?;
        Ok(pruned)
    }

    /// What [`Self::round`] would delete, with all files. Changes nothing.
    ///
    /// # Errors
    /// Where the database or the artifact store fails.
    pub async fn survey(&self, now_us: i64) -> Result<Pruned> {
        let mut found = Pruned::default();
        let mut last = None;
        while let Some(page) = self.old_jobs(now_us, last.as_ref()).await? {
            found.jobs += page.len() as u64;
            last = page.last().cloned();
        }
        if let Some(before_us) = self.config.events_before_us(now_us) {
            found.events = retention::count_old_events(&self.db, before_us).await?;
        }
        found.idempotency_keys = auth::idempotency::count_old(&self.db, now_us, self.idempotency_valid_s).await?;
        let mut unused = self.unused(now_us).await?;
        while let Some(page) = unused.next(self).await? {
            found.artifacts += page.len() as u64;
            found.artifact_bytes += page.iter().map(|artifact| artifact.size_bytes).sum::<u64>();
        }
        let (files, bytes) = self.artifacts.orphans(now_us, Orphans::Count).await?;
        (found.files, found.file_bytes) = (Some(files as u64), bytes);
        Ok(found)
    }

    async fn prune_jobs(&self, now_us: i64) -> Result<u64> {
        let (mut pruned, mut last) = (0, None);
        while let Some(page) = self.old_jobs(now_us, last.as_ref()).await? {
            for job in &page {
                let is_gone = retention::delete_job(&self.db, job, Unless::Kept, self.artifacts.hold_us()).await?;
                pruned += u64::from(is_gone);
            }
            last = page.last().cloned();
        }
        Ok(pruned)
    }

    async fn old_jobs(&self, now_us: i64, after: Option<&JobId>) -> Result<Option<Vec<JobId>>> {
        let Some(before_us) = self.config.jobs_before_us(now_us) else { return Ok(None) };
        let page = retention::old_jobs(&self.db, before_us, after, JOBS_PER_PAGE).await?;
        Ok(Some(page).filter(|page| !page.is_empty()))
    }

    /// The artifacts that may go. What live jobs name is read once, before the first artifact is looked at: what they name later
    /// they have just stored, which holds it, or they had named it before.
    async fn unused(&self, now_us: i64) -> Result<Unused> {
        Ok(Unused { now_us, named: retention::live_mentions(&self.db).await?, last: None, is_done: false })
    }
}

/// A walk over the artifacts that nobody names.
struct Unused {
    now_us: i64,
    named: HashSet<ArtifactHash>,
    last: Option<ArtifactHash>,
    is_done: bool,
}

impl Unused {
    /// The next page; `None` after the last one.
    async fn next(&mut self, pruner: &Pruner) -> Result<Option<Vec<Unheld>>> {
        if self.is_done {
            return Ok(None);
        }
        let mut page = pruner.artifacts.unheld(self.now_us, self.last.as_ref()).await?;
        self.is_done = page.len() < ARTIFACTS_PER_PAGE;
        self.last = page.last().map(|artifact| artifact.hash.clone());
        let asked: Vec<ArtifactHash> = page.iter().map(|artifact| artifact.hash.clone()).collect();
        let of_jobs = retention::artifacts_in_use(&pruner.db, &asked).await?;
        let of_the_catalog = catalog::artifacts_in_use(&pruner.db, &asked).await?;
        let is_used =
            |hash: &ArtifactHash| [&self.named, &of_jobs, &of_the_catalog].iter().any(|used| used.contains(hash));
        page.retain(|artifact| !is_used(&artifact.hash));
        Ok(Some(page))
    }
}
