//! What the API needs of the room that knows job kinds. The API declares it, the pipeline implements it, the app joins them.

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::{
    domain::{
        ids::{JobId, TeamId},
        problem::Problem,
        spec::JobSpec,
    },
    jobs::{NewStage, costs::Expected},
    results::JobPreview,
};

/// A specification that has been checked and made exact, ready to be queued.
#[derive(Debug, Clone)]
pub struct PlannedJob {
    /// The specification as it will run: defaults filled in, plugin versions and content hashes pinned.
    pub spec: Value,
    /// Its stages, in order.
    pub stages: Vec<NewStage>,
    /// What past jobs say that it will cost.
    pub expected: Option<Expected>,
}

/// Checks specifications and says what they would take. Reads, never writes, never queues.
pub trait Planner: Send + Sync + 'static {
    /// Checks `spec` against the catalog, the plugins and the limits, and splits it into stages.
    fn plan<'a>(&'a self, team: &'a TeamId, spec: JobSpec) -> BoxFuture<'a, Result<PlannedJob, Problem>>;

    /// Makes the plan of a job that has a result into that of its replay.
    fn replay(&self, job: &JobId, plan: &Value, result: &Value) -> Result<Value, Problem>;

    /// What past jobs say that a plan will cost that was made before.
    fn expected<'a>(
        &'a self,
        team: &'a TeamId,
        plan: &'a Value,
        stages: &'a [NewStage],
    ) -> BoxFuture<'a, Option<Expected>>;

    /// Checks `spec` like [`Planner::plan`], and adds whether it is feasible, the veto rate of a small sample and an estimate of cost.
    fn preview<'a>(&'a self, team: &'a TeamId, spec: JobSpec) -> BoxFuture<'a, Result<JobPreview, Problem>>;
}
