//! What readers see: progress, events, pages.

use serde_json::json;

use crate::{
    domain::job::{JobKind, JobState},
    jobs::{
        cancel,
        events::{self, EventKind},
        finish::Verdict,
        lease::{self, Lease, Report},
        list::{self, JobFilter},
        query, submit,
        tests::store::{Store, problem},
    },
};

async fn report(store: &Store, lease: &Lease, fraction: f64) {
    let report = Report { progress: Some((fraction, "sampling".to_owned())), lines: Vec::new() };
    lease::report(&store.db, lease, &report).await.unwrap();
}

pub(in crate::jobs::tests) async fn progress_is_the_weighted_sum_and_reaches_one_only_at_the_end(store: Store) {
    let mut plan = store.plan(&[2, 1]);
    plan.stages[0].weight = 3.0;
    let job = submit::submit(&store.db, plan).await.unwrap();
    let lease = store.claim_lease().await;
    report(&store, &lease, 0.5).await;
    let row = store.job(&job).await;
    // Three quarters of the job are in the first stage, half of that in this task, half of that is done.
    assert!((row.progress - 0.1875).abs() < 1e-12, "{}", row.progress);
    assert!((row.stages[0].progress - 0.25).abs() < 1e-12);
    assert_eq!(row.stages[0].note, "sampling");

    store.record(&lease, Verdict::Done(json!(1))).await;
    let second = store.claim_lease().await;
    store.record(&second, Verdict::Done(json!(2))).await;
    let row = store.job(&job).await;
    assert!((row.progress - 0.75).abs() < 1e-12, "{}", row.progress);
    let last = store.claim_lease().await;
    report(&store, &last, 1.0).await;
    assert!(store.job(&job).await.progress < 1.0);
    store.record(&last, Verdict::Done(crate::jobs::tests::store::result_of(json!(3)))).await;
    let row = store.job(&job).await;
    assert_eq!((row.progress, row.state), (1.0, JobState::Succeeded));
}

pub(in crate::jobs::tests) async fn progress_does_not_go_back_when_a_task_starts_over(store: Store) {
    let job = store.submit(&[1]).await;
    let lease = store.claim_lease().await;
    report(&store, &lease, 0.6).await;
    store.record(&lease, Verdict::Retry { problem: problem("It broke."), roll: 0.0 }).await;
    let again = store.claim_lease().await;
    report(&store, &again, 0.1).await;
    assert!((store.job(&job).await.progress - 0.6).abs() < 1e-12);
    report(&store, &again, 0.8).await;
    assert!((store.job(&job).await.progress - 0.8).abs() < 1e-12);
    let seen = store.events(&job).await;
    let seen: Vec<_> = seen.iter().filter_map(|event| event.data["progress"].as_f64()).collect();
    assert!(seen.is_sorted(), "{seen:?}");
}

pub(in crate::jobs::tests) async fn events_tell_the_whole_story_in_order_and_from_any_point(store: Store) {
    let job = store.submit(&[1, 1]).await;
    let other = store.submit(&[1]).await;
    store.finish_all().await;
    let all = store.events(&job).await;
    assert!(all.is_sorted_by(|one, next| one.sequence < next.sequence));
    let kinds: Vec<_> = all.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::State, EventKind::State, EventKind::Progress, EventKind::State]);
    let states: Vec<_> = all.iter().filter_map(|event| event.data["state"].as_str()).collect();
    assert_eq!(states, ["queued", "running", "succeeded"]);

    let rest = events::since(&store.db, &job, all[1].sequence, 100).await.unwrap();
    assert_eq!(rest, all[2..]);
    assert_eq!(events::since(&store.db, &job, 0, 1).await.unwrap(), all[..1]);
    assert_eq!(store.events(&other).await.len(), 3);
}

pub(in crate::jobs::tests) async fn pages_hold_every_job_once_newest_first(store: Store) {
    let mut submitted = Vec::new();
    for _ in 0..7 {
        submitted.push(store.submit(&[1]).await);
    }
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = list::list(&store.db, &store.team, &JobFilter::default(), after.as_ref(), 3).await.unwrap();
        assert!(page.jobs.iter().all(|job| job.stages.len() == 1));
        listed.extend(page.jobs);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(listed.is_sorted_by_key(|job| std::cmp::Reverse((job.created_us, job.id.clone()))));
    let mut ids: Vec<_> = listed.into_iter().map(|job| job.id).collect();
    ids.sort();
    submitted.sort();
    assert_eq!(ids, submitted);
}

pub(in crate::jobs::tests) async fn a_list_shows_one_team_and_what_the_filter_lets_through(store: Store) {
    let queued = store.submit(&[1]).await;
    let cancelled = store.submit(&[1]).await;
    cancel::cancel(&store.db, &cancelled).await.unwrap();
    let ids = async |team: &crate::domain::ids::TeamId, filter| {
        let page = list::list(&store.db, team, &filter, None, 10).await.unwrap();
        page.jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    let of_state = |state| JobFilter { state: Some(state), ..JobFilter::default() };
    let of_kind = |kind| JobFilter { kind: Some(kind), ..JobFilter::default() };
    assert_eq!(ids(&store.team, of_state(JobState::Queued)).await, [queued]);
    assert_eq!(ids(&store.team, of_state(JobState::Cancelled)).await, [cancelled]);
    assert_eq!(ids(&store.team, of_kind(JobKind::Simulate)).await.len(), 2);
    assert_eq!(ids(&store.team, of_kind(JobKind::Evaluate)).await, []);
    assert_eq!(ids(&crate::domain::ids::TeamId::random(), JobFilter::default()).await, []);
}

pub(in crate::jobs::tests) async fn a_job_shows_what_was_asked_for_and_keeps_its_plan(store: Store) {
    let mut plan = store.plan(&[1]);
    plan.spec = json!({ "request": { "seed": 7 }, "races": ["a", "b"], "warnings": ["old"] });
    let job = submit::submit(&store.db, plan.clone()).await.unwrap();
    assert_eq!(store.job(&job).await.request, json!({ "seed": 7 }));
    let page = list::list(&store.db, &plan.team, &JobFilter::default(), None, 10).await.unwrap();
    assert_eq!(
        (&page.jobs[0].request, page.jobs[0].warnings.as_slice()),
        (&json!({ "seed": 7 }), &["old".to_owned()][..])
    );
    assert_eq!(query::plan(&store.db, &job).await.unwrap(), plan.spec);
}

pub(in crate::jobs::tests) async fn a_list_and_a_look_at_each_job_say_the_same(store: Store) {
    for tasks_per_stage in [&[1][..], &[2, 1]] {
        submit::submit(&store.db, store.plan(tasks_per_stage)).await.unwrap();
    }
    let lease = store.claim_lease().await;
    report(&store, &lease, 0.25).await;
    let team = store.plan(&[1]).team;
    let page = list::list(&store.db, &team, &JobFilter::default(), None, 10).await.unwrap();
    assert_eq!(page.jobs.len(), 2);
    for listed in page.jobs {
        let shown = store.job(&listed.id).await;
        assert_eq!((&listed.stages, listed.progress, listed.state), (&shown.stages, shown.progress, shown.state));
        assert_eq!((listed.created_us, listed.started_us), (shown.created_us, shown.started_us));
    }
}
