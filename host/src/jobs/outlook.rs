//! The outlook of live jobs: reads the queue and what past jobs took, and has it played forward.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::Row as _;
use tokio::sync::Mutex;

use super::{
    claim::{parse_id, small},
    error::JobsError,
    fleet,
    forecast::{self, Job, Outlook, Queue, Stage, Team},
    limits::JobsConfig,
    prospect::{Known, SeenQueue},
    recent::Recent,
    task_times::TaskTimes,
};
use crate::{
    db::{Connection, Db, Row},
    domain::{
        ids::{JobId, TeamId},
        job::JobKind,
    },
};

/// Rows of stages that an outlook reads; a longer queue has none.
const STAGES_MAX: usize = 50_000;
/// Outlooks are kept for so many times as long as they took to make: looking ahead never takes more than a tenth of the time.
pub(super) const KEPT_TIMES: u32 = 9;
/// Where outlooks took longer than this, nobody waits for new ones because of one job that the old ones do not have.
pub(super) const QUICK: Duration = Duration::from_millis(5);
/// Quick outlooks older than this are not shown to anybody.
const QUICK_STALE_MAX: Duration = Duration::from_secs(1);
/// Outlooks older than this are not shown to anybody.
const STALE_MAX: Duration = Duration::from_secs(10);
/// A stage's own speed says nothing before this share of it is done.
const SHARE_SEEN_MIN: f64 = 0.02;

/// Outlooks of live jobs.
pub type OutlookMap = HashMap<JobId, Outlook>;

/// Outlooks of all live jobs, made when somebody asks and kept for moments. Clones share them.
#[derive(Debug, Clone)]
pub struct Outlooks(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) db: Db,
    pub(super) running_per_team_max: u32,
    kept: Mutex<Option<Kept>>,
    pub(super) seen: Mutex<Option<SeenQueue>>,
    pub(super) known: Recent<(TeamId, JobKind), Arc<Known>>,
}

#[derive(Debug, Clone)]
struct Kept {
    outlooks: Arc<OutlookMap>,
    made: Instant,
    /// How long that took.
    cost: Duration,
    /// Somebody is making new ones.
    is_being_renewed: bool,
}

impl Outlooks {
    /// Outlooks of the jobs in this database, as workers with these settings will claim them.
    #[must_use]
    pub fn new(db: Db, config: &JobsConfig) -> Self {
        let running_per_team_max = match config.running_per_team_max {
            0 => u32::MAX,
            most => most,
        };
        Self(Arc::new(Inner {
            db,
            running_per_team_max,
            kept: Mutex::new(None),
            seen: Mutex::new(None),
            known: Recent::default(),
        }))
    }

    /// The outlooks of all live jobs. Those of `jobs` are among them, except of a job that has ended or, where the queue is so long
    /// that looking ahead takes a while, of one that has just come.
    ///
    /// # Errors
    /// [`JobsError::Db`] where the database fails.
    pub async fn of(&self, jobs: &[JobId]) -> Result<Arc<OutlookMap>, JobsError> {
        // Held while they are made for somebody who waits: who comes meanwhile waits for these instead of making others.
        let mut kept = self.0.kept.lock().await;
        match kept.as_mut().filter(|kept| kept.can_be_shown_for(jobs)) {
            Some(found) => {
                // In the background: a busy machine would make a wait of it, and the last ones are moments old.
                if found.is_due() && !std::mem::replace(&mut found.is_being_renewed, true) {
                    tokio::spawn(self.clone().renew());
                }
                Ok(found.outlooks.clone())
            }
            None => Ok(kept.insert(self.0.make().await?).outlooks.clone()),
        }
    }

    async fn renew(self) {
        let made = self.0.make().await;
        let mut kept = self.0.kept.lock().await;
        match made {
            Ok(made) => *kept = Some(made),
            Err(error) => {
                tracing::warn!(error = %error, "the queue could not be read to look ahead, what was foreseen before stands");
                kept.iter_mut().for_each(|kept| kept.is_being_renewed = false);
            }
        }
    }
}

impl Kept {
    /// Whether to show these to somebody who asks for `jobs`.
    fn can_be_shown_for(&self, jobs: &[JobId]) -> bool {
        let is_quick = self.cost <= QUICK;
        let has_all = || jobs.iter().all(|job| self.outlooks.contains_key(job));
        self.made.elapsed() < if is_quick { QUICK_STALE_MAX } else { STALE_MAX } && (!is_quick || has_all())
    }

    /// Whether it is time for new ones.
    fn is_due(&self) -> bool {
        self.made.elapsed() >= self.cost * KEPT_TIMES
    }
}

