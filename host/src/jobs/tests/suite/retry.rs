//! Failing, trying again, running out of time.

use serde_json::json;

use crate::{
    domain::job::JobState,
    jobs::{
        JobsConfig,
        finish::Verdict,
        reconcile,
        state::{AttemptOutcome, StageState},
        submit,
        tests::store::{Store, load_one, patient, problem, result_of, try_record},
    },
};

fn retry() -> Verdict {
    Verdict::Retry { problem: problem("The disk was full."), roll: 0.0 }
}

pub(in crate::jobs::tests) async fn a_task_may_fail_one_time_less_than_the_limit(store: Store) {
    let config = JobsConfig { attempts_max: 3, ..patient() };
    let job = store.submit(&[1]).await;
    for attempt in 1..=2 {
        let lease = store.claim_lease().await;
        assert_eq!(load_one(&store.db, &lease).await.task.attempt, attempt);
        try_record(&store.db, &config, &lease, retry()).await.unwrap();
    }
    store.finish_all().await;
    let row = store.job(&job).await;
    assert_eq!(row.state, JobState::Succeeded);
    assert!(row.failed_attempts.iter().all(|attempt| attempt.outcome == AttemptOutcome::Retried));
    assert_eq!(row.failed_attempts.len(), 2);
}

pub(in crate::jobs::tests) async fn a_task_that_fails_as_often_as_allowed_fails_its_job_with_the_history(store: Store) {
    let config = JobsConfig { attempts_max: 2, ..patient() };
    let job = store.submit(&[1]).await;
    for _ in 1..=2 {
        let lease = store.claim_lease().await;
        try_record(&store.db, &config, &lease, retry()).await.unwrap();
    }
    let row = store.job(&job).await;
    let problem = row.problem.unwrap();
    assert_eq!((row.state, problem.code.as_str()), (JobState::Failed, "test-problem"));
    assert_eq!(problem.detail, "The disk was full. This was attempt 2 of 2.");
    let outcomes: Vec<_> = row.failed_attempts.iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [AttemptOutcome::Failed, AttemptOutcome::Retried]);
}

pub(in crate::jobs::tests) async fn a_retry_waits_for_its_pause(store: Store) {
    let config = JobsConfig { retry_backoff_ms: 3_600_000, retry_backoff_ms_max: 3_600_000, ..patient() };
    store.submit(&[1]).await;
    let lease = store.claim_lease().await;
    try_record(&store.db, &config, &lease, retry()).await.unwrap();
    assert!(store.claim().await.is_none());
    let left_us: i64 = sqlx::query_scalar("SELECT not_before_us - (SELECT now_us FROM clock) FROM tasks")
        .fetch_one(store.db.read())
        .await
        .unwrap();
    // Half an hour to an hour, less what the test itself took.
    assert!((1_700_000_000..=3_600_000_000).contains(&left_us), "{left_us}");
}

pub(in crate::jobs::tests) async fn a_fatal_failure_ends_the_job_and_all_its_tasks(store: Store) {
    let job = store.submit(&[3, 1]).await;
    let failing = store.claim_lease().await;
    let other = store.claim_lease().await;
    store.record(&failing, Verdict::Fatal(problem("It broke."))).await;
    let row = store.job(&job).await;
    assert_eq!((row.state, row.problem), (JobState::Failed, Some(problem("It broke."))));
    let states: Vec<_> = row.stages.iter().map(|stage| stage.state).collect();
    assert_eq!(states, [StageState::Failed, StageState::Cancelled]);
    assert!(store.claim().await.is_none());
    let late = try_record(&store.db, &patient(), &other, Verdict::Done(json!(1))).await;
    assert!(late.is_err(), "the other task's lease ended with the job");
    assert_eq!(store.terminal_events(&job).await, 1);
}

pub(in crate::jobs::tests) async fn a_release_counts_no_attempt(store: Store) {
    let config = JobsConfig { attempts_max: 1, ..patient() };
    let job = store.submit(&[1]).await;
    for _ in 0..5 {
        let lease = store.claim_lease().await;
        assert_eq!(load_one(&store.db, &lease).await.task.attempt, 1);
        try_record(&store.db, &config, &lease, Verdict::Released).await.unwrap();
    }
    store.finish_all().await;
    assert_eq!(store.job(&job).await.state, JobState::Succeeded);
}

pub(in crate::jobs::tests) async fn a_deadline_counts_from_the_first_claim(store: Store) {
    let mut plan = store.plan(&[1, 1]);
    plan.deadline_s = Some(100);
    let job = submit::submit(&store.db, plan).await.unwrap();
    assert_eq!(reconcile::round(&store.db, &patient()).await.unwrap(), reconcile::Round::default());
    let claim = store.claim().await.unwrap();
    let left_us = claim.deadline_in_us.unwrap();
    assert!((90_000_000..=100_000_000).contains(&left_us), "{left_us}");

    store.record(&claim.lease, Verdict::Deadline).await;
    let row = store.job(&job).await;
    let problem = row.problem.unwrap();
    assert_eq!((row.state, problem.code.as_str()), (JobState::Failed, "deadline-exceeded"));
    assert_eq!(problem.limit.as_deref(), Some("100 s"));
    assert_eq!(row.failed_attempts[0].outcome, AttemptOutcome::Deadline);
}

pub(in crate::jobs::tests) async fn an_overdue_job_that_nobody_runs_is_ended_by_the_reconciler(store: Store) {
    let mut plan = store.plan(&[1]);
    plan.deadline_s = Some(0);
    let job = submit::submit(&store.db, plan).await.unwrap();
    let lease = store.claim_lease().await;
    store.record(&lease, Verdict::Released).await;
    // The deadline has passed once the database's clock has moved on.
    let mut round = reconcile::round(&store.db, &patient()).await.unwrap();
    while round.overdue == 0 {
        round = reconcile::round(&store.db, &patient()).await.unwrap();
    }
    assert_eq!(store.job(&job).await.problem.unwrap().code, "deadline-exceeded");
}

pub(in crate::jobs::tests) async fn a_job_without_anything_left_to_run_does_not_stay_forever(store: Store) {
    let job = store.submit(&[1]).await;
    let mut tx = store.db.write().await.unwrap();
    sqlx::query("UPDATE tasks SET state = 'waiting'").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(reconcile::round(&store.db, &patient()).await.unwrap().stranded, 1);
    assert_eq!(store.job(&job).await.problem.unwrap().code, "internal-error");
    assert_eq!(store.terminal_events(&job).await, 1);
}

pub(in crate::jobs::tests) async fn a_second_ending_changes_nothing(store: Store) {
    let job = store.submit(&[1]).await;
    let lease = store.claim_lease().await;
    store.record(&lease, Verdict::Done(result_of(json!(1)))).await;
    let before = store.job(&job).await;
    for verdict in [Verdict::Done(result_of(json!(2))), Verdict::Fatal(problem("too late")), Verdict::Deadline] {
        assert!(try_record(&store.db, &patient(), &lease, verdict).await.is_err());
    }
    assert_eq!(store.job(&job).await, before);
    assert_eq!(store.terminal_events(&job).await, 1);
}
