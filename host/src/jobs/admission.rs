//! Jobs that would do again what is being done. Asked in the transaction that would store them, so that nobody slips in between.

use std::collections::HashMap;

use serde_json::{Value, json};
use sqlx::Row as _;

use super::{claim::parse_id, error::JobsError, submit::NewJob};
use crate::{
    db::WriteTx,
    domain::ids::{JobId, TeamId},
};

/// The newest live job of each plan comes last.
const TWINS: &str = "
    SELECT jobs.team_id, jobs.plan_hash, jobs.id FROM json_each($1) AS item CROSS JOIN jobs
    WHERE jobs.team_id = item.value ->> 'team' AND jobs.plan_hash = item.value ->> 'plan'
        AND jobs.state IN ('queued', 'running')
    ORDER BY jobs.created_us, jobs.id DESC";

/// By team and plan, the live jobs that would do what one of these would; the caller takes turns with the teams' other submitters.
pub(super) async fn live_twins_in(
    tx: &mut WriteTx,
    jobs: impl IntoIterator<Item = &NewJob>,
) -> Result<HashMap<(TeamId, String), JobId>, JobsError> {
    let plans = jobs.into_iter().map(|job| json!({ "team": job.team, "plan": job.plan_hash() }));
    let plans: Vec<Value> = plans.collect();
    let mut twins = HashMap::new();
    if !plans.is_empty() {
        let rows = sqlx::query(TWINS).bind(Value::Array(plans).to_string()).fetch_all(&mut **tx).await?;
        for row in &rows {
            let plan = (parse_id(row, "team_id", "jobs.team_id")?, row.try_get("plan_hash")?);
            twins.insert(plan, parse_id(row, "id", "jobs.id")?);
        }
    }
    Ok(twins)
}

/// A job of the same team that would do the same and has not ended.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn live_twin_in(tx: &mut WriteTx, job: &NewJob) -> Result<Option<JobId>, JobsError> {
    tx.take_turns(job.team.as_str()).await?;
    Ok(live_twins_in(tx, [job]).await?.into_values().next())
}
