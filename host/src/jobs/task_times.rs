//! Learning what tasks take from the jobs that have ended well: a small table, brought up to date by the workers now and then.
//! Nothing waits for it, and a job that it misses is only a job less to learn from.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;
use sqlx::Row as _;

use super::{claim::small, error::JobsError, events::EventKind, pace::Pace};
use crate::{
    db::{Connection, Db, Row, WriteTx},
    domain::{
        ids::TeamId,
        job::{JobKind, JobState},
    },
};

/// Events that one round looks at, the newest ones: so many jobs say enough, however many there were.
pub(super) const EVENTS_PER_ROUND_MAX: i64 = 5_000;
/// Shortest time that counts, in seconds: the clock has steps of a millisecond.
const SECONDS_MIN: f64 = 0.000_5;
/// Stands for all teams together.
const EVERYBODY: &str = "";

/// What a kind of task is told by: team, job kind, stage.
type Key = (String, String, String);

const MARKS: &str = "
    SELECT task_times_mark.sequence, (SELECT COALESCE(MAX(events.sequence), 0) FROM events) AS newest FROM task_times_mark";
const SET_MARK: &str = "UPDATE task_times_mark SET sequence = $1";

/// Learns from the jobs that have ended since the last time, whoever did it then, as far as they are in the newest `events_max`
/// events. Returns how many times of stages it has learned from, those for a team and those for everybody.
pub(super) async fn learn(db: &Db, events_max: i64) -> Result<usize, JobsError> {
    let row = sqlx::query(MARKS).fetch_one(db.read()).await?;
    if row.try_get::<i64, _>("sequence")? == row.try_get::<i64, _>("newest")? {
        return Ok(0);
    }
    let mut tx = db.write().await?;
    // Another process may be about to learn from the same jobs.
    tx.take_turns("task-times").await?;
    let row = sqlx::query(MARKS).fetch_one(&mut *tx).await?;
    let (mark, newest): (i64, i64) = (row.try_get("sequence")?, row.try_get("newest")?);
    let seen = observed(&mut tx, mark.max(newest - events_max), newest).await?;
    let count = seen.values().map(Vec::len).sum();
    for (key, seconds) in seen {
        let known = stored(&mut tx, &key).await?;
        let learned = seconds
            .into_iter()
            .fold(known, |pace, seconds| Some(pace.map_or(Pace::first(seconds), |pace| pace.learn(seconds))));
        if let Some(pace) = learned {
            store(&mut tx, &key, pace).await?;
        }
    }
    sqlx::query(SET_MARK).bind(newest).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(count)
}

/// The time of a stage is that of all attempts at its tasks, those that were lost included: it is what such a stage costs.
const OBSERVED: &str = "
    SELECT jobs.team_id, jobs.kind, stages.name, stages.weight,
        CAST(SUM(attempts.finished_us - attempts.started_us) AS BIGINT) AS busy_us
    FROM events
    JOIN jobs ON jobs.id = events.job_id
    JOIN stages ON stages.job_id = jobs.id
    JOIN tasks ON tasks.job_id = stages.job_id AND tasks.stage = stages.ordinal
    JOIN attempts ON attempts.task_id = tasks.id
    WHERE events.sequence > $1 AND events.sequence <= $2 AND events.kind = $3 AND events.data IN ($4, $5)
        AND attempts.finished_us IS NOT NULL
    GROUP BY events.sequence, stages.ordinal, jobs.team_id, jobs.kind, stages.name, stages.weight
    ORDER BY events.sequence, stages.ordinal";

