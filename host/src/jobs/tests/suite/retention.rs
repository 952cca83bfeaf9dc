//! What is old goes, what is pinned or live stays, and no artifact goes that anybody names.

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::json;

use crate::{
    db::artifacts::ArtifactHash,
    domain::{ids::JobId, plugin::Usage},
    jobs::{
        JobsError, NewJob, cancel,
        finish::Verdict,
        query,
        retention::{self, RetentionConfig, Unless},
        submit,
        tags::{self, JobChanges},
        tests::store::{Store, done, patient, result_of},
    },
};

const DAY_US: i64 = 24 * 3600 * 1_000_000;
const HOLD_US: i64 = DAY_US;

async fn ended(store: &Store) -> JobId {
    let job = store.submit(&[1]).await;
    cancel::cancel(&store.db, &job).await.unwrap();
    job
}

async fn keep(store: &Store, job: &JobId, keep: bool) {
    let changes = JobChanges { keep: Some(keep), ..JobChanges::default() };
    tags::change(&store.db, job, &changes).await.unwrap();
}

async fn rows_of(store: &Store, job: &JobId) -> i64 {
    let mut rows = 0;
    for count in [
        "SELECT COUNT(*) FROM jobs WHERE id = $1",
        "SELECT COUNT(*) FROM stages WHERE job_id = $1",
        "SELECT COUNT(*) FROM tasks WHERE job_id = $1",
        "SELECT COUNT(*) FROM attempts WHERE job_id = $1",
        "SELECT COUNT(*) FROM events WHERE job_id = $1",
        "SELECT COUNT(*) FROM artifact_references WHERE job_id = $1",
        "SELECT COUNT(*) FROM job_tags WHERE job_id = $1",
        "SELECT COUNT(*) FROM job_costs WHERE job_id = $1",
    ] {
        let found: i64 = sqlx::query_scalar(count).bind(job.as_str()).fetch_one(store.db.read()).await.unwrap();
        rows += found;
    }
    rows
}

async fn put(store: &Store, content: &str) -> ArtifactHash {
    store.artifacts.put(Bytes::copy_from_slice(content.as_bytes())).await.unwrap()
}

pub(in crate::jobs::tests) async fn a_job_is_old_so_long_after_its_end_unless_it_is_pinned_or_live(store: Store) {
    let config = RetentionConfig::default();
    let (old, pinned) = (ended(&store).await, ended(&store).await);
    let live = store.submit(&[1]).await;
    keep(&store, &pinned, true).await;
    let ended_us = store.job(&old).await.finished_us.unwrap();
    let found = async |now_us: i64| {
        retention::old_jobs(&store.db, config.jobs_before_us(now_us).unwrap(), None, 10).await.unwrap()
    };
    assert_eq!(found(ended_us + 90 * DAY_US).await, []);
    assert_eq!(found(ended_us + 90 * DAY_US + 1).await, std::slice::from_ref(&old));
    keep(&store, &pinned, false).await;
    assert_eq!(found(ended_us + 900 * DAY_US).await.len(), 2);
    assert!(store.job(&live).await.finished_us.is_none());
    assert_eq!(RetentionConfig { job_days: 0, ..config.clone() }.jobs_before_us(ended_us), None);
}

pub(in crate::jobs::tests) async fn a_deleted_job_leaves_no_row_and_a_live_or_pinned_one_is_refused(store: Store) {
    let plan = NewJob { tags: vec!["old".to_owned()], ..store.plan(&[30, 1]) };
    let job = submit::submit(&store.db, plan).await.unwrap();
    let refused = retention::delete_job(&store.db, &job, Unless::Never, HOLD_US).await.unwrap_err();
    assert!(matches!(refused, JobsError::JobLive(_)), "{refused}");
    while let Some(claim) = store.claim().await {
        let mut output = result_of(json!("fine"));
        output["spent"] = json!([{ "stage": "stage 0", "component": "a", "unit": "b", "units": 1.0, "asked": 1.0, "usage": Usage::default() }]);
        store.record(&claim.lease, Verdict::Done(output)).await;
    }
    let before = rows_of(&store, &job).await;

    keep(&store, &job, true).await;
    assert!(!retention::delete_job(&store.db, &job, Unless::Kept, HOLD_US).await.unwrap());
    assert_eq!(rows_of(&store, &job).await, before);
    assert!(retention::delete_job(&store.db, &job, Unless::Never, HOLD_US).await.unwrap());
    assert_eq!(rows_of(&store, &job).await, 0);
    assert!(!retention::delete_job(&store.db, &job, Unless::Never, HOLD_US).await.unwrap());
    assert!(matches!(query::get(&store.db, &job).await, Err(JobsError::UnknownJob(_))));
}