impl Inner {
    async fn make(&self) -> Result<Kept, JobsError> {
        let started = Instant::now();
        let outlooks = Arc::new(self.look().await?);
        let made = Instant::now();
        Ok(Kept { outlooks, made, cost: made - started, is_being_renewed: false })
    }

    async fn look(&self) -> Result<OutlookMap, JobsError> {
        let Some(Live { ids, queue, .. }) = self.live().await? else { return Ok(OutlookMap::new()) };
        Ok(ids.into_iter().zip(play(queue).await).collect())
    }

    /// The queue as it is now; `None` where it is too long to look ahead.
    pub(super) async fn live(&self) -> Result<Option<Live>, JobsError> {
        let mut snapshot = self.db.snapshot().await?;
        let read = read(&mut snapshot, self.running_per_team_max, STAGES_MAX).await?;
        snapshot.rollback().await?;
        Ok(read)
    }
}

/// Up to ten milliseconds of work: not on a thread that answers requests.
pub(super) async fn play(queue: Queue) -> Vec<Outlook> {
    tokio::task::spawn_blocking(move || forecast::outlooks(&queue)).await.unwrap_or_default()
}

const LIVE: &str = "
    SELECT jobs.id, jobs.team_id, jobs.kind, jobs.state AS job_state, stages.name, stages.weight, stages.tasks_total,
        stages.tasks_done, stages.progress, stages.state, (SELECT now_us FROM clock) AS now_us,
        CASE WHEN stages.state = 'open' THEN (
            SELECT COUNT(*) FROM tasks
            WHERE tasks.job_id = jobs.id AND tasks.stage = stages.ordinal AND tasks.state = 'running') ELSE 0 END AS running,
        CASE WHEN stages.state = 'open' THEN (
            SELECT MIN(attempts.started_us) FROM attempts
            WHERE attempts.job_id = jobs.id AND attempts.started_us >= stages.opened_us) END AS claimed_us
    FROM jobs JOIN stages ON stages.job_id = jobs.id
    WHERE jobs.state IN ('queued', 'running') AND jobs.cancel_requested_us IS NULL AND stages.state IN ('open', 'waiting')
    ORDER BY jobs.team_id, jobs.priority DESC, jobs.created_us, jobs.id, stages.ordinal LIMIT $1";

/// The live part of the queue, with what it was made from.
#[derive(Debug)]
pub(super) struct Live {
    /// Live jobs.
    pub(super) ids: Vec<JobId>,
    /// The queue that they make, in the same order.
    pub(super) queue: Queue,
    /// Indexes of the queue's teams.
    pub(super) teams: HashMap<String, usize>,
}

/// The live jobs and the queue that they make; `None` where they have more than `stages_max` stages to go.
pub(super) async fn read(
    snapshot: &mut Connection,
    running_max: u32,
    stages_max: usize,
) -> Result<Option<Live>, JobsError> {
    let rows = sqlx::query(LIVE).bind(stages_max as i64 + 1).fetch_all(&mut *snapshot).await?;
    if rows.len() > stages_max {
        return Ok(None);
    }
    let times = TaskTimes::read(snapshot).await?;
    let (indexes, teams) = read_teams(snapshot, running_max).await?;
    let mut queue = Queue { workers: small(fleet::workers(snapshot).await?), teams, jobs: Vec::new() };
    let mut ids: Vec<JobId> = Vec::new();
    for row in &rows {
        let id: JobId = parse_id(row, "id", "jobs.id")?;
        let team: &str = row.try_get("team_id")?;
        if ids.last() != Some(&id) {
            let Some(&team) = indexes.get(team) else { continue };
            let is_queued = row.try_get::<&str, _>("job_state")? == "queued";
            queue.jobs.push(Job { team, is_queued, stages: Vec::new() });
            ids.push(id);
        }
        if let Some(job) = queue.jobs.last_mut() {
            job.stages.push(read_stage(row, &times)?);
        }
    }
    Ok(Some(Live { ids, queue, teams: indexes }))
}

const TEAMS: &str = "
    SELECT id, weight, running_tasks_max, (SELECT now_us FROM clock) - last_claim_us AS waited_us FROM teams
    WHERE id IN (SELECT team_id FROM jobs WHERE state IN ('queued', 'running')) ORDER BY id";
const TEAM: &str = "
    SELECT id, weight, running_tasks_max, (SELECT now_us FROM clock) - last_claim_us AS waited_us FROM teams WHERE id = $1";

