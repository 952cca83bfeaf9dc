//! Which team gets the next workers: the one that uses the least of its share. Decided here, from what the database counts.

use sqlx::Row as _;

use super::{claim::parse_id, error::JobsError};
use crate::{db::WriteTx, domain::ids::TeamId};

/// A team with tasks that could be claimed.
#[derive(Debug, Clone, PartialEq)]
struct Waiting {
    team: TeamId,
    weight: i64,
    /// Time since it last got a worker, in microseconds.
    waited_us: i64,
    running: i64,
    /// Tasks that could be claimed now, counted up to as many as are wanted.
    ready: i64,
    /// A team that runs this many tasks gets no further one.
    running_max: i64,
}

/// So many tasks for this team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    /// The team.
    pub(super) team: TeamId,
    /// At least one.
    pub(super) tasks: i64,
}

const WAITING: &str = "
    SELECT id, weight, waited_us, running, ready, running_max FROM (
        SELECT teams.id, teams.weight, (SELECT now_us FROM clock) - teams.last_claim_us AS waited_us,
            COALESCE(teams.running_tasks_max, $2) AS running_max,
            (SELECT COUNT(*) FROM tasks WHERE team_id = teams.id AND state = 'running') AS running,
            (SELECT COUNT(*) FROM (
                SELECT 1 FROM tasks WHERE team_id = teams.id AND state = 'ready'
                    AND not_before_us <= (SELECT now_us FROM clock) LIMIT $1) AS counted) AS ready
        FROM teams) AS counts
    WHERE ready > 0";

/// Shares out `wanted` workers; a team that runs as many tasks as the operator allows it, or else `running_per_team_max`, gets
/// none.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub(super) async fn share_out(
    tx: &mut WriteTx,
    wanted: i64,
    running_per_team_max: i64,
) -> Result<Vec<Share>, JobsError> {
    let rows = sqlx::query(WAITING).bind(wanted).bind(running_per_team_max).fetch_all(&mut **tx).await?;
    let mut waiting = Vec::with_capacity(rows.len());
    for row in &rows {
        waiting.push(Waiting {
            team: parse_id(row, "id", "teams.id")?,
            weight: row.try_get("weight")?,
            waited_us: row.try_get("waited_us")?,
            running: row.try_get("running")?,
            ready: row.try_get("ready")?,
            running_max: row.try_get("running_max")?,
        });
    }
    Ok(allot(waiting, wanted))
}

/// One worker after the other, each to the team whose running tasks by weight are fewest. Among equals, the waiting time times the
/// weight decides; that also shares a single worker by weight, where nothing ever runs at the moment of a claim.
fn allot(mut waiting: Vec<Waiting>, wanted: i64) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    for _ in 0..wanted {
        let next = waiting.iter_mut().filter(|team| team.ready > 0 && team.running < team.running_max);
        let Some(next) = next.min_by(|a, b| a.precedence(b)) else { break };
        next.ready -= 1;
        next.running += 1;
        next.waited_us = 0;
        match shares.iter_mut().find(|share| share.team == next.team) {
            Some(share) => share.tasks += 1,
            None => shares.push(Share { team: next.team.clone(), tasks: 1 }),
        }
    }
    shares
}

impl Waiting {
    fn precedence(&self, other: &Self) -> std::cmp::Ordering {
        // Products instead of quotients: exact.
        let used = (i128::from(self.running) * i128::from(other.weight))
            .cmp(&(i128::from(other.running) * i128::from(self.weight)));
        let waited = (i128::from(other.waited_us) * i128::from(other.weight))
            .cmp(&(i128::from(self.waited_us) * i128::from(self.weight)));
        used.then(waited).then_with(|| self.team.as_str().cmp(other.team.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team(weight: i64, running: i64, ready: i64, waited_us: i64) -> Waiting {
        Waiting { team: TeamId::random(), weight, waited_us, running, ready, running_max: i64::MAX }
    }

    fn tasks_of(shares: &[Share], team: &Waiting) -> i64 {
        shares.iter().find(|share| share.team == team.team).map_or(0, |share| share.tasks)
    }

    #[test]
    fn many_workers_at_once_are_shared_by_weight() {
        let (light, heavy) = (team(1, 0, 100, 5), team(3, 0, 100, 5));
        let shares = allot(vec![light.clone(), heavy.clone()], 16);
        assert_eq!((tasks_of(&shares, &light), tasks_of(&shares, &heavy)), (4, 12));
    }

    #[test]
    fn what_a_team_runs_already_counts() {
        let (busy, idle) = (team(1, 4, 100, 0), team(1, 0, 100, 0));
        let shares = allot(vec![busy.clone(), idle.clone()], 6);
        assert_eq!((tasks_of(&shares, &busy), tasks_of(&shares, &idle)), (1, 5));
    }

    #[test]
    fn a_team_gets_no_more_than_it_has_ready_or_may_run_and_the_rest_goes_to_others() {
        let limited = Waiting { running_max: 3, ..team(9, 0, 100, 0) };
        let (few, many) = (team(9, 0, 2, 0), team(1, 0, 100, 0));
        let shares = allot(vec![few.clone(), limited.clone(), many.clone()], 10);
        assert_eq!(tasks_of(&shares, &few), 2);
        assert_eq!((tasks_of(&shares, &limited), tasks_of(&shares, &many)), (3, 5));
    }

    #[test]
    fn one_worker_goes_to_the_team_that_has_waited_longest_for_its_weight() {
        let (recent, patient, heavy) = (team(1, 0, 1, 10), team(1, 0, 1, 40), team(3, 0, 1, 20));
        let shares = allot(vec![recent, patient, heavy.clone()], 1);
        assert_eq!(shares, [Share { team: heavy.team, tasks: 1 }]);
    }
}