pub(in crate::jobs::tests) async fn a_history_longer_than_a_transaction_goes_in_slices(store: Store) {
    let job = store.submit(&[1]).await;
    let mut tx = store.db.write().await.unwrap();
    for _ in 0..2_500 {
        sqlx::query("INSERT INTO events (job_id, team_id, kind, data, created_us) VALUES ($1, $2, 'log', '{}', 7)")
            .bind(job.as_str())
            .bind(store.team.as_str())
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(retention::prune_events(&store.db, 8).await.unwrap(), 0, "the job is live");
    cancel::cancel(&store.db, &job).await.unwrap();
    keep(&store, &job, true).await;
    assert_eq!(retention::count_old_events(&store.db, 8).await.unwrap(), 0, "the job is pinned");
    keep(&store, &job, false).await;
    assert_eq!(retention::prune_events(&store.db, 7).await.unwrap(), 0, "the events are young enough");
    assert_eq!(retention::count_old_events(&store.db, 8).await.unwrap(), 2_500);
    assert_eq!(retention::prune_events(&store.db, 8).await.unwrap(), 2_500);
    assert_eq!(store.events(&job).await.len(), 2);
    assert!(retention::delete_job(&store.db, &job, Unless::Kept, HOLD_US).await.unwrap());
}

pub(in crate::jobs::tests) async fn what_a_job_names_anywhere_is_found_while_it_lives_and_after(store: Store) {
    let mut named = HashSet::new();
    for place in ["spec", "input", "output", "result"] {
        named.insert(put(&store, place).await);
    }
    let hash = |place: &str| ArtifactHash::of(place.as_bytes());
    let mut plan = store.plan(&[1, 1]);
    plan.spec = json!({ "deep": [{ "plugin": hash("spec") }] });
    plan.stages[0].tasks[0] = json!({ "with": format!("sha256:{}", hash("input")) });
    let job = submit::submit(&store.db, plan).await.unwrap();
    let lease = store.claim_lease().await;
    store.record(&lease, Verdict::Done(json!({ "artifact": hash("output") }))).await;
    let live = retention::live_mentions(&store.db).await.unwrap();
    assert_eq!(live, HashSet::from(["spec", "input", "output"].map(hash)));

    let lease = store.claim_lease().await;
    store.record(&lease, Verdict::Done(result_of(json!({ "draws": hash("result") })))).await;
    assert_eq!(retention::live_mentions(&store.db).await.unwrap(), named);
    retention::mark_ended(&store.db).await.unwrap();
    assert_eq!(retention::live_mentions(&store.db).await.unwrap(), HashSet::new());
    let asked: Vec<ArtifactHash> = named.iter().cloned().chain([hash("nobody's")]).collect();
    assert_eq!(retention::artifacts_in_use(&store.db, &asked).await.unwrap(), named);

    // Once the job is gone nobody names them, and they are held for a while.
    retention::delete_job(&store.db, &job, Unless::Kept, HOLD_US).await.unwrap();
    assert_eq!(retention::artifacts_in_use(&store.db, &asked).await.unwrap(), HashSet::new());
    let now_us = store.db.now_us().await.unwrap();
    assert!(store.artifacts.unheld(now_us + HOLD_US / 2, None).await.unwrap().is_empty());
}

pub(in crate::jobs::tests) async fn an_ended_job_lets_go_of_its_checkpoints(store: Store) {
    let handle = store
        .start(patient(), |context, _| {
            context.save_checkpoint(b"half-way")?;
            done(json!(null))
        })
        .await;
    let job = store.submit(&[1]).await;
    store.wait_for_end(&job).await;
    handle.drain(std::time::Duration::from_secs(5)).await;
    let checkpoint = [ArtifactHash::of(b"half-way")];
    assert_eq!(retention::artifacts_in_use(&store.db, &checkpoint).await.unwrap().len(), 1);
    let now_us = store.db.now_us().await.unwrap();
    assert!(!store.artifacts.condemn(&checkpoint[0], now_us + 1).await.unwrap(), "a task refers to it");
    retention::mark_ended(&store.db).await.unwrap();
    assert_eq!(retention::artifacts_in_use(&store.db, &checkpoint).await.unwrap().len(), 0);
    assert!(store.artifacts.condemn(&checkpoint[0], now_us + 60_000_000).await.unwrap());
}

/// Tables whose rows belong to a job. A new one has to go with its job: add it to `retention/prune.rs`, and here.
const OF_JOBS: [&str; 7] = ["artifact_references", "attempts", "events", "job_costs", "job_tags", "stages", "tasks"];

#[tokio::test]
async fn no_table_of_jobs_is_forgotten() {
    let store = Store::sqlite().await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT tables.name FROM sqlite_master AS tables, pragma_foreign_key_list(tables.name) AS keys
        WHERE tables.type = 'table' AND keys.\"table\" IN ('jobs', 'stages', 'tasks') ORDER BY tables.name",
    )
    .fetch_all(store.db.read())
    .await
    .unwrap();
    assert_eq!(tables, OF_JOBS);
}
