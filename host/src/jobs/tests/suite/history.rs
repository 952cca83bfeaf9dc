//! Jobs over time: what they are filed under, when their phases came, what was learned from them, and what is foreseen.

use std::time::Duration;

use serde_json::json;

use crate::{
    domain::{
        ids::{JobId, ScheduleId, TeamId},
        job::{JobKind, JobState},
    },
    jobs::{
        JobsConfig, JobsError, NewJob, Outlook, attempts, cancel,
        finish::Verdict,
        fleet,
        lease::{self, Report},
        list::{self, JobFilter, Origin},
        outlook::{self, Outlooks},
        submit,
        tags::{self, JobChanges},
        task_times::{self, EVENTS_PER_ROUND_MAX},
        tests::store::{PATIENCE, Store, add_team, done, patient, problem, result_of},
    },
};

async fn submit_as(store: &Store, name: &str, tags: &[&str]) -> JobId {
    let tags = tags.iter().map(|&tag| tag.to_owned()).collect();
    let plan = NewJob { name: Some(name.to_owned()), tags, ..store.plan(&[1]) };
    submit::submit(&store.db, plan).await.unwrap()
}

/// All jobs that the filter lets through, in pages of one.
async fn listed(store: &Store, team: &TeamId, filter: &JobFilter) -> Vec<JobId> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = list::list(&store.db, team, filter, after.as_ref(), 1).await.unwrap();
        found.extend(page.jobs.into_iter().map(|job| job.id));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

fn tagged(tag: &str) -> JobFilter {
    JobFilter { tag: Some(tag.to_owned()), ..JobFilter::default() }
}

pub(in crate::jobs::tests) async fn every_filter_finds_its_jobs_page_by_page_newest_first(store: Store) {
    let first = submit_as(&store, "Monday", &["night", "oval"]).await;
    tokio::time::sleep(Duration::from_millis(3)).await;
    let second = submit_as(&store, "Monday", &["night"]).await;
    tokio::time::sleep(Duration::from_millis(3)).await;
    let third = submit_as(&store, "Sunday", &[]).await;
    let times: Vec<i64> =
        [store.job(&first).await, store.job(&second).await].iter().map(|job| job.created_us).collect();
    cancel::cancel(&store.db, &second).await.unwrap();

    let schedule = ScheduleId::random();
    let mut tx = store.db.write().await.unwrap();
    sqlx::query("UPDATE jobs SET schedule_id = $2 WHERE id = $1")
        .bind(first.as_str())
        .bind(schedule.as_str())
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let all = JobFilter::default();
    let cases = [
        (all.clone(), vec![&third, &second, &first]),
        (tagged("night"), vec![&second, &first]),
        (tagged("oval"), vec![&first]),
        (tagged("road"), vec![]),
        (JobFilter { origin: Some(Origin::Client), ..tagged("night") }, vec![&second]),
        (JobFilter { origin: Some(Origin::Schedule(schedule.clone())), ..all.clone() }, vec![&first]),
        (JobFilter { name: Some("Monday".to_owned()), ..all.clone() }, vec![&second, &first]),
        (JobFilter { name: Some("Mon".to_owned()), ..all.clone() }, vec![]),
        (JobFilter { state: Some(JobState::Cancelled), ..tagged("night") }, vec![&second]),
        (
            JobFilter { kind: Some(JobKind::Simulate), state: Some(JobState::Queued), ..all.clone() },
            vec![&third, &first],
        ),
        (JobFilter { kind: Some(JobKind::Evaluate), ..tagged("night") }, vec![]),
        (JobFilter { created_from_us: Some(times[1]), ..all.clone() }, vec![&third, &second]),
        (JobFilter { created_before_us: Some(times[1]), ..all.clone() }, vec![&first]),
        (JobFilter { created_from_us: Some(times[0] + 1), created_before_us: Some(times[1]), ..all }, vec![]),
        (JobFilter { created_before_us: Some(times[1]), ..tagged("night") }, vec![&first]),
    ];
    for (filter, expected) in cases {
        assert_eq!(listed(&store, &store.team, &filter).await.iter().collect::<Vec<_>>(), expected, "{filter:?}");
        assert_eq!(listed(&store, &TeamId::random(), &filter).await, [], "{filter:?}");
    }
}

