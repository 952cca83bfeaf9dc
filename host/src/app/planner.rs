//! Gives the API the pipeline's plans. The two rooms do not know each other.

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::Value;

use crate::{
    api::{PlannedJob, Planner},
    domain::{
        ids::{JobId, TeamId},
        problem::Problem,
        spec::JobSpec,
    },
    jobs::{NewStage, costs::Expected},
    pipeline::Pipeline,
    results::JobPreview,
};

/// The pipeline as the API sees it.
pub struct PipelinePlanner(pub Pipeline);

impl Planner for PipelinePlanner {
    fn plan<'a>(&'a self, team: &'a TeamId, spec: JobSpec) -> BoxFuture<'a, Result<PlannedJob, Problem>> {
        let planned = async move {
            let plan = self.0.plan(team, spec).await?;
            Ok(PlannedJob { spec: plan.spec, stages: plan.stages, expected: plan.expected })
        };
        planned.boxed()
    }

    fn replay(&self, job: &JobId, plan: &Value, result: &Value) -> Result<Value, Problem> {
        self.0.replay(job, plan, result)
    }

    fn expected<'a>(
        &'a self,
        team: &'a TeamId,
        plan: &'a Value,
        stages: &'a [NewStage],
    ) -> BoxFuture<'a, Option<Expected>> {
        self.0.expected(team, plan, stages).boxed()
    }

    fn preview<'a>(&'a self, team: &'a TeamId, spec: JobSpec) -> BoxFuture<'a, Result<JobPreview, Problem>> {
        self.0.preview(team, spec).boxed()
    }
}
