//! What a team may use and has used: unfinished jobs, and CPU time per day. Usage is kept by the transactions that end attempts; what
//! live jobs are expected to use still counts as if it were used.

use serde_json::{Value, json};
use sqlx::Row as _;

use super::{claim::small, error::JobsError};
use crate::{
    db::{Connection, Db, Row, WriteTx},
    domain::ids::{JobId, TeamId},
};

/// Microseconds of a day; days begin at midnight UTC.
const DAY_US: i64 = 86_400_000_000;

/// What teams may use for which the operator has set nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaDefaults {
    /// Jobs that have not ended.
    pub live_jobs_max: u32,
    /// CPU-seconds per day; `None` for no limit.
    pub cpu_s_per_day_max: Option<u32>,
}

/// What a team may use and how much of it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Jobs that have not ended.
    pub live_jobs: u32,
    /// Most of them.
    pub live_jobs_max: u32,
    /// CPU time of attempts that have ended today, in microseconds.
    pub cpu_us: i64,
    /// CPU time that live jobs are expected to use still, in microseconds; 0 where there is no limit.
    pub promised_cpu_us: i64,
    /// Most CPU-seconds per day; `None` for no limit.
    pub cpu_s_max: Option<u32>,
    /// Until the next day begins, in seconds, rounded up.
    pub day_ends_in_s: u64,
}

impl Quota {
    /// Whether the team may submit nothing more before one of its jobs ends.
    #[must_use]
    pub const fn has_too_many_jobs(&self) -> bool {
        self.live_jobs >= self.live_jobs_max
    }

    /// CPU-seconds that are left of today, rounded down; `None` for no limit.
    #[must_use]
    pub fn cpu_s_left(&self) -> Option<u64> {
        let left_us = i64::from(self.cpu_s_max?) * 1_000_000 - self.cpu_us;
        Some(u64::try_from(left_us / 1_000_000).unwrap_or(0))
    }

    /// Whether a job that is expected to use this much CPU time, in microseconds, would not find it today. One of which nothing is
    /// known always would.
    #[must_use]
    pub fn lacks_cpu_for(&self, expected_us: i64) -> bool {
        let taken_us = self.cpu_us.saturating_add(self.promised_cpu_us).saturating_add(expected_us);
        expected_us > 0 && self.cpu_s_max.is_some_and(|most| taken_us > i64::from(most) * 1_000_000)
    }

    /// Whether the team has used up today's CPU-seconds.
    #[must_use]
    pub fn is_out_of_cpu(&self) -> bool {
        self.cpu_s_max.is_some_and(|most| self.cpu_us >= i64::from(most) * 1_000_000)
    }
}

const QUOTA: &str = "
    SELECT teams.live_jobs_max, teams.cpu_s_per_day_max, (SELECT now_us FROM clock) AS now_us,
        (SELECT COUNT(*) FROM jobs WHERE jobs.team_id = teams.id AND jobs.state IN ('queued', 'running')) AS live_jobs,
        COALESCE((SELECT cpu_us FROM team_usage
            WHERE team_usage.team_id = teams.id AND team_usage.day = (SELECT now_us FROM clock) / 86400000000), 0) AS cpu_us,
        CASE WHEN COALESCE(teams.cpu_s_per_day_max, $2) IS NULL THEN 0 ELSE
            (SELECT CAST(COALESCE(SUM(estimated_cpu_us * (1.0 - progress)), 0) AS BIGINT) FROM jobs
            WHERE jobs.team_id = teams.id AND jobs.state IN ('queued', 'running')) END AS promised_cpu_us
    FROM teams WHERE teams.id = $1";

/// The team's quota as it is now.
///
/// # Errors
/// [`JobsError::UnknownTeam`], or [`JobsError::Db`].
pub async fn quota(db: &Db, team: &TeamId, defaults: QuotaDefaults) -> Result<Quota, JobsError> {
    let mut connection = db.read().acquire().await?;
    read(&mut connection, team, defaults).await
}

/// The team's quota, for who submits a job in this transaction: no other submission of the team comes in between.
///
/// # Errors
/// As [`quota`].
pub async fn quota_in(tx: &mut WriteTx, team: &TeamId, defaults: QuotaDefaults) -> Result<Quota, JobsError> {
    tx.take_turns(team.as_str()).await?;
    read(tx, team, defaults).await
}