pub(in crate::jobs::tests) async fn a_job_is_found_under_its_new_tags_and_name_only(store: Store) {
    let job = submit_as(&store, "Monday", &["night", "oval"]).await;
    let changes = JobChanges {
        name: Some(Some("Tuesday".to_owned())),
        tags: Some(vec!["oval".to_owned(), "day".to_owned()]),
        keep: None,
    };
    tags::change(&store.db, &job, &changes).await.unwrap();
    tags::change(&store.db, &job, &JobChanges::default()).await.unwrap();
    let row = store.job(&job).await;
    assert_eq!((row.name.as_deref(), row.tags), (Some("Tuesday"), vec!["oval".to_owned(), "day".to_owned()]));
    for (tag, found) in [("night", 0), ("oval", 1), ("day", 1)] {
        assert_eq!(listed(&store, &store.team, &tagged(tag)).await.len(), found, "{tag}");
    }
    tags::change(&store.db, &job, &JobChanges { name: Some(None), tags: Some(Vec::new()), keep: None }).await.unwrap();
    let row = store.job(&job).await;
    assert_eq!((row.name, row.tags), (None, Vec::new()));
    assert_eq!(listed(&store, &store.team, &tagged("oval")).await, []);
    let unknown = tags::change(&store.db, &JobId::random(), &changes).await;
    assert!(matches!(unknown, Err(JobsError::UnknownJob(_))));
}

pub(in crate::jobs::tests) async fn every_phase_has_its_time(store: Store) {
    let job = store.submit(&[2, 1]).await;
    let row = store.job(&job).await;
    assert_eq!((row.stages[0].opened_us, row.stages[0].claimed_us), (Some(row.created_us), None));
    assert_eq!((row.stages[1].opened_us, row.run_us, row.pulse.unheard_us), (None, None, None));

    let first = store.claim_lease().await;
    let row = store.job(&job).await;
    // Attempt and job are begun by two statements of one transaction.
    assert!(row.stages[0].claimed_us.is_some() && row.stages[0].claimed_us <= row.started_us);
    assert_eq!(row.wait_us, row.started_us.unwrap() - row.created_us);
    assert!(row.pulse.first_heartbeat_us.is_none() && row.pulse.unheard_us.is_some(), "{:?}", row.pulse);
    lease::renew(&store.db, std::slice::from_ref(&first), 60_000_000).await.unwrap();
    let row = store.job(&job).await;
    assert!(row.pulse.first_heartbeat_us >= row.started_us && row.pulse.unheard_us.is_none(), "{:?}", row.pulse);

    let second = store.claim_lease().await;
    assert!(store.job(&job).await.pulse.unheard_us.is_some());
    let report = Report { progress: Some((0.5, String::new())), lines: Vec::new() };
    lease::report(&store.db, &second, &report).await.unwrap();
    assert!(store.job(&job).await.pulse.unheard_us.is_none());

    for lease in [first, second] {
        store.record(&lease, Verdict::Done(json!(1))).await;
    }
    store.finish_all().await;
    let row = store.job(&job).await;
    let [fit, last] = &row.stages[..] else { panic!("{:?}", row.stages) };
    let phases = [
        Some(row.created_us),
        fit.opened_us,
        fit.claimed_us,
        fit.finished_us,
        last.opened_us,
        last.claimed_us,
        last.finished_us,
    ];
    assert!(phases.is_sorted() && phases[0].is_some(), "{phases:?}");
    assert!(last.finished_us <= row.finished_us);
    assert_eq!(row.run_us, Some(row.finished_us.unwrap() - row.started_us.unwrap()));
}

pub(in crate::jobs::tests) async fn a_stage_that_was_cut_short_has_an_end_and_later_ones_have_none(store: Store) {
    let job = store.submit(&[1, 1]).await;
    let lease = store.claim_lease().await;
    store.record(&lease, Verdict::Fatal(problem("It broke."))).await;
    let stages = store.job(&job).await.stages;
    assert!(stages[0].finished_us.is_some());
    assert_eq!((stages[1].opened_us, stages[1].finished_us), (None, None));
}