async fn read_teams(
    snapshot: &mut Connection,
    running_max: u32,
) -> Result<(HashMap<String, usize>, Vec<Team>), JobsError> {
    let rows = sqlx::query(TEAMS).fetch_all(&mut *snapshot).await?;
    let (mut indexes, mut teams) = (HashMap::new(), Vec::new());
    for row in &rows {
        indexes.insert(row.try_get("id")?, teams.len());
        teams.push(read_team(row, running_max)?);
    }
    Ok((indexes, teams))
}

/// One team, whether it has live jobs or not.
pub(super) async fn team(connection: &mut Connection, running_max: u32, team: &TeamId) -> Result<Team, JobsError> {
    let row = sqlx::query(TEAM).bind(team.as_str()).fetch_optional(&mut *connection).await?;
    read_team(&row.ok_or_else(|| JobsError::UnknownTeam(team.clone()))?, running_max)
}

fn read_team(row: &Row, running_max: u32) -> Result<Team, JobsError> {
    Ok(Team {
        weight: row.try_get::<i64, _>("weight")? as f64,
        waited_s: row.try_get::<i64, _>("waited_us")? as f64 / 1e6,
        running_max: row.try_get::<Option<i64>, _>("running_tasks_max")?.map_or(running_max, small),
    })
}

fn read_stage(row: &Row, times: &TaskTimes) -> Result<Stage, JobsError> {
    let (team, kind, name): (&str, &str, &str) = (row.try_get("team_id")?, row.try_get("kind")?, row.try_get("name")?);
    let total = small(row.try_get("tasks_total")?);
    let done = small(row.try_get("tasks_done")?);
    let running = small(row.try_get("running")?);
    let unclaimed = total.saturating_sub(done + running);
    let progress: f64 = row.try_get("progress")?;
    // What the tasks that run have done; those that wait for another attempt may have done something too, which is forgotten here.
    let rest = if running == 0 { 1.0 } else { 1.0 - (progress - f64::from(done)).max(0.0) / f64::from(running) };
    let weight: f64 = row.try_get("weight")?;
    let expected = times.of(team, kind, name).map(|pace| pace.times(weight / f64::from(total.max(1))));
    let claimed_us: Option<i64> = row.try_get("claimed_us")?;
    let now_us: i64 = row.try_get("now_us")?;
    let elapsed_s = claimed_us.map(|claimed_us| (now_us - claimed_us) as f64 / 1e6);
    let pace =
        match elapsed_s.filter(|elapsed_s| *elapsed_s > 0.0 && progress / f64::from(total.max(1)) >= SHARE_SEEN_MIN) {
            None => expected,
            Some(elapsed_s) => {
                // As many tasks at a time as now: a stage keeps its workers for the most part.
                let seen_s = elapsed_s * f64::from(running.max(1)) / progress;
                let share = progress / f64::from(total.max(1));
                Some(expected.unwrap_or(super::pace::Pace::first(seen_s)).seen(seen_s, share))
            }
        };
    Ok(Stage { unclaimed, running, rest: rest.clamp(0.0, 1.0), pace })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(cost: Duration, age: Duration) -> (Kept, JobId) {
        let job = JobId::random();
        let outlook = Outlook { position: Some(1), begins_s: None, ends_s: None, runs_s: None };
        let outlooks = Arc::new(HashMap::from([(job.clone(), outlook)]));
        (Kept { outlooks, made: Instant::now() - age, cost, is_being_renewed: false }, job)
    }

    #[test]
    fn quick_outlooks_are_made_for_every_new_job_and_slow_ones_are_not() {
        let new = JobId::random();
        let (quick, job) = kept(QUICK, Duration::ZERO);
        assert!(quick.can_be_shown_for(&[job]) && !quick.can_be_shown_for(std::slice::from_ref(&new)));
        let (slow, job) = kept(QUICK * 100, Duration::ZERO);
        assert!(slow.can_be_shown_for(&[job, new]));
    }

    #[test]
    fn outlooks_are_shown_for_a_while_after_new_ones_are_due() {
        let cost = Duration::from_millis(1);
        let (fresh, job) = kept(cost, Duration::ZERO);
        assert!(!fresh.is_due() && fresh.can_be_shown_for(&[job]));
        let (due, job) = kept(cost, cost * KEPT_TIMES);
        assert!(due.is_due() && due.can_be_shown_for(&[job]));
        let (stale, job) = kept(cost, QUICK_STALE_MAX);
        assert!(!stale.can_be_shown_for(&[job]));
        let (slow, job) = kept(QUICK * 2, QUICK_STALE_MAX);
        assert!(slow.can_be_shown_for(&[job]));
        let (slow, job) = kept(QUICK * 2, STALE_MAX);
        assert!(!slow.can_be_shown_for(&[job]));
    }
}