async fn read(connection: &mut Connection, team: &TeamId, defaults: QuotaDefaults) -> Result<Quota, JobsError> {
    let most = defaults.cpu_s_per_day_max.map(i64::from);
    let row = sqlx::query(QUOTA).bind(team.as_str()).bind(most).fetch_optional(&mut *connection).await?;
    let row = row.ok_or_else(|| JobsError::UnknownTeam(team.clone()))?;
    read_quota(&row, defaults)
}

fn read_quota(row: &Row, defaults: QuotaDefaults) -> Result<Quota, JobsError> {
    let now_us: i64 = row.try_get("now_us")?;
    let own = |column| Ok::<_, JobsError>(row.try_get::<Option<i64>, _>(column)?.map(small));
    let left_us = DAY_US - now_us.rem_euclid(DAY_US);
    Ok(Quota {
        live_jobs: small(row.try_get("live_jobs")?),
        live_jobs_max: own("live_jobs_max")?.unwrap_or(defaults.live_jobs_max),
        cpu_us: row.try_get("cpu_us")?,
        promised_cpu_us: row.try_get("promised_cpu_us")?,
        cpu_s_max: own("cpu_s_per_day_max")?.or(defaults.cpu_s_per_day_max),
        day_ends_in_s: u64::try_from(left_us / 1_000_000).unwrap_or(0) + 1,
    })
}

/// In the order of teams, so that two transactions never wait for each other. The list is the outer loop, see `events::APPEND`.
const CHARGE: &str = "
    INSERT INTO team_usage (team_id, day, cpu_us)
    SELECT jobs.team_id, (SELECT now_us FROM clock) / 86400000000, CAST(SUM(CAST(item.value ->> 'cpu_us' AS BIGINT)) AS BIGINT)
    FROM json_each($1) AS item CROSS JOIN jobs WHERE jobs.id = item.value ->> 'job'
    GROUP BY jobs.team_id ORDER BY jobs.team_id
    ON CONFLICT (team_id, day) DO UPDATE SET cpu_us = team_usage.cpu_us + excluded.cpu_us";

/// Adds what attempts have cost to today's usage of their teams. The last statement of a transaction: a team's row is then locked
/// for the commit only, and no other lock is waited for with it.
pub(super) async fn charge<'a>(
    tx: &mut WriteTx,
    spent: impl IntoIterator<Item = (&'a JobId, i64)>,
) -> Result<(), JobsError> {
    let spent = spent.into_iter().filter(|(_, cpu_us)| *cpu_us > 0);
    let items: Vec<Value> = spent.map(|(job, cpu_us)| json!({ "job": job, "cpu_us": cpu_us })).collect();
    if items.is_empty() {
        return Ok(());
    }
    sqlx::query(CHARGE).bind(Value::Array(items).to_string()).execute(&mut **tx).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota =
        Quota { live_jobs: 0, live_jobs_max: 2, cpu_us: 0, promised_cpu_us: 0, cpu_s_max: Some(10), day_ends_in_s: 1 };

    #[test]
    fn a_quota_ends_at_its_limit_and_not_before() {
        assert!(!Quota { live_jobs: 1, ..QUOTA }.has_too_many_jobs());
        assert!(Quota { live_jobs: 2, ..QUOTA }.has_too_many_jobs());
        let used = |cpu_us| Quota { cpu_us, ..QUOTA };
        assert!(!used(9_999_999).is_out_of_cpu() && used(10_000_000).is_out_of_cpu());
        assert_eq!(
            [used(0), used(9_000_001), used(10_000_000), used(12_000_000)].map(|quota| quota.cpu_s_left()),
            [Some(10), Some(0), Some(0), Some(0)]
        );
        let promised = Quota { cpu_us: 4_000_000, promised_cpu_us: 4_000_000, ..QUOTA };
        assert!(!promised.lacks_cpu_for(2_000_000) && promised.lacks_cpu_for(2_000_001));
        assert!(!Quota { promised_cpu_us: 11_000_000, ..QUOTA }.lacks_cpu_for(0), "a job of which nothing is known");
        let unlimited = Quota { cpu_us: i64::MAX, cpu_s_max: None, ..QUOTA };
        assert!(!unlimited.lacks_cpu_for(1) && !unlimited.is_out_of_cpu() && unlimited.cpu_s_left().is_none());
    }
}
