//! Submitting and the order of stages.

use serde_json::json;

use crate::{
    domain::{
        ids::{JobId, TeamId},
        job::{Component, ComponentStatus, JobState},
    },
    jobs::{
        JobsError, NewJob, TASKS_PER_JOB_MAX, cancel,
        finish::Verdict,
        query,
        state::StageState,
        submit,
        tests::store::{Store, component, result_of},
    },
};

async fn jobs_stored(store: &Store) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM jobs").fetch_one(store.db.read()).await.unwrap()
}

pub(in crate::jobs::tests) async fn a_plan_that_breaks_a_rule_is_refused_and_stores_nothing(store: Store) {
    let twice = {
        let mut job = store.plan(&[1, 1]);
        job.stages[1].name = job.stages[0].name.clone();
        job
    };
    let weightless = {
        let mut job = store.plan(&[1]);
        job.stages[0].weight = f64::NAN;
        job
    };
    let plans: Vec<NewJob> = vec![
        store.plan(&[]),
        store.plan(&[2]),
        store.plan(&[0, 1]),
        store.plan(&[TASKS_PER_JOB_MAX, 1]),
        twice,
        weightless,
    ];
    for plan in plans {
        let refused = submit::submit(&store.db, plan).await;
        assert!(matches!(refused, Err(JobsError::InvalidPlan(_))), "{refused:?}");
    }
    assert_eq!(jobs_stored(&store).await, 0);
    store.submit(&[TASKS_PER_JOB_MAX - 1, 1]).await;
}

pub(in crate::jobs::tests) async fn a_job_of_an_unknown_team_is_refused_and_stores_nothing(store: Store) {
    let plan = NewJob { team: TeamId::random(), ..store.plan(&[1]) };
    let refused = submit::submit(&store.db, plan).await;
    assert!(matches!(refused, Err(JobsError::UnknownTeam(_))), "{refused:?}");
    assert_eq!(jobs_stored(&store).await, 0);
}

pub(in crate::jobs::tests) async fn an_unknown_job_is_an_error_that_names_it(store: Store) {
    let id = JobId::random();
    let named = |error: JobsError| matches!(error, JobsError::UnknownJob(named) if named == id);
    assert!(named(query::get(&store.db, &id).await.unwrap_err()));
    assert!(named(query::result(&store.db, &id).await.unwrap_err()));
    assert!(named(cancel::cancel(&store.db, &id).await.unwrap_err()));
}

pub(in crate::jobs::tests) async fn a_stage_opens_with_the_last_output_of_the_stage_before(store: Store) {
    let job = store.submit(&[2, 1]).await;
    let first = store.claim_lease().await;
    let second = store.claim_lease().await;
    assert_eq!((first.stage, second.stage), (0, 0));
    assert!(store.claim().await.is_none(), "the second stage must wait");

    store.record(&first, Verdict::Done(json!(1))).await;
    assert!(store.claim().await.is_none(), "one output is missing");
    store.record(&second, Verdict::Done(json!(2))).await;
    let states: Vec<_> = store.job(&job).await.stages.iter().map(|stage| (stage.state, stage.tasks_done)).collect();
    assert_eq!(states, [(StageState::Succeeded, 2), (StageState::Open, 0)]);

    let last = store.claim_lease().await;
    assert_eq!(last.stage, 1);
    store.record(&last, Verdict::Done(result_of(json!({ "answer": 42 })))).await;
    let found = query::result(&store.db, &job).await.unwrap();
    assert_eq!((found.state, found.result), (JobState::Succeeded, Some(json!({ "answer": 42 }))));
}

pub(in crate::jobs::tests) async fn older_jobs_are_claimed_first_and_tasks_in_order(store: Store) {
    let jobs = [store.submit(&[2, 1]).await, store.submit(&[1]).await];
    // The clock has steps of a millisecond, so the two may be of the same age.
    let mut tx = store.db.write().await.unwrap();
    sqlx::query("UPDATE tasks SET job_created_us = job_created_us - 1000 WHERE job_id = $1")
        .bind(jobs[0].as_str())
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut claimed = Vec::new();
    while let Some(claim) = store.claim().await {
        let position: i64 = sqlx::query_scalar("SELECT position FROM tasks WHERE id = $1")
            .bind(claim.lease.task.as_str())
            .fetch_one(store.db.read())
            .await
            .unwrap();
        claimed.push((claim.lease.job, position));
    }
    assert_eq!(claimed, [(jobs[0].clone(), 0), (jobs[0].clone(), 1), (jobs[1].clone(), 0)]);
}

pub(in crate::jobs::tests) async fn a_result_with_a_degraded_component_is_partial(store: Store) {
    let job = store.submit(&[1]).await;
    let parts = [component("calibration", ComponentStatus::Ok), component("validation", ComponentStatus::Degraded)];
    let lease = store.claim_lease().await;
    store.record(&lease, Verdict::Done(json!({ "result": 1, "components": parts }))).await;
    let row = store.job(&job).await;
    assert_eq!((row.state, row.progress, row.components.as_slice()), (JobState::Partial, 1.0, parts.as_slice()));
}

pub(in crate::jobs::tests) async fn what_ran_beside_a_result_and_failed_leaves_the_job_as_it_is(store: Store) {
    let job = store.submit(&[1]).await;
    let beside = Component { is_beside: true, ..component("shadow:rule@2.0.0", ComponentStatus::Failed) };
    let parts = [component("calibration", ComponentStatus::Ok), beside];
    let lease = store.claim_lease().await;
    store.record(&lease, Verdict::Done(json!({ "result": 1, "components": parts }))).await;
    let row = store.job(&job).await;
    assert_eq!((row.state, row.components.as_slice()), (JobState::Succeeded, parts.as_slice()));
}

pub(in crate::jobs::tests) async fn a_final_output_that_is_no_result_fails_the_job(store: Store) {
    let job = store.submit(&[1]).await;
    let lease = store.claim_lease().await;
    store.record(&lease, Verdict::Done(json!({ "answer": 42 }))).await;
    let row = store.job(&job).await;
    assert_eq!((row.state, row.problem.unwrap().code.as_str()), (JobState::Failed, "internal-error"));
}

pub(in crate::jobs::tests) async fn an_output_past_the_size_limit_fails_the_job_with_the_limit(store: Store) {
    let job = store.submit(&[1]).await;
    let lease = store.claim_lease().await;
    let huge = "x".repeat(crate::jobs::limits::OUTPUT_BYTES_MAX);
    store.record(&lease, Verdict::Done(result_of(json!(huge)))).await;
    let problem = store.job(&job).await.problem.unwrap();
    assert_eq!((problem.code.as_str(), problem.limit.is_some()), ("output-too-large", true));
}
