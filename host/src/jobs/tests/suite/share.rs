//! Who gets the next worker: teams by weight, a team's own jobs by priority.

use std::time::Duration;

use serde_json::json;

use crate::{
    domain::ids::{JobId, KeyId, TeamId},
    jobs::{
        NewJob, admission,
        finish::{self, Outcome, Verdict},
        limits::ClaimTerms,
        quota::{self, Quota, QuotaDefaults},
        rerun, submit,
        tests::store::{Store, add_team, claim_one, patient, problem, result_of, terms},
    },
};

const DEFAULTS: QuotaDefaults = QuotaDefaults { live_jobs_max: 9, cpu_s_per_day_max: Some(60) };

/// Another team with this weight, and its job of so many tasks.
async fn rival(store: &Store, weight: i64, tasks: usize) -> (TeamId, JobId) {
    let team = add_team(&store.db).await;
    let mut tx = store.db.write().await.unwrap();
    sqlx::query("UPDATE teams SET weight = $2 WHERE id = $1")
        .bind(team.as_str())
        .bind(weight)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let plan = NewJob { team: team.clone(), ..store.plan(&[tasks, 1]) };
    let job = submit::submit(&store.db, plan).await.unwrap();
    (team, job)
}

async fn prioritised(store: &Store, priority: i64) -> JobId {
    submit::submit(&store.db, NewJob { priority, ..store.plan(&[1]) }).await.unwrap()
}

pub(in crate::jobs::tests) async fn many_workers_are_shared_by_weight(store: Store) {
    let ours = store.submit(&[100, 1]).await;
    let (_, theirs) = rival(&store, 3, 100).await;
    let mut claimed = [0, 0];
    for _ in 0..16 {
        let lease = store.claim_lease().await;
        assert!(lease.job == ours || lease.job == theirs);
        claimed[usize::from(lease.job == theirs)] += 1;
    }
    assert_eq!(claimed, [4, 12]);
}

pub(in crate::jobs::tests) async fn a_single_worker_is_shared_by_weight_too(store: Store) {
    store.submit(&[100, 1]).await;
    let (_, theirs) = rival(&store, 3, 100).await;
    let mut claimed = [0, 0];
    for _ in 0..24 {
        let lease = store.claim_lease().await;
        claimed[usize::from(lease.job == theirs)] += 1;
        // The clock has steps of a millisecond, and a task takes longer than that.
        tokio::time::sleep(Duration::from_millis(4)).await;
        store.record(&lease, Verdict::Done(json!(null))).await;
    }
    assert!((5..=9).contains(&claimed[0]), "{claimed:?}");
}

pub(in crate::jobs::tests) async fn a_thousand_tasks_of_one_team_do_not_delay_another_team(store: Store) {
    store.submit(&[1000, 1]).await;
    let first = store.claim_lease().await;
    let (_, theirs) = rival(&store, 1, 1).await;
    let second = store.claim_lease().await;
    assert!(first.job != theirs && second.job == theirs);
}

pub(in crate::jobs::tests) async fn a_team_at_its_limit_waits_and_the_others_do_not(store: Store) {
    let ours = store.submit(&[4, 1]).await;
    let (_, theirs) = rival(&store, 1, 4).await;
    let two = ClaimTerms { running_per_team_max: 2, ..terms(&store.db, 60_000_000) };
    let mut claimed = Vec::new();
    while let Some(claim) = claim_one(&store.db, &two).await {
        claimed.push(claim.lease);
    }
    let of = |job: &JobId| claimed.iter().filter(|lease| lease.job == *job).count();
    assert_eq!((of(&ours), of(&theirs)), (2, 2));
    let done = claimed.iter().find(|lease| lease.job == ours).unwrap();
    store.record(done, Verdict::Done(json!(null))).await;
    let next = claim_one(&store.db, &two).await.unwrap();
    assert_eq!(next.lease.job, ours);
}

pub(in crate::jobs::tests) async fn higher_priorities_begin_first_and_know_how_many_are_ahead(store: Store) {
    let normal = prioritised(&store, 0).await;
    let low = prioritised(&store, -5).await;
    let high = prioritised(&store, 9).await;
    for (job, ahead) in [(&high, 0), (&normal, 1), (&low, 2)] {
        let row = store.job(job).await;
        assert_eq!(row.queued_ahead, Some(ahead), "priority {}", row.priority);
    }
    for job in [&high, &normal, &low] {
        let lease = store.claim_lease().await;
        assert_eq!(lease.job, *job);
        assert_eq!(store.job(job).await.queued_ahead, None);
        store.record(&lease, Verdict::Done(result_of(json!("fine")))).await;
    }
}

pub(in crate::jobs::tests) async fn a_priority_is_worth_nothing_beside_another_team(store: Store) {
    prioritised(&store, 100).await;
    prioritised(&store, 100).await;
    let (_, theirs) = rival(&store, 1, 1).await;
    let claimed = [store.claim_lease().await.job, store.claim_lease().await.job];
    assert!(claimed.contains(&theirs));
}

