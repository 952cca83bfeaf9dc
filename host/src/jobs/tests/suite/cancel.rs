//! Cancelling, in every state a job can be in.

use serde_json::json;

use crate::{
    domain::job::JobState,
    jobs::{
        cancel::{CancelOutcome, cancel},
        finish::Verdict,
        lease::{self, Renewal},
        reconcile,
        state::{AttemptOutcome, StageState},
        tests::store::{Store, patient, problem, result_of, try_record},
    },
};

pub(in crate::jobs::tests) async fn a_queued_job_is_cancelled_at_once(store: Store) {
    let job = store.submit(&[2, 1]).await;
    assert_eq!(cancel(&store.db, &job).await.unwrap(), CancelOutcome::Cancelled);
    let row = store.job(&job).await;
    assert_eq!(row.state, JobState::Cancelled);
    assert!(row.stages.iter().all(|stage| stage.state == StageState::Cancelled));
    assert!(store.claim().await.is_none());
}

pub(in crate::jobs::tests) async fn a_running_job_is_cancelled_when_its_last_task_has_stopped(store: Store) {
    let job = store.submit(&[3, 1]).await;
    let first = store.claim_lease().await;
    let second = store.claim_lease().await;
    assert_eq!(cancel(&store.db, &job).await.unwrap(), CancelOutcome::Requested);
    assert!(store.claim().await.is_none(), "the third task must not start any more");
    let renewals = lease::renew(&store.db, &[first.clone(), second.clone()], 60_000_000).await.unwrap();
    assert_eq!(renewals, [Renewal::Cancelled, Renewal::Cancelled]);

    store.record(&first, Verdict::Cancelled).await;
    let row = store.job(&job).await;
    assert_eq!((row.state, row.cancel_requested), (JobState::Running, true));
    store.record(&second, Verdict::Cancelled).await;
    let row = store.job(&job).await;
    assert_eq!(row.state, JobState::Cancelled);
    assert!(row.failed_attempts.iter().all(|attempt| attempt.outcome == AttemptOutcome::Cancelled));
}

pub(in crate::jobs::tests) async fn cancelling_again_or_too_late_changes_nothing(store: Store) {
    let job = store.submit(&[1]).await;
    let lease = store.claim_lease().await;
    for _ in 0..2 {
        assert_eq!(cancel(&store.db, &job).await.unwrap(), CancelOutcome::Requested);
    }
    store.record(&lease, Verdict::Cancelled).await;
    let ended = CancelOutcome::AlreadyEnded(JobState::Cancelled);
    assert_eq!(cancel(&store.db, &job).await.unwrap(), ended);
    assert_eq!(store.terminal_events(&job).await, 1);

    let finished = store.submit(&[1]).await;
    store.finish_all().await;
    let before = store.job(&finished).await;
    let too_late = CancelOutcome::AlreadyEnded(JobState::Succeeded);
    assert_eq!(cancel(&store.db, &finished).await.unwrap(), too_late);
    assert_eq!(store.job(&finished).await, before);
}

pub(in crate::jobs::tests) async fn an_acknowledged_cancel_wins_over_whatever_the_task_comes_to(store: Store) {
    let verdicts = [
        Verdict::Done(result_of(json!(1))),
        Verdict::Fatal(problem("It broke.")),
        Verdict::Retry { problem: problem("It broke."), roll: 0.0 },
        Verdict::Deadline,
        Verdict::Released,
        Verdict::Lost,
    ];
    for verdict in verdicts {
        let job = store.submit(&[1]).await;
        let lease = store.claim_lease().await;
        assert_eq!(cancel(&store.db, &job).await.unwrap(), CancelOutcome::Requested);
        store.record(&lease, verdict.clone()).await;
        assert_eq!(store.job(&job).await.state, JobState::Cancelled, "{verdict:?}");
    }
}

pub(in crate::jobs::tests) async fn a_job_that_waits_for_its_next_attempt_is_cancelled_at_once(store: Store) {
    let job = store.submit(&[1]).await;
    let lease = store.claim_lease().await;
    store.record(&lease, Verdict::Retry { problem: problem("It broke."), roll: 0.0 }).await;
    assert_eq!(store.job(&job).await.state, JobState::Running);
    assert_eq!(cancel(&store.db, &job).await.unwrap(), CancelOutcome::Cancelled);
}

pub(in crate::jobs::tests) async fn a_cancelled_job_whose_worker_died_is_cancelled_by_the_reconciler(store: Store) {
    let job = store.submit(&[1]).await;
    store.claim_expired().await.unwrap();
    assert_eq!(cancel(&store.db, &job).await.unwrap(), CancelOutcome::Requested);
    reconcile::round(&store.db, &patient()).await.unwrap();
    assert_eq!(store.job(&job).await.state, JobState::Cancelled);
}

pub(in crate::jobs::tests) async fn cancel_and_finish_racing_leave_one_terminal_state(store: Store) {
    let mut outcomes = Vec::new();
    for round in 0..60 {
        let job = store.submit(&[1]).await;
        let lease = store.claim_lease().await;
        let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(2));
        let finishing = tokio::spawn({
            let (db, barrier) = (store.db.clone(), barrier.clone());
            async move {
                barrier.wait().await;
                try_record(&db, &patient(), &lease, Verdict::Done(result_of(json!(round)))).await.unwrap();
            }
        });
        barrier.wait().await;
        let cancelled = cancel(&store.db, &job).await.unwrap();
        finishing.await.unwrap();
        let expected = match cancelled {
            CancelOutcome::AlreadyEnded(state) => state,
            CancelOutcome::Requested | CancelOutcome::Cancelled => JobState::Cancelled,
        };
        assert_eq!(store.job(&job).await.state, expected);
        assert_eq!(store.terminal_events(&job).await, 1);
        outcomes.push(expected);
    }
    assert!(outcomes.iter().all(|state| matches!(state, JobState::Succeeded | JobState::Cancelled)));
}
