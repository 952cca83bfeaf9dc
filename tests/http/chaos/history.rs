//! What the rows tell of a story after its end: who had which lease when, how each job ended, and how much of it each team had.

use std::{cmp::Ordering, collections::HashMap};

use paddock::db::{Db, DbConfig};
use serde_json::Value;
use sqlx::{Row as _, any::AnyRow};

use super::{TEAMS, WORKERS};

/// Which part of the contested claims must have gone to the team whose turn it was. Not all, because on PostgreSQL a task of another
/// node may end between a claim's count and its record. With equal weights in place of the teams' own, 0.58 to 0.66 were measured.
const FAIR_MIN: f64 = 0.8;
/// Longer than a commit takes on a busy machine: what a transaction has written is seen by a claim only after that.
const COMMIT_US: i64 = 100_000;
/// Fewer claims than this say nothing about shares.
const CONTESTED_MIN: usize = 20;

/// One claim of a task, and what became of it.
struct Attempt {
    task_id: String,
    team: String,
    lease_epoch: i64,
    /// When the task's stage was opened.
    opened_us: i64,
    started_us: i64,
    finished_us: Option<i64>,
    outcome: String,
}

/// The rows, each task's attempts in the order of their epochs and each job's steps in the order of their events.
pub struct History {
    jobs: Vec<(String, String)>,
    attempts: Vec<Attempt>,
    /// Job, and the event's data with the state that it came to.
    steps: Vec<(String, String)>,
    open_tasks: i64,
}

const JOBS: &str = "SELECT id, state FROM jobs";
const ATTEMPTS: &str = "
    SELECT attempts.task_id, teams.name AS team, attempts.lease_epoch, stages.opened_us, attempts.started_us,
        attempts.finished_us, attempts.outcome
    FROM attempts
    JOIN tasks ON tasks.id = attempts.task_id
    JOIN stages ON stages.job_id = tasks.job_id AND stages.ordinal = tasks.stage
    JOIN jobs ON jobs.id = attempts.job_id
    JOIN teams ON teams.id = jobs.team_id
    ORDER BY attempts.task_id, attempts.lease_epoch";
const STEPS: &str = "SELECT job_id, data FROM events WHERE kind = 'state' ORDER BY sequence";
const OPEN_TASKS: &str = "SELECT COUNT(*) FROM tasks WHERE state IN ('ready', 'running', 'waiting')";

impl History {
    pub async fn read(config: &DbConfig) -> Self {
        let db = Db::open_beside(config).await.unwrap();
        let history = Self {
            jobs: sqlx::query_as(JOBS).fetch_all(db.read()).await.unwrap(),
            attempts: sqlx::query(ATTEMPTS).fetch_all(db.read()).await.unwrap().iter().map(Attempt::from_row).collect(),
            steps: sqlx::query_as(STEPS).fetch_all(db.read()).await.unwrap(),
            open_tasks: sqlx::query_scalar(OPEN_TASKS).fetch_one(db.read()).await.unwrap(),
        };
        db.close().await;
        history
    }

    pub fn count_jobs(&self) -> usize {
        self.jobs.len()
    }

    pub fn has_ended(&self, id: &str) -> bool {
        self.jobs.iter().any(|(job, state)| job == id && is_terminal(state))
    }

    pub fn count_retried(&self) -> usize {
        self.attempts.iter().filter(|attempt| attempt.outcome == "retried").count()
    }

    /// Each job began once and ended once, in the state that its row has, and nothing of it is left open.
    pub fn check_endings(&self) {
        assert_eq!(self.open_tasks, 0, "tasks were left open");
        let endless = self.attempts.iter().filter(|attempt| attempt.finished_us.is_none()).count();
        assert_eq!(endless, 0, "attempts never ended");
        let mut steps: HashMap<&str, Vec<String>> = HashMap::new();
        for (id, data) in &self.steps {
            let data: Value = serde_json::from_str(data).unwrap();
            steps.entry(id).or_default().push(data["state"].as_str().unwrap().to_owned());
        }
        for (id, state) in &self.jobs {
            let steps = &steps[id.as_str()];
            let endings = steps.iter().filter(|state| is_terminal(state)).count();
            assert_eq!((endings, steps.last()), (1, Some(state)), "{id}: {steps:?}");
            assert_eq!(steps.iter().filter(|state| *state == "queued").count(), 1, "{id}: {steps:?}");
        }
    }

    /// Tasks that succeeded twice, or that two workers held at the same time.
    pub fn count_doubled(&self) -> usize {
        self.attempts.chunk_by(|one, next| one.task_id == next.task_id).filter(|attempts| is_doubled(attempts)).count()
    }

    /// How long after the last death before it each lost task was claimed again, sorted, in microseconds.
    pub fn recoveries_us(&self, died_us: &[i64]) -> Vec<i64> {
        let again =
            self.attempts.windows(2).filter(|pair| pair[0].task_id == pair[1].task_id && pair[0].outcome == "lost");
        let since_death = |started: i64| Some(started - *died_us.iter().rev().find(|died| **died <= started)?);
        let mut recoveries: Vec<i64> = again.filter_map(|pair| since_death(pair[1].started_us)).collect();
        recoveries.sort_unstable();
        recoveries
    }