pub(in crate::jobs::tests) async fn a_live_twin_is_found_until_it_ends(store: Store) {
    let twin = store.submit(&[1]).await;
    let other = NewJob { spec: json!({ "seed": 8 }), ..store.plan(&[1]) };
    let foreign = NewJob { team: add_team(&store.db).await, ..store.plan(&[1]) };
    let mut tx = store.db.write().await.unwrap();
    assert_eq!(admission::live_twin_in(&mut tx, &store.plan(&[1])).await.unwrap(), Some(twin));
    assert_eq!(admission::live_twin_in(&mut tx, &other).await.unwrap(), None);
    assert_eq!(admission::live_twin_in(&mut tx, &foreign).await.unwrap(), None);
    assert_eq!(quota::quota_in(&mut tx, &store.team, DEFAULTS).await.unwrap().live_jobs, 1);
    tx.rollback().await.unwrap();

    store.finish_all().await;
    let mut tx = store.db.write().await.unwrap();
    assert_eq!(admission::live_twin_in(&mut tx, &store.plan(&[1])).await.unwrap(), None);
    assert_eq!(quota::quota_in(&mut tx, &store.team, DEFAULTS).await.unwrap().live_jobs, 0);
    tx.rollback().await.unwrap();
}

pub(in crate::jobs::tests) async fn a_plan_read_back_is_the_plan_that_was_stored(store: Store) {
    let plan = NewJob { deadline_s: Some(60), priority: -3, ..store.plan(&[3, 2, 1]) };
    let job = submit::submit(&store.db, plan.clone()).await.unwrap();
    store.finish_all().await;
    let key = KeyId::random();
    let read = rerun::plan_of(&store.db, &job, key.clone()).await.unwrap();
    assert_eq!(read, NewJob { key: Some(key), ..plan });
}

async fn quota_of(store: &Store, team: &TeamId) -> Quota {
    quota::quota(&store.db, team, DEFAULTS).await.unwrap()
}

/// What an operator allows a team beside the defaults.
async fn allow(store: &Store, team: &TeamId, column: &'static str, most: Option<i64>) {
    let text = format!("UPDATE teams SET {column} = $2 WHERE id = $1");
    let mut tx = store.db.write().await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(text)).bind(team.as_str()).bind(most).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

pub(in crate::jobs::tests) async fn what_attempts_cost_is_charged_to_their_team_however_they_end(store: Store) {
    let (theirs, _) = rival(&store, 1, 1).await;
    store.submit(&[2, 1]).await;
    let mut verdicts = vec![Verdict::Done(json!(1)), Verdict::Retry { problem: problem("It broke."), roll: 0.0 }];
    let (mut ours, mut others) = (0, 0);
    for cpu_us in [3_000_000, 500_000, 40_000] {
        let lease = store.claim_lease().await;
        let is_ours = store.job(&lease.job).await.team == store.team;
        let verdict = if is_ours { verdicts.pop().unwrap() } else { Verdict::Done(json!(1)) };
        let outcome = Outcome { lease, verdict, cpu_us: Some(cpu_us) };
        finish::record(&store.db, &patient(), &outcome).await.unwrap();
        // A lease is charged for once: who has lost it writes nothing.
        assert!(finish::record(&store.db, &patient(), &outcome).await.is_err());
        if is_ours { ours += cpu_us } else { others += cpu_us }
    }
    assert_eq!((quota_of(&store, &store.team).await.cpu_us, quota_of(&store, &theirs).await.cpu_us), (ours, others));
    assert!(ours > 0 && others > 0);
    let quota = quota_of(&store, &store.team).await;
    assert_eq!((quota.live_jobs_max, quota.cpu_s_max), (9, Some(60)));
    assert!((1..=86_400).contains(&quota.day_ends_in_s));
}

pub(in crate::jobs::tests) async fn yesterdays_usage_does_not_count(store: Store) {
    let mut tx = store.db.write().await.unwrap();
    sqlx::query("INSERT INTO team_usage SELECT $1, (SELECT now_us FROM clock) / 86400000000 - 1, 7000000")
        .bind(store.team.as_str())
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(quota_of(&store, &store.team).await.cpu_us, 0);
}

pub(in crate::jobs::tests) async fn an_operators_limit_of_a_team_goes_before_the_defaults(store: Store) {
    let (theirs, _) = rival(&store, 1, 5).await;
    store.submit(&[5, 1]).await;
    for (column, most) in [("running_tasks_max", 3), ("live_jobs_max", 2), ("cpu_s_per_day_max", 7)] {
        allow(&store, &theirs, column, Some(most)).await;
    }
    let quota = quota_of(&store, &theirs).await;
    assert_eq!((quota.live_jobs, quota.live_jobs_max, quota.cpu_s_max), (1, 2, Some(7)));
    assert_eq!(quota_of(&store, &store.team).await.live_jobs_max, 9);

    let one = ClaimTerms { running_per_team_max: 1, ..terms(&store.db, 60_000_000) };
    let mut claimed = [0, 0];
    while let Some(claim) = claim_one(&store.db, &one).await {
        claimed[usize::from(store.job(&claim.lease.job).await.team == theirs)] += 1;
    }
    assert_eq!(claimed, [1, 3]);
    allow(&store, &theirs, "running_tasks_max", None).await;
    assert!(claim_one(&store.db, &one).await.is_none());
}
