//! The worker: threads that run tasks one at a time, a heartbeat, a reconciler, and an orderly end.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::{Notify, broadcast::error::RecvError, watch},
    task::AbortHandle,
};

use super::{
    attempt::Recorder,
    batch::Batches,
    dispatch,
    error::JobsError,
    finish::{Outcome, Recorded},
    fleet, heartbeat,
    limits::{BATCH_MAX, JobsConfig, microseconds},
    reconcile,
    runner::TaskRunner,
    running::{RunningTasks, Stop},
    task_times,
};
use crate::{
    db::{Db, Errands, Hint, artifacts::ArtifactStore},
    domain::interrupt::StopReason,
};

/// What the threads of a worker share.
pub(super) struct Shared {
    pub(super) db: Db,
    pub(super) artifacts: ArtifactStore,
    pub(super) runner: Arc<dyn TaskRunner>,
    pub(super) config: JobsConfig,
    pub(super) runtime: Handle,
    /// Where tasks have their input and output done.
    pub(super) errands: Errands,
    pub(super) running: RunningTasks,
    /// Where the outcomes of tasks are written.
    pub(super) recorder: Batches<Outcome, Recorded>,
    /// Something may be claimable.
    pub(super) wake: Notify,
    /// No more claims.
    pub(super) draining: Stop,
    /// Nothing runs any more; heartbeats can stop.
    pub(super) ended: Stop,
}

impl Shared {
    /// When a lease renewed at `sent` must be given up: one heartbeat before the database's end of it, to have time to stop.
    pub(super) fn stop_at(&self, sent: Instant) -> Instant {
        sent + (self.config.lease() - self.config.heartbeat())
    }
}

/// Runs tasks; see [`Worker::start`].
pub struct Worker;

/// A running worker. Dropping it stops it without waiting; [`WorkerHandle::drain`] is the orderly way.
#[must_use = "a worker stops when its handle is dropped"]
pub struct WorkerHandle {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    alive: watch::Receiver<usize>,
    companions: Vec<AbortHandle>,
}

/// How a drain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Tasks that did not stop within the grace. Their leases run out, or the next start rescues them.
    pub abandoned: usize,
}

impl Worker {
    /// Takes over what earlier processes left, then starts to claim and run tasks. Call it on the runtime that is to serve the
    /// database calls; that runtime must outlive the worker.
    ///
    /// # Errors
    /// [`JobsError::Db`] where the database fails, [`JobsError::Thread`] where the machine has no threads left.
    pub async fn start(
        db: Db,
        artifacts: ArtifactStore,
        runner: Arc<dyn TaskRunner>,
        config: JobsConfig,
    ) -> Result<WorkerHandle, JobsError> {
        let rescued = reconcile::recover(&db, &config).await?;
        if rescued > 0 {
            tracing::info!(tasks = rescued, "took over the tasks of an earlier process");
        }
        let recorder = Recorder { db: db.clone(), config: config.clone() };
        let shared = Arc::new(Shared {
            db,
            artifacts,
            runner,
            config,
            runtime: Handle::current(),
            errands: Errands::here(),
            running: RunningTasks::default(),
            recorder: Batches::start(BATCH_MAX, recorder),
            wake: Notify::new(),
            draining: Stop::default(),
            ended: Stop::default(),
        });
        let companions = vec![
            tokio::spawn(pass_on_hints(shared.clone())).abort_handle(),
            tokio::spawn(reconcile_forever(shared.clone())).abort_handle(),
            tokio::spawn(observe_forever(shared.clone())).abort_handle(),
        ];
        let (alive_sender, alive) = watch::channel(0);
        let mut handle = WorkerHandle { shared, threads: Vec::new(), alive, companions };
        handle.start_threads(&alive_sender)?;
        Ok(handle)
    }
}