    /// How many claims tasks of both teams waited for, and how many of them the team got that ran the fewest tasks by weight.
    pub fn count_fair_claims(&self) -> FairClaims {
        let teams = TEAMS.map(|(_, weight)| Team { weight: i64::from(weight), running: 0, waiting: 0 });
        let mut claims = FairClaims { contested: 0, fair: 0, teams };
        for same in self.moments().chunk_by(|one, next| (one.0, one.1) == (next.0, next.1)) {
            claims.follow(same[0].1, TEAMS.map(|(name, _)| same.iter().filter(|moment| moment.2 == name).count()));
        }
        claims
    }

    /// What changes the counts of the teams' tasks, in the order in which it happened.
    fn moments(&self) -> Vec<(i64, Change, &str)> {
        let mut moments = Vec::with_capacity(3 * self.attempts.len());
        for (index, attempt) in self.attempts.iter().enumerate() {
            let before = index.checked_sub(1).map(|before| &self.attempts[before]);
            let waits_from_us = match before.filter(|before| before.task_id == attempt.task_id) {
                None => (attempt.opened_us + COMMIT_US).min(attempt.started_us),
                // After a failure it pauses; the rows do not tell how long, but it was over by then.
                Some(before) if before.outcome == "retried" => attempt.started_us,
                Some(before) => (before.finished_us.unwrap() + COMMIT_US).min(attempt.started_us),
            };
            moments.push((waits_from_us, Change::Waits, attempt.team.as_str()));
            moments.push((attempt.started_us, Change::Starts, attempt.team.as_str()));
            moments.push((attempt.finished_us.unwrap(), Change::Ends, attempt.team.as_str()));
        }
        moments.sort_unstable();
        moments
    }
}

impl Attempt {
    fn from_row(row: &AnyRow) -> Self {
        Self {
            task_id: row.get("task_id"),
            team: row.get("team"),
            lease_epoch: row.get("lease_epoch"),
            opened_us: row.get("opened_us"),
            started_us: row.get("started_us"),
            finished_us: row.get("finished_us"),
            outcome: row.get("outcome"),
        }
    }
}

/// What happens to a task, first what makes room where it is the same moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Ends,
    Waits,
    Starts,
}

/// Claims for which tasks of both teams waited.
pub struct FairClaims {
    pub contested: usize,
    pub fair: usize,
    teams: [Team; 2],
}

impl FairClaims {
    /// Fails where too few of the claims were fair.
    pub fn check(&self) {
        let Self { contested, fair, .. } = *self;
        assert!(contested >= CONTESTED_MIN, "both teams waited for {contested} claims only, with {WORKERS} workers");
        let is_enough = fair as f64 >= FAIR_MIN * contested as f64;
        assert!(is_enough, "{fair} of {contested} claims went to the team whose turn it was");
    }

    /// What happens at the same moment to so many tasks of each team.
    fn follow(&mut self, change: Change, mut tasks: [usize; 2]) {
        let counted = self.teams.iter_mut().zip(tasks);
        match change {
            Change::Ends => counted.for_each(|(team, tasks)| team.running -= tasks as i64),
            Change::Waits => counted.for_each(|(team, tasks)| team.waiting += tasks as i64),
            // Claims of one moment are one transaction, which gives one worker after the other.
            Change::Starts => {
                while tasks != [0, 0] {
                    let of = |team: &usize| tasks[*team] > 0;
                    let by_use = |one: &usize, other: &usize| self.teams[*one].cmp_use(&self.teams[*other]);
                    let team = (0..2).filter(of).min_by(by_use).unwrap();
                    tasks[team] -= 1;
                    self.start(team);
                }
            }
        }
    }

    fn start(&mut self, team: usize) {
        if self.teams.iter().all(|team| team.waiting > 0) {
            self.contested += 1;
            self.fair += usize::from(self.teams[team].cmp_use(&self.teams[1 - team]).is_le());
        }
        self.teams[team].waiting -= 1;
        self.teams[team].running += 1;
    }
}

/// A team's weight and tasks.
struct Team {
    weight: i64,
    running: i64,
    waiting: i64,
}

impl Team {
    /// Compares what the teams use of their shares.
    fn cmp_use(&self, other: &Self) -> Ordering {
        (self.running * other.weight).cmp(&(other.running * self.weight))
    }
}

fn is_terminal(state: &str) -> bool {
    !["queued", "running"].contains(&state)
}

/// `attempts` are those of one task. An epoch that is missing was claimed by nobody knows whom.
fn is_doubled(attempts: &[Attempt]) -> bool {
    let succeeded = attempts.iter().filter(|attempt| attempt.outcome == "succeeded").count();
    let overlap =
        attempts.windows(2).any(|pair| pair[0].finished_us.is_none_or(|finished| pair[1].started_us < finished));
    let has_gap = attempts.iter().zip(1..).any(|(attempt, epoch)| attempt.lease_epoch != epoch);
    succeeded > 1 || overlap || has_gap
}