/// Seconds per unit of weight, in the order in which the jobs ended, for each team and for everybody.
async fn observed(tx: &mut WriteTx, after: i64, until: i64) -> Result<BTreeMap<Key, Vec<f64>>, JobsError> {
    let ended = |state: JobState| json!({ "state": state }).to_string();
    let rows = sqlx::query(OBSERVED)
        .bind(after)
        .bind(until)
        .bind(EventKind::State.as_str())
        .bind(ended(JobState::Succeeded))
        .bind(ended(JobState::Partial))
        .fetch_all(&mut **tx)
        .await?;
    let mut seen: BTreeMap<Key, Vec<f64>> = BTreeMap::new();
    for row in &rows {
        let (team, kind, stage): (String, String, String) =
            (row.try_get("team_id")?, row.try_get("kind")?, row.try_get("name")?);
        let weight: f64 = row.try_get("weight")?;
        let seconds = (row.try_get::<i64, _>("busy_us")? as f64 / 1e6).max(SECONDS_MIN) / weight;
        for team in [team, EVERYBODY.to_owned()] {
            seen.entry((team, kind.clone(), stage.clone())).or_default().push(seconds);
        }
    }
    Ok(seen)
}

const STORED: &str = "
    SELECT log_mean, log_variance, jobs FROM task_times WHERE team_id = $1 AND kind = $2 AND stage = $3";

async fn stored(tx: &mut WriteTx, (team, kind, stage): &Key) -> Result<Option<Pace>, JobsError> {
    let row = sqlx::query(STORED).bind(team).bind(kind).bind(stage).fetch_optional(&mut **tx).await?;
    row.as_ref().map(read_pace).transpose()
}

const STORE: &str = "
    INSERT INTO task_times (team_id, kind, stage, log_mean, log_variance, jobs) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (team_id, kind, stage)
    DO UPDATE SET log_mean = excluded.log_mean, log_variance = excluded.log_variance, jobs = excluded.jobs";

async fn store(tx: &mut WriteTx, (team, kind, stage): &Key, pace: Pace) -> Result<(), JobsError> {
    sqlx::query(STORE)
        .bind(team)
        .bind(kind)
        .bind(stage)
        .bind(pace.log_mean)
        .bind(pace.log_variance)
        .bind(i64::from(pace.jobs))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn read_pace(row: &Row) -> Result<Pace, JobsError> {
    let (log_mean, log_variance) = (row.try_get("log_mean")?, row.try_get("log_variance")?);
    Ok(Pace { log_mean, log_variance, jobs: small(row.try_get("jobs")?) })
}

/// What is known of tasks.
#[derive(Debug, Default)]
pub(super) struct TaskTimes(HashMap<Key, Pace>);

const KNOWN: &str = "
    SELECT team_id, kind, stage, log_mean, log_variance, jobs FROM task_times
    WHERE team_id = '' OR team_id IN (SELECT team_id FROM jobs WHERE state IN ('queued', 'running'))";

const OF_KIND: &str = "
    SELECT team_id, kind, stage, log_mean, log_variance, jobs FROM task_times WHERE team_id IN ('', $1) AND kind = $2";

impl TaskTimes {
    /// Everything that is known of the teams with live jobs.
    pub(super) async fn read(snapshot: &mut Connection) -> Result<Self, JobsError> {
        Self::of_rows(&sqlx::query(KNOWN).fetch_all(&mut *snapshot).await?)
    }

    /// What is known of a team's jobs of a kind.
    pub(super) async fn of_kind(connection: &mut Connection, team: &TeamId, kind: JobKind) -> Result<Self, JobsError> {
        let rows = sqlx::query(OF_KIND).bind(team.as_str()).bind(kind.as_str()).fetch_all(&mut *connection).await?;
        Self::of_rows(&rows)
    }

    fn of_rows(rows: &[Row]) -> Result<Self, JobsError> {
        let paces = rows.iter().map(|row| {
            let key = (row.try_get("team_id")?, row.try_get("kind")?, row.try_get("stage")?);
            Ok((key, read_pace(row)?))
        });
        paces.collect::<Result<_, JobsError>>().map(Self)
    }

    /// Time per unit of weight: the team's own experience where it has some, and everybody's.
    pub(super) fn of(&self, team: &str, kind: &str, stage: &str) -> Option<Pace> {
        let of = |team: &str| self.0.get(&(team.to_owned(), kind.to_owned(), stage.to_owned())).copied();
        match (of(team), of(EVERYBODY)) {
            (Some(own), Some(everybody)) => Some(own.drawn_to(everybody)),
            (own, everybody) => own.or(everybody),
        }
    }
}
