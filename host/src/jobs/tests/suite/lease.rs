//! Who may write about a task, and what becomes of tasks whose worker is gone.

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::json;

use crate::{
    domain::job::JobState,
    jobs::{
        JobsConfig, JobsError,
        finish::Verdict,
        lease::{self, Renewal, Report},
        query, reconcile,
        state::AttemptOutcome,
        tests::store::{Store, claim_one, load_one, patient, problem, result_of, terms, try_record},
    },
};

pub(in crate::jobs::tests) async fn a_task_is_claimed_once_however_many_want_it(store: Store) {
    const TASKS: usize = 200;
    store.submit(&[TASKS, 1]).await;
    let claimants: Vec<_> = (0..8)
        .map(|_| {
            let db = store.db.clone();
            tokio::spawn(async move {
                let mut tasks = Vec::new();
                while let Some(claim) = claim_one(&db, &terms(&db, 60_000_000)).await {
                    tasks.push(claim.lease.task);
                }
                tasks
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for claimant in claimants {
        claimed.extend(claimant.await.unwrap());
    }
    assert_eq!(claimed.len(), TASKS);
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), TASKS);
}

pub(in crate::jobs::tests) async fn a_stale_epoch_cannot_write_about_a_reclaimed_task(store: Store) {
    let job = store.submit(&[1]).await;
    let stale = store.claim_expired().await.unwrap().lease;
    assert_eq!(reconcile::round(&store.db, &patient()).await.unwrap().rescued, 1);
    let fresh = store.claim_lease().await;
    assert_eq!((&fresh.task, fresh.epoch), (&stale.task, stale.epoch + 1));

    let verdicts = [
        Verdict::Done(result_of(json!("stale"))),
        Verdict::Fatal(problem("stale")),
        Verdict::Retry { problem: problem("stale"), roll: 0.0 },
        Verdict::Lost,
        Verdict::Cancelled,
        Verdict::Deadline,
        Verdict::Released,
    ];
    for verdict in verdicts {
        let refused = try_record(&store.db, &patient(), &stale, verdict).await;
        assert!(matches!(refused, Err(JobsError::LeaseLost)), "{refused:?}");
    }
    let report = Report { progress: Some((0.9, "stale".to_owned())), lines: vec![("info", "stale".to_owned())] };
    assert!(matches!(lease::report(&store.db, &stale, &report).await, Err(JobsError::LeaseLost)));
    let staged = store.artifacts.stage(Bytes::from_static(b"stale")).await.unwrap();
    assert!(matches!(lease::set_checkpoint(&store.db, &stale, staged).await, Err(JobsError::LeaseLost)));
    assert_eq!(lease::renew(&store.db, std::slice::from_ref(&stale), 1).await.unwrap(), [Renewal::Lost]);

    let row = store.job(&job).await;
    assert_eq!((row.state, row.progress), (JobState::Running, 0.0));
    assert!(load_one(&store.db, &fresh).await.checkpoint.is_none());
    store.record(&fresh, Verdict::Done(result_of(json!("fresh")))).await;
    assert_eq!(query::result(&store.db, &job).await.unwrap().result, Some(json!("fresh")));
}

pub(in crate::jobs::tests) async fn a_lease_that_holds_is_not_rescued_and_one_that_ended_is(store: Store) {
    let job = store.submit(&[2, 1]).await;
    let held = store.claim_lease().await;
    let expired = store.claim_expired().await.unwrap().lease;
    assert_eq!(reconcile::round(&store.db, &patient()).await.unwrap().rescued, 1);
    let renewals = lease::renew(&store.db, &[held, expired.clone()], 1_000_000).await.unwrap();
    assert_eq!(renewals, [Renewal::Kept, Renewal::Lost]);

    let history = store.job(&job).await.failed_attempts;
    assert_eq!(history.len(), 1);
    assert_eq!((&history[0].task, history[0].outcome), (&expired.task, AttemptOutcome::Lost));
    assert_eq!(history[0].problem.as_ref().unwrap().code, "worker-lost");
    let again = load_one(&store.db, &store.claim_lease().await).await;
    assert_eq!((again.task.task, again.task.attempt), (expired.task, 2));
}

pub(in crate::jobs::tests) async fn a_renewed_lease_is_good_for_another_full_time(store: Store) {
    store.submit(&[1]).await;
    let lease = store.claim_expired().await.unwrap().lease;
    lease::renew(&store.db, &[lease], 60_000_000).await.unwrap();
    assert_eq!(reconcile::round(&store.db, &patient()).await.unwrap(), reconcile::Round::default());
}

pub(in crate::jobs::tests) async fn a_task_that_loses_every_worker_fails_its_job_at_the_limit(store: Store) {
    let config = JobsConfig { attempts_max: 3, ..patient() };
    let job = store.submit(&[1]).await;
    for attempt in 1..=3 {
        assert!(!store.job(&job).await.state.is_terminal(), "before attempt {attempt}");
        store.claim_expired().await.unwrap();
        reconcile::round(&store.db, &config).await.unwrap();
    }
    let row = store.job(&job).await;
    assert_eq!((row.state, row.failed_attempts.len()), (JobState::Failed, 3));
    assert_eq!(row.problem.unwrap().code, "worker-lost");
    assert!(store.claim().await.is_none());
}

pub(in crate::jobs::tests) async fn a_restart_takes_over_at_once_with_the_last_checkpoint(mut store: Store) {
    let job = store.submit(&[1, 1]).await;
    let before = store.claim_lease().await;
    let staged = store.artifacts.stage(Bytes::from_static(b"half way")).await.unwrap();
    let checkpoint = lease::set_checkpoint(&store.db, &before, staged).await.unwrap();

    store.restart().await;
    assert!(store.claim().await.is_none(), "the lease of the dead process still stands");
    assert_eq!(reconcile::recover(&store.db, &patient()).await.unwrap(), 1);
    let after = store.claim_lease().await;
    let loaded = load_one(&store.db, &after).await;
    assert_eq!(after.task, before.task);
    assert_eq!(loaded.checkpoint.as_ref(), Some(&checkpoint));
    assert_eq!(store.artifacts.get(&checkpoint).await.unwrap(), Bytes::from_static(b"half way"));
    store.record(&after, Verdict::Done(json!(null))).await;
    store.finish_all().await;
    assert_eq!(store.job(&job).await.state, JobState::Succeeded);
}

pub(in crate::jobs::tests) async fn recovery_leaves_the_tasks_of_its_own_process_alone(store: Store) {
    store.submit(&[1]).await;
    store.claim_lease().await;
    assert_eq!(reconcile::recover(&store.db, &patient()).await.unwrap(), 0);
}
