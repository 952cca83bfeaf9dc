//! From a request's bytes to a job that can be queued, for whoever submits one: a client, or a schedule that is due.

use super::{error::ApiError, job_requests::JobRequest, limits::ApiConfig, planner::Planner};
use crate::{
    domain::ids::{KeyId, TeamId},
    jobs::NewJob,
};

/// Reads the body of a job's submission and plans it for the team, on the key's behalf. Nothing is stored.
///
/// # Errors
/// What is wrong with the request, with the JSON pointer of the mistake.
pub async fn plan_job(
    planner: &dyn Planner,
    config: &ApiConfig,
    team: &TeamId,
    key: &KeyId,
    body: &[u8],
) -> Result<NewJob, ApiError> {
    let request = JobRequest::read(body, config)?;
    let kind = request.spec.kind();
    let planned = planner.plan(team, request.spec).await?;
    Ok(NewJob {
        team: team.clone(),
        key: Some(key.clone()),
        kind,
        spec: planned.spec,
        name: request.name,
        tags: request.tags,
        stages: planned.stages,
        deadline_s: request.deadline_s,
        priority: request.priority.unwrap_or(0),
        schedule: None,
        expected: planned.expected,
    })
}