pub(in crate::jobs::tests) async fn attempts_are_paged_oldest_first_and_none_is_left_out(store: Store) {
    let job = store.submit(&[3, 1]).await;
    let first = store.claim_lease().await;
    store.record(&first, Verdict::Retry { problem: problem("It broke."), roll: 0.0 }).await;
    store.finish_all().await;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = attempts::page(&store.db, &job, after.as_ref(), 2).await.unwrap();
        assert!(page.attempts.len() <= 2);
        found.extend(page.attempts);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), 5);
    assert!(found.is_sorted_by_key(|attempt| (attempt.started_us, attempt.task.clone(), attempt.lease_epoch)));
    assert_eq!(found.iter().filter(|attempt| attempt.task == first.task).count(), 2);
    assert_eq!(found.iter().filter(|attempt| attempt.problem.is_some()).count(), 1);
    assert!(attempts::page(&store.db, &JobId::random(), None, 2).await.unwrap().attempts.is_empty());
}

/// Makes all attempts so far look as if they had taken this long.
async fn take(store: &Store, seconds: i64) {
    let mut tx = store.db.write().await.unwrap();
    sqlx::query("UPDATE attempts SET started_us = finished_us - $1 WHERE finished_us IS NOT NULL")
        .bind(seconds * 1_000_000)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn outlook(store: &Store, job: &JobId) -> Option<Outlook> {
    let outlooks = Outlooks::new(store.db.clone(), &JobsConfig::default());
    outlooks.of(std::slice::from_ref(job)).await.unwrap().get(job).copied()
}

pub(in crate::jobs::tests) async fn what_ended_jobs_took_says_what_queued_ones_will(store: Store) {
    let waiting = store.submit(&[1, 1]).await;
    assert_eq!(
        outlook(&store, &waiting).await.unwrap(),
        Outlook { position: Some(1), begins_s: None, ends_s: None, runs_s: None }
    );
    store.finish_all().await;
    take(&store, 10).await;
    fleet::announce(&store.db, 2).await.unwrap();
    assert_eq!(task_times::learn(&store.db, EVENTS_PER_ROUND_MAX).await.unwrap(), 4);
    // Two stages of one job, once for the team and once for everybody; nothing is learned twice.
    assert_eq!(task_times::learn(&store.db, EVENTS_PER_ROUND_MAX).await.unwrap(), 0);
    assert_eq!(outlook(&store, &waiting).await, None);

    // Twice the work in the first stage, on two workers.
    let mut plan = store.plan(&[2, 1]);
    plan.stages[0].weight = 2.0;
    let next = submit::submit(&store.db, plan).await.unwrap();
    let other = NewJob { team: add_team(&store.db).await, ..store.plan(&[1, 1]) };
    let other = submit::submit(&store.db, other).await.unwrap();
    let ends = outlook(&store, &next).await.unwrap().ends_s.unwrap();
    assert!((19.0..31.0).contains(&ends.likely), "{ends:?}");
    assert!(ends.low < ends.likely && ends.likely < ends.high, "{ends:?}");
    let places = [outlook(&store, &next).await.unwrap().position, outlook(&store, &other).await.unwrap().position];
    assert!(places.contains(&Some(1)) && places.contains(&Some(2)), "{places:?}");

    let lease = store.claim_lease().await;
    let begun = outlook(&store, &lease.job).await.unwrap();
    assert!(begun.position.is_none() && begun.begins_s.is_none() && begun.ends_s.is_some(), "{begun:?}");
}

pub(in crate::jobs::tests) async fn a_job_that_fails_teaches_nothing(store: Store) {
    store.submit(&[1]).await;
    let lease = store.claim_lease().await;
    store.record(&lease, Verdict::Fatal(problem("It broke."))).await;
    assert_eq!(task_times::learn(&store.db, EVENTS_PER_ROUND_MAX).await.unwrap(), 0);
    store.submit(&[1]).await;
    let lease = store.claim_lease().await;
    store.record(&lease, Verdict::Done(result_of(json!("fine")))).await;
    assert_eq!(task_times::learn(&store.db, EVENTS_PER_ROUND_MAX).await.unwrap(), 2);
}

pub(in crate::jobs::tests) async fn the_outlook_is_of_the_whole_queue_in_the_order_of_the_claims(store: Store) {
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(store.submit(&[1]).await);
    }
    let theirs = add_team(&store.db).await;
    for _ in 0..2 {
        let plan = NewJob { team: theirs.clone(), ..store.plan(&[1]) };
        jobs.push(submit::submit(&store.db, plan).await.unwrap());
    }
    let outlooks = Outlooks::new(store.db.clone(), &JobsConfig::default());
    let foreseen = outlooks.of(&jobs).await.unwrap();
    let mut expected: Vec<JobId> = jobs.clone();
    expected.sort_by_key(|job| foreseen[job].position);
    let mut claimed = Vec::new();
    while let Some(claim) = store.claim().await {
        claimed.push(claim.lease.job.clone());
        // The clock has steps of a millisecond, and turns go by it.
        tokio::time::sleep(Duration::from_millis(3)).await;
        store.record(&claim.lease, Verdict::Done(result_of(json!("fine")))).await;
    }
    assert_eq!(claimed, expected);
}