impl WorkerHandle {
    /// Stops claiming, tells running tasks to stop, gives them back without counting the attempt, and waits for that, at most
    /// for `grace`.
    pub async fn drain(mut self, grace: Duration) -> Drained {
        self.shared.draining.raise();
        self.shared.running.raise_all(StopReason::Draining);
        self.shared.wake.notify_waiters();
        let mut alive = self.alive.clone();
        let ended = tokio::time::timeout(grace, alive.wait_for(|count| *count == 0)).await;
        let abandoned = if ended.is_ok() { 0 } else { *self.alive.borrow() };
        self.shared.ended.raise();
        if abandoned == 0 {
            let threads = std::mem::take(&mut self.threads);
            // The threads have nothing left to do but return; joining still has no place on the runtime.
            let joined =
                tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join())));
            let _ = joined.await;
        }
        self.companions.iter().for_each(AbortHandle::abort);
        // A database that hangs must not hold up the end of the process.
        if !matches!(tokio::time::timeout(LEAVE_TIMEOUT, fleet::leave(&self.shared.db)).await, Ok(Ok(()))) {
            tracing::warn!("forecasts count this process's workers for another minute");
        }
        tracing::info!(abandoned, "the worker has drained");
        Drained { abandoned }
    }

    /// Tasks that run now, in this process.
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared.running.leases().len()
    }

    fn start_threads(&mut self, alive: &watch::Sender<usize>) -> Result<(), JobsError> {
        self.start_thread("heartbeat".to_owned(), heartbeat::renew_until_ended)?;
        self.start_thread("fence".to_owned(), heartbeat::fence_until_ended)?;
        let workers = self.shared.config.worker_count();
        let hatch = dispatch::start(Arc::clone(&self.shared), workers);
        for number in 0..workers {
            let alive = alive.clone();
            alive.send_modify(|count| *count += 1);
            let name = format!("worker-{number}");
            let guard = Alive(alive);
            let hatch = Arc::clone(&hatch);
            self.start_thread(name, move |shared| {
                let _guard = guard;
                shared.config.task_priority.take();
                dispatch::work_until_closed(shared, &hatch);
            })?;
        }
        Ok(())
    }

    fn start_thread(
        &mut self,
        name: String,
        body: impl FnOnce(&Arc<Shared>) + Send + 'static,
    ) -> Result<(), JobsError> {
        let shared = self.shared.clone();
        let thread = thread::Builder::new()
            .name(name.clone())
            .spawn(move || body(&shared))
            .map_err(|source| JobsError::Thread { name, source })?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        self.shared.draining.raise();
        self.shared.running.raise_all(StopReason::Draining);
        self.shared.wake.notify_waiters();
        self.shared.ended.raise();
        self.companions.iter().for_each(AbortHandle::abort);
    }
}

/// Counts a worker thread as alive until it returns, however it does.
struct Alive(watch::Sender<usize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Turns hints about commits into wake-ups and interrupts.
async fn pass_on_hints(shared: Arc<Shared>) {
    let mut hints = shared.db.hints();
    loop {
        match hints.recv().await {
            Ok(Hint::TaskReady) => shared.wake.notify_waiters(),
            Ok(Hint::JobStopping(job)) => shared.running.raise_job(&job, StopReason::Cancelled),
            Ok(Hint::JobChanged(_) | Hint::DeliveryDue) => {}
            // Some hints are lost: look at everything they could have been about.
            Err(RecvError::Lagged(_)) => {
                shared.wake.notify_waiters();
                heartbeat::beat(&shared).await;
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn reconcile_forever(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(shared.config.reconcile_ms.max(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // The first tick comes at once: a start begins with a look at everything.
        ticks.tick().await;
        match reconcile::round(&shared.db, &shared.config).await {
            Ok(round) if round == reconcile::Round::default() => {}
            Ok(round) => tracing::info!(
                rescued = round.rescued,
                overdue = round.overdue,
                stranded = round.stranded,
                "the reconciler moved jobs on"
            ),
            Err(error) => tracing::warn!(error = %error, "the reconciler could not finish its round"),
        }
    }
}

/// Longest time to say that this process claims nothing any more.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause between two notices of this process to those who forecast.
const OBSERVE_PAUSE: Duration = Duration::from_secs(10);

/// Tells what forecasts stand on, and tells of tasks that were claimed and then never heard of.
async fn observe_forever(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(OBSERVE_PAUSE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = observe(&shared).await {
            tracing::warn!(error = %error, "the queue could not be observed, forecasts lag behind");
        }
    }
}

async fn observe(shared: &Shared) -> Result<(), JobsError> {
    fleet::announce(&shared.db, shared.config.worker_count()).await?;
    task_times::learn(&shared.db, task_times::EVENTS_PER_ROUND_MAX).await?;
    // The first heartbeat is due after one pause; the lease runs out after four.
    let unheard = fleet::unheard(&shared.db, 2 * microseconds(shared.config.heartbeat())).await?;
    if unheard > 0 {
        tracing::warn!(tasks = unheard, "tasks were claimed and their workers have not been heard of since");
    }
    Ok(())
}
