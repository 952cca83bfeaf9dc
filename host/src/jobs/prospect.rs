//! What would become of a job that nobody has submitted yet: how long it would wait, and how long it would run.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    claim::small,
    error::JobsError,
    fleet,
    forecast::{Job, Outlook, Queue, Span, Stage, Team},
    outlook::{self, KEPT_TIMES, Live, Outlooks, QUICK},
    submit::NewStage,
    task_times::TaskTimes,
};
use crate::{
    db::Connection,
    domain::{ids::TeamId, job::JobKind},
};

/// A job that somebody thinks of submitting.
#[derive(Debug, Clone, Copy)]
pub struct Newcomer<'a> {
    /// Whose job it would be.
    pub team: &'a TeamId,
    /// What it would do.
    pub kind: JobKind,
    /// Its stages.
    pub stages: &'a [NewStage],
}

/// What is foreseen for it, or why nothing is.
#[derive(Debug, Clone, PartialEq)]
pub struct Prospect {
    /// Until its first task would be claimed.
    pub begins_s: Result<Span, &'static str>,
    /// From there to its end.
    pub runs_s: Result<Span, &'static str>,
    /// Jobs that the least known of its stages was learned from.
    pub jobs: u32,
}

/// What is known of a team's jobs of a kind, and of who runs them.
#[derive(Debug)]
pub(super) struct Known {
    times: TaskTimes,
    workers: u32,
}

impl Known {
    async fn read(connection: &mut Connection, newcomer: Newcomer<'_>) -> Result<Self, JobsError> {
        let times = TaskTimes::of_kind(connection, newcomer.team, newcomer.kind).await?;
        Ok(Self { times, workers: small(fleet::workers(connection).await?) })
    }
}

/// The queue as somebody saw it who thought of submitting.
#[derive(Debug, Clone)]
pub(super) struct SeenQueue {
    live: Option<Arc<Live>>,
    at: Instant,
    /// How long it took to read.
    cost: Duration,
}

impl SeenQueue {
    /// Whether it is worth another look: reading a long queue never takes more than a tenth of the time.
    fn is_due(&self) -> bool {
        self.cost <= QUICK || self.at.elapsed() >= self.cost * KEPT_TIMES
    }
}

impl Outlooks {
    /// What would become of the job behind all that is queued now.
    ///
    /// # Errors
    /// [`JobsError::Db`] where the database fails.
    pub async fn of_newcomer(&self, newcomer: Newcomer<'_>) -> Result<Prospect, JobsError> {
        let mut connection = self.0.db.read().acquire().await?;
        let known = Known::read(&mut connection, newcomer).await?;
        let own = outlook::team(&mut connection, self.0.running_per_team_max, newcomer.team).await?;
        drop(connection);
        let alone = self.play_alone(newcomer, &known).await;
        if alone.runs_s.is_err() {
            return Ok(alone);
        }
        let Some(live) = self.seen_queue().await? else {
            return Ok(Prospect { begins_s: Err("the queue is too long to look ahead"), ..alone });
        };
        let mut queue = live.queue.clone();
        let team = live.teams.get(newcomer.team.as_str()).copied().unwrap_or_else(|| {
            queue.teams.push(own);
            queue.teams.len() - 1
        });
        queue.jobs.push(Job { team, is_queued: true, stages: stages(newcomer, &known.times) });
        match outlook::play(queue).await.pop() {
            Some(Outlook { begins_s: Some(begins_s), runs_s: Some(runs_s), .. }) => {
                Ok(Prospect { begins_s: Ok(begins_s), runs_s: Ok(runs_s), jobs: alone.jobs })
            }
            _ => Ok(Prospect { begins_s: Err("it is not known how long the jobs before it take"), ..alone }),
        }
    }

    async fn seen_queue(&self) -> Result<Option<Arc<Live>>, JobsError> {
        // Held while it is read, as the outlooks are while they are made.
        let mut seen = self.0.seen.lock().await;
        if let Some(seen) = seen.as_ref().filter(|seen| !seen.is_due()) {
            return Ok(seen.live.clone());
        }
        let started = Instant::now();
        let live = self.0.live().await?.map(Arc::new);
        let at = Instant::now();
        Ok(seen.insert(SeenQueue { live, at, cost: at - started }).live.clone())
    }

    /// What would become of the job if it had the fleet for itself: the same however full the queue is, and cheap, for what was known of such jobs a
    /// moment ago serves again.
    ///
    /// # Errors
    /// As [`Outlooks::of_newcomer`].
    pub async fn alone(&self, newcomer: Newcomer<'_>) -> Result<Prospect, JobsError> {
        let question = (newcomer.team.clone(), newcomer.kind);
        let known = match self.0.known.get(&question) {
            Some(known) => known,
            None => {
                let mut connection = self.0.db.read().acquire().await?;
                self.0.known.keep(question, Arc::new(Known::read(&mut connection, newcomer).await?))
            }
        };
        Ok(self.play_alone(newcomer, &known).await)
    }

    async fn play_alone(&self, newcomer: Newcomer<'_>, known: &Known) -> Prospect {
        let Known { times, workers } = known;
        let stages = stages(newcomer, times);
        let unknown = |reason| Prospect { begins_s: Err(reason), runs_s: Err(reason), jobs: 0 };
        let Some(jobs) = stages.iter().map(|stage| stage.pace.map(|pace| pace.jobs)).min().flatten() else {
            return unknown("no job of this kind has shown yet how long its stages take");
        };
        if *workers == 0 {
            return unknown("no worker is there to run it");
        }
        let team = Team { weight: 1.0, waited_s: 0.0, running_max: self.0.running_per_team_max };
        let queue =
            Queue { workers: *workers, teams: vec![team], jobs: vec![Job { team: 0, is_queued: true, stages }] };
        match outlook::play(queue).await.pop() {
            Some(Outlook { begins_s: Some(begins_s), runs_s: Some(runs_s), .. }) => {
                Prospect { begins_s: Ok(begins_s), runs_s: Ok(runs_s), jobs }
            }
            _ => unknown("the job has too many tasks to look ahead"),
        }
    }
}

fn stages(newcomer: Newcomer<'_>, times: &TaskTimes) -> Vec<Stage> {
    let stage = |stage: &NewStage| {
        let pace = times.of(newcomer.team.as_str(), newcomer.kind.as_str(), &stage.name);
        let tasks = u32::try_from(stage.tasks.len()).unwrap_or(u32::MAX);
        let pace = pace.map(|pace| pace.times(stage.weight / f64::from(tasks.max(1))));
        Stage { unclaimed: tasks, running: 0, rest: 1.0, pace }
    };
    newcomer.stages.iter().map(stage).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_quickly_read_is_read_every_time_and_a_long_one_now_and_then() {
        let seen = |cost: Duration, age: Duration| SeenQueue { live: None, at: Instant::now() - age, cost };
        assert!(seen(QUICK, Duration::ZERO).is_due());
        assert!(!seen(QUICK * 2, Duration::ZERO).is_due());
        assert!(seen(QUICK * 2, QUICK * 2 * KEPT_TIMES).is_due());
    }
}
