//! What jobs cost: written down once, with their end, and read back as the history of their components.

use serde_json::{Value, json};

use crate::{
    domain::{ids::TeamId, job::JobKind, plugin::Usage},
    jobs::{
        JobsConfig, NewJob, NewStage, Newcomer, cancel,
        costs::{self, Asked, ESTIMATE_JOBS_MAX, Expected, PastCost},
        finish::{self, Outcome, Verdict},
        fleet,
        lease::Lease,
        outlook::Outlooks,
        quota::{self, QuotaDefaults},
        submit,
        task_times::{self, EVENTS_PER_ROUND_MAX},
        tests::store::{Store, add_team, patient, problem, result_of},
    },
};

const PLUGIN: &str = "plugin_of_a_test";

/// The last output of a job whose plugin has had so much fuel for so many units in the stage of its first tasks.
fn told(fuel: u64, units: f64) -> Value {
    let usage = Usage { fuel, cpu_ms: 1_500.0, memory_peak_bytes: 7, calls: 3, copied_bytes: 11 };
    let spent = json!({ "stage": "stage 0", "component": PLUGIN, "unit": "things", "units": units, "asked": units / 2.0, "usage": usage });
    let mut output = result_of(json!("fine"));
    output["spent"] = json!([spent]);
    output
}

async fn record(store: &Store, lease: &Lease, verdict: Verdict, cpu_us: i64) {
    let outcome = Outcome { lease: lease.clone(), verdict, cpu_us: Some(cpu_us) };
    finish::record(&store.db, &patient(), &outcome).await.unwrap();
}

fn asked(component: &str, from_all: bool) -> Asked {
    Asked { component: component.to_owned(), stage: "stage 0".to_owned(), from_all }
}

async fn past(store: &Store, team: &TeamId, asked: &[Asked]) -> Vec<Vec<PastCost>> {
    costs::past(&store.db, team, asked).await.unwrap()
}

/// A job of one task and a final one, of this team, that has cost so much for ten units.
async fn ended(store: &Store, team: &TeamId, fuel: u64) {
    submit::submit(&store.db, NewJob { team: team.clone(), ..store.plan(&[1, 1]) }).await.unwrap();
    let lease = store.claim_lease().await;
    store.record(&lease, Verdict::Done(json!(1))).await;
    let lease = store.claim_lease().await;
    store.record(&lease, Verdict::Done(told(fuel, 10.0))).await;
}

pub(in crate::jobs::tests) async fn a_jobs_cost_is_written_down_once_however_often_its_tasks_were_tried(store: Store) {
    let job = store.submit(&[2, 1]).await;
    let lost = store.claim_expired().await.unwrap().lease;
    store.record(&lost, Verdict::Lost).await;
    let tried = store.claim_lease().await;
    record(&store, &tried, Verdict::Retry { problem: problem("It broke."), roll: 0.0 }, 250_000).await;
    for _ in 0..2 {
        let lease = store.claim_lease().await;
        record(&store, &lease, Verdict::Done(json!(1)), 1_000_000).await;
    }
    assert!(costs::history(&store.db, &store.team, PLUGIN).await.unwrap().is_empty(), "the job has not ended");
    let last = store.claim_lease().await;
    let done = Verdict::Done(told(500, 10.0));
    record(&store, &last, done.clone(), 40_000).await;
    let again = Outcome { lease: last, verdict: done, cpu_us: Some(40_000) };
    assert!(finish::record(&store.db, &patient(), &again).await.is_err());

    let rows = costs::history(&store.db, &store.team, PLUGIN).await.unwrap();
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((row.stage.as_str(), row.unit.as_str(), row.units, row.tasks), ("stage 0", "things", 10.0, 2));
    let usage = Usage { fuel: 500, cpu_ms: 1_500.0, memory_peak_bytes: 7, calls: 3, copied_bytes: 11 };
    assert_eq!((row.usage, Some(row.ended_us)), (usage, store.job(&job).await.finished_us));
    // What is left of both stages' attempts is the host's: 2.25 s and 0.04 s, without 1.5 s of the plugin.
    let host = costs::history(&store.db, &store.team, &costs::host(JobKind::Simulate)).await.unwrap();
    let mut host: Vec<_> = host.iter().map(|row| (row.stage.as_str(), row.usage.cpu_ms, row.usage.fuel)).collect();
    host.sort_by(|one, other| one.0.cmp(other.0));
    assert_eq!(host, [("stage 0", 750.0, 0), ("stage 1", 40.0, 0)]);
    let costs = store.job(&job).await.costs;
    assert_eq!((costs.fuel, costs.cpu_us, costs.expected), (Some(500), Some(2_290_000), None));
}

pub(in crate::jobs::tests) async fn a_job_without_a_result_leaves_no_costs(store: Store) {
    let failed = store.submit(&[1, 1]).await;
    let lease = store.claim_lease().await;
    record(&store, &lease, Verdict::Fatal(problem("It broke.")), 70_000).await;
    let host = costs::history(&store.db, &store.team, &costs::host(JobKind::Simulate)).await.unwrap();
    assert!(host.is_empty(), "{host:?}");
    let costs = store.job(&failed).await.costs;
    assert_eq!((costs.fuel, costs.cpu_us), (None, Some(70_000)));
}