pub(in crate::jobs::tests) async fn a_claim_without_a_sign_of_life_is_noticed(store: Store) {
    store.submit(&[1]).await;
    let lease = store.claim_lease().await;
    tokio::time::sleep(Duration::from_millis(3)).await;
    assert_eq!(fleet::unheard(&store.db, 1_000).await.unwrap(), 1);
    assert_eq!(fleet::unheard(&store.db, 60_000_000).await.unwrap(), 0);
    lease::renew(&store.db, std::slice::from_ref(&lease), 60_000_000).await.unwrap();
    assert_eq!(fleet::unheard(&store.db, 1_000).await.unwrap(), 0);
}

pub(in crate::jobs::tests) async fn workers_count_from_their_start_to_their_drain(store: Store) {
    let count = async || {
        let mut snapshot = store.db.snapshot().await.unwrap();
        fleet::workers(&mut snapshot).await.unwrap()
    };
    let mut hints = store.db.hints();
    let worker = store.start(patient(), |_, _| done(json!("fine"))).await;
    let job = store.submit(&[1]).await;
    store.wait_for_end(&job).await;
    // The notice is the worker's own first step; it may come after that of a task.
    while count().await == 0 {
        tokio::time::timeout(Duration::from_millis(5), hints.recv()).await.ok();
    }
    assert_eq!(count().await, 2);
    assert_eq!(worker.drain(PATIENCE).await.abandoned, 0);
    assert_eq!(count().await, 0);
}

pub(in crate::jobs::tests) async fn a_round_of_learning_looks_at_the_newest_events_only(store: Store) {
    for _ in 0..2 {
        store.submit(&[1]).await;
        store.finish_all().await;
    }
    // The newest event is the end of the second job.
    assert_eq!(task_times::learn(&store.db, 1).await.unwrap(), 2);
    assert_eq!(task_times::learn(&store.db, EVENTS_PER_ROUND_MAX).await.unwrap(), 0);
}

pub(in crate::jobs::tests) async fn a_process_that_says_nothing_for_a_minute_does_not_count(store: Store) {
    for (silent_s, counted) in [(50, 2), (70, 0)] {
        fleet::announce(&store.db, 2).await.unwrap();
        let mut tx = store.db.write().await.unwrap();
        sqlx::query("UPDATE worker_processes SET seen_us = seen_us - $1")
            .bind(silent_s * 1_000_000_i64)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let mut snapshot = store.db.snapshot().await.unwrap();
        assert_eq!(fleet::workers(&mut snapshot).await.unwrap(), counted, "{silent_s} s");
    }
}

pub(in crate::jobs::tests) async fn a_queue_of_too_many_stages_is_not_looked_ahead_for(store: Store) {
    store.submit(&[1, 1]).await;
    let read = async |stages_max| {
        let mut snapshot = store.db.snapshot().await.unwrap();
        outlook::read(&mut snapshot, u32::MAX, stages_max).await.unwrap().map(|live| live.ids.len())
    };
    assert_eq!((read(2).await, read(1).await), (Some(1), None));
}