pub(in crate::jobs::tests) async fn the_newest_jobs_say_what_a_component_costs(store: Store) {
    for fuel in 0..u64::from(ESTIMATE_JOBS_MAX) + 2 {
        ended(&store, &store.team, fuel).await;
    }
    let found = past(&store, &store.team, &[asked("nobody", true), asked(PLUGIN, false)]).await;
    assert!(found[0].is_empty());
    let fuel: Vec<f64> = found[1].iter().map(|past| (past.fuel * 10.0).round()).collect();
    let newest: Vec<f64> = (2..ESTIMATE_JOBS_MAX + 2).rev().map(f64::from).collect();
    assert_eq!(fuel, newest);
    assert!((found[1][0].cpu_s - 0.15).abs() < 1e-12);
    assert_eq!(found[1][0].units_per_asked, 2.0);
}

pub(in crate::jobs::tests) async fn other_teams_jobs_count_only_where_a_team_has_none_and_asks_for_all(store: Store) {
    let theirs = add_team(&store.db).await;
    ended(&store, &theirs, 70).await;
    assert_eq!(past(&store, &store.team, &[asked(PLUGIN, false)]).await, [[]]);
    let fuel = async |from_all| {
        let found = past(&store, &store.team, &[asked(PLUGIN, from_all)]).await;
        found[0].iter().map(|past| past.fuel).collect::<Vec<_>>()
    };
    assert_eq!(fuel(true).await, [7.0]);
    ended(&store, &store.team, 50).await;
    assert_eq!((fuel(true).await, fuel(false).await), (vec![5.0], vec![5.0]));
    assert_eq!(costs::history(&store.db, &theirs, PLUGIN).await.unwrap().len(), 1);
}

pub(in crate::jobs::tests) async fn what_a_job_is_expected_to_use_counts_until_it_has_ended(store: Store) {
    let defaults = |cpu_s_per_day_max| QuotaDefaults { live_jobs_max: 9, cpu_s_per_day_max };
    let promised = async |most| quota::quota(&store.db, &store.team, defaults(most)).await.unwrap().promised_cpu_us;
    let expected = Some(Expected { told: json!({ "a": "test" }), cpu_us: 8_000_000 });
    let job = submit::submit(&store.db, NewJob { expected, ..store.plan(&[1, 1]) }).await.unwrap();
    store.submit(&[1, 1]).await;
    assert_eq!(store.job(&job).await.costs.expected, Some(json!({ "a": "test" })));
    assert_eq!((promised(Some(60)).await, promised(None).await), (8_000_000, 0));
    let lease = store.claim_lease().await;
    assert_eq!(lease.job, job);
    store.record(&lease, Verdict::Done(json!(1))).await;
    assert_eq!(promised(Some(60)).await, 4_000_000, "half of the job is done");
    cancel::cancel(&store.db, &job).await.unwrap();
    assert_eq!(promised(Some(60)).await, 0);
}

pub(in crate::jobs::tests) async fn a_job_that_nobody_has_submitted_is_foreseen_behind_the_queue(store: Store) {
    let NewJob { team, kind, stages, .. } = store.plan(&[2, 1]);
    // New ones each time: on a busy machine they would remember the queue for a moment.
    let outlooks = || Outlooks::new(store.db.clone(), &JobsConfig::default());
    let foreseen =
        async |stages: &[NewStage]| outlooks().of_newcomer(Newcomer { team: &team, kind, stages }).await.unwrap();
    assert!(foreseen(&stages).await.runs_s.unwrap_err().contains("no job of this kind"));
    ended(&store, &team, 5).await;
    let mut tx = store.db.write().await.unwrap();
    let taken = "UPDATE attempts SET started_us = finished_us - 10000000";
    sqlx::query(taken).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    task_times::learn(&store.db, EVENTS_PER_ROUND_MAX).await.unwrap();
    assert!(foreseen(&stages).await.runs_s.unwrap_err().contains("no worker"));
    fleet::announce(&store.db, 1).await.unwrap();

    let seconds = |span: Result<crate::jobs::Span, &str>| span.unwrap().likely.round();
    let idle = foreseen(&stages).await;
    // Two tasks of half a stage's work each, one after the other, and the last one.
    assert_eq!((seconds(idle.begins_s), seconds(idle.runs_s), idle.jobs), (0.0, 20.0, 1));
    store.submit(&[1, 1]).await;
    let queued = foreseen(&stages).await;
    assert_eq!(seconds(queued.begins_s), 10.0 + 10.0);
    let newcomer = Newcomer { team: &team, kind, stages: &stages };
    assert_eq!(seconds(outlooks().alone(newcomer).await.unwrap().runs_s), 20.0);

    let unknown = [NewStage { name: "never seen".to_owned(), ..stages[1].clone() }];
    submit::submit(&store.db, NewJob { stages: unknown.to_vec(), ..store.plan(&[1]) }).await.unwrap();
    let behind = foreseen(&stages).await;
    assert!(behind.begins_s.unwrap_err().contains("the jobs before it"));
    assert_eq!(seconds(behind.runs_s), 20.0);
}
