//! Real worker threads running real tasks: what the threads add to the rules of the rows.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    db::Db,
    domain::{interrupt::StopReason, job::JobState},
    jobs::{
        JobsConfig, LogLevel, TaskFailure, TaskOutput, cancel,
        events::EventKind,
        lease, query,
        state::AttemptOutcome,
        submit,
        tests::store::{PATIENCE, Store, done, patient, problem, wait_for_interrupt},
    },
};

/// A channel whose sender a task can share.
fn signal<T>() -> (Mutex<mpsc::Sender<T>>, mpsc::Receiver<T>) {
    let (sender, receiver) = mpsc::channel();
    (Mutex::new(sender), receiver)
}

fn send<T>(sender: &Mutex<mpsc::Sender<T>>, message: T) {
    let _ = sender.lock().unwrap().send(message);
}

/// Waits on a thread of its own, so that the runtime goes on.
async fn receive<T: Send + 'static>(receiver: &mut Option<mpsc::Receiver<T>>) -> T {
    let taken = receiver.take().expect("the receiver");
    let (message, taken) = tokio::task::spawn_blocking(move || (taken.recv_timeout(PATIENCE), taken)).await.unwrap();
    *receiver = Some(taken);
    message.expect("a signal from the task")
}

pub(in crate::jobs::tests) async fn stages_see_the_outputs_of_earlier_ones_in_order(store: Store) {
    let worker = store
        .start(patient(), |context, task| match task.stage.as_str() {
            "stage 0" => Ok(TaskOutput { value: json!(task.index * 10) }),
            _ => done(json!(context.outputs("stage 0")?)),
        })
        .await;
    let job = store.submit(&[5, 1]).await;
    let row = store.wait_for_end(&job).await;
    assert_eq!(row.state, JobState::Succeeded, "{:?}", row.problem);
    let found = query::result(&store.db, &job).await.unwrap();
    assert_eq!(found.result, Some(json!([0, 10, 20, 30, 40])));
    assert_eq!(worker.drain(PATIENCE).await.abandoned, 0);
}

pub(in crate::jobs::tests) async fn outputs_of_an_unknown_stage_are_a_fatal_problem(store: Store) {
    let worker = store.start(patient(), |context, _| done(json!(context.outputs("no such stage")?))).await;
    let row = store.wait_for_end(&store.submit(&[1]).await).await;
    assert_eq!(row.problem.unwrap().code, "internal-error");
    worker.drain(PATIENCE).await;
}

pub(in crate::jobs::tests) async fn a_panic_fails_the_job_and_the_worker_lives_on(store: Store) {
    let config = JobsConfig { workers: 1, ..patient() };
    let worker = store
        .start(config, |_, task| match task.spec["seed"].as_u64() {
            Some(7) => panic!("on purpose"),
            _ => done(json!("alive")),
        })
        .await;
    let row = store.wait_for_end(&store.submit(&[1]).await).await;
    let problem = row.problem.unwrap();
    assert_eq!((row.state, problem.code.as_str()), (JobState::Failed, "internal-error"));
    assert!(!problem.detail.contains("on purpose"), "a panic's text may hold user data");

    let mut plan = store.plan(&[1]);
    plan.spec = json!({ "seed": 8 });
    let next = submit::submit(&store.db, plan).await.unwrap();
    assert_eq!(store.wait_for_end(&next).await.state, JobState::Succeeded);
    worker.drain(PATIENCE).await;
}

pub(in crate::jobs::tests) async fn a_fatal_task_interrupts_the_others_of_its_job(store: Store) {
    let (stopped, receiver) = signal();
    let (running, is_running) = signal();
    let is_running = Mutex::new(is_running);
    let worker = store
        .start(patient(), move |context, task| {
            if task.index == 0 {
                // Not before the other one runs, or there would be nothing to interrupt.
                is_running.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                return Err(TaskFailure::fatal(problem("It broke.")));
            }
            send(&running, ());
            let failure = wait_for_interrupt(context);
            send(&stopped, context.interrupt().reason());
            Err(failure)
        })
        .await;
    let row = store.wait_for_end(&store.submit(&[2, 1]).await).await;
    assert_eq!((row.state, row.problem), (JobState::Failed, Some(problem("It broke."))));
    assert_eq!(receive(&mut Some(receiver)).await, Some(StopReason::Cancelled));
    worker.drain(PATIENCE).await;
}

pub(in crate::jobs::tests) async fn a_cancel_reaches_a_running_task_by_signal(store: Store) {
    let (sender, receiver) = signal();
    let mut receiver = Some(receiver);
    // Heartbeat and polling are a minute away: only the signal can be this fast.
    let worker = store
        .start(patient(), move |context, _| {
            send(&sender, None);
            let failure = wait_for_interrupt(context);
            send(&sender, Some(Instant::now()));
            Err(failure)
        })
        .await;
    let job = store.submit(&[1]).await;
    assert!(receive(&mut receiver).await.is_none());
    let asked = Instant::now();
    assert_eq!(cancel::cancel(&store.db, &job).await.unwrap(), cancel::CancelOutcome::Requested);
    let stopped = receive(&mut receiver).await.unwrap();
    assert_eq!(store.wait_for_end(&job).await.state, JobState::Cancelled);
    assert!(stopped - asked < Duration::from_secs(5), "{:?}", stopped - asked);
    worker.drain(PATIENCE).await;
}

pub(in crate::jobs::tests) async fn a_cancel_by_another_process_is_found_by_the_heartbeat(store: Store) {
    let (sender, receiver) = signal();
    let config = JobsConfig { heartbeat_ms: 100, reconcile_ms: 100, ..patient() };
    let worker = store
        .start(config, move |context, _| {
            send(&sender, ());
            Err(wait_for_interrupt(context))
        })
        .await;
    let job = store.submit(&[1]).await;
    receive(&mut Some(receiver)).await;
    // Another opening of the same data has its own hints, as another process does.
    let elsewhere = Db::open_beside(&store.config).await.unwrap();
    assert_eq!(cancel::cancel(&elsewhere, &job).await.unwrap(), cancel::CancelOutcome::Requested);
    assert_eq!(store.wait_for_end(&job).await.state, JobState::Cancelled);
    worker.drain(PATIENCE).await;
}

pub(in crate::jobs::tests) async fn a_deadline_stops_a_running_task_and_fails_the_job(store: Store) {
    let worker = store.start(patient(), |context, _| Err(wait_for_interrupt(context))).await;
    let mut plan = store.plan(&[1]);
    plan.deadline_s = Some(1);
    let job = submit::submit(&store.db, plan).await.unwrap();
    let row = store.wait_for_end(&job).await;
    assert_eq!((row.state, row.problem.unwrap().code.as_str()), (JobState::Failed, "deadline-exceeded"));
    assert_eq!(row.failed_attempts[0].outcome, AttemptOutcome::Deadline);
    worker.drain(PATIENCE).await;
}

pub(in crate::jobs::tests) async fn a_retry_starts_from_the_last_checkpoint(store: Store) {
    let worker = store
        .start(patient(), |context, task| {
            if task.attempt == 1 {
                assert_eq!(context.last_checkpoint()?, None);
                context.save_checkpoint(b"one")?;
                context.save_checkpoint(b"two")?;
                assert_eq!(context.last_checkpoint()?, Some(Bytes::from_static(b"two")));
                return Err(TaskFailure::retry(problem("It broke.")));
            }
            let checkpoint = context.last_checkpoint()?.unwrap_or_default();
            done(json!([task.attempt, String::from_utf8_lossy(&checkpoint)]))
        })
        .await;
    let job = store.submit(&[1]).await;
    let row = store.wait_for_end(&job).await;
    assert_eq!(row.state, JobState::Succeeded, "{:?}", row.problem);
    assert_eq!(query::result(&store.db, &job).await.unwrap().result, Some(json!([2, "two"])));
    worker.drain(PATIENCE).await;
}

pub(in crate::jobs::tests) async fn a_damaged_checkpoint_means_starting_over(store: Store) {
    let directory = store.config.artifacts_dir();
    let worker = store
        .start(patient(), move |context, task| {
            if task.attempt == 1 {
                context.save_checkpoint(b"damaged below")?;
                damage_all_files(&directory);
                return Err(TaskFailure::retry(problem("It broke.")));
            }
            done(json!(context.last_checkpoint()?.is_none()))
        })
        .await;
    let job = store.submit(&[1]).await;
    store.wait_for_end(&job).await;
    assert_eq!(query::result(&store.db, &job).await.unwrap().result, Some(json!(true)));
    worker.drain(PATIENCE).await;
}

fn damage_all_files(directory: &std::path::Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { damage_all_files(&path) } else { std::fs::write(path, b"damage").unwrap() }
    }
}

pub(in crate::jobs::tests) async fn a_drain_gives_tasks_back_without_counting_the_attempt(store: Store) {
    let (sender, receiver) = signal();
    let first = store
        .start(patient(), move |context, _| {
            context.save_checkpoint(b"drained")?;
            send(&sender, ());
            Err(wait_for_interrupt(context))
        })
        .await;
    let job = store.submit(&[1]).await;
    receive(&mut Some(receiver)).await;
    assert_eq!(first.running(), 1);
    assert_eq!(first.drain(PATIENCE).await.abandoned, 0);
    assert_eq!(store.job(&job).await.state, JobState::Running, "the job goes on elsewhere");

    let second = store
        .start(patient(), |context, task| {
            let checkpoint = context.last_checkpoint()?.unwrap_or_default();
            done(json!([task.attempt, task.lease_epoch, String::from_utf8_lossy(&checkpoint)]))
        })
        .await;
    store.wait_for_end(&job).await;
    assert_eq!(query::result(&store.db, &job).await.unwrap().result, Some(json!([1, 2, "drained"])));
    second.drain(PATIENCE).await;
}

pub(in crate::jobs::tests) async fn a_drain_does_not_wait_longer_than_its_grace(store: Store) {
    let (sender, receiver) = signal();
    let (release, released) = signal::<()>();
    let released = Mutex::new(released);
    let worker = store
        .start(JobsConfig { workers: 1, ..patient() }, move |_, _| {
            send(&sender, ());
            let _ = released.lock().unwrap().recv_timeout(PATIENCE);
            done(json!("late"))
        })
        .await;
    let job = store.submit(&[1]).await;
    receive(&mut Some(receiver)).await;
    assert_eq!(worker.drain(Duration::from_millis(50)).await.abandoned, 1);
    send(&release, ());
    assert_eq!(store.wait_for_end(&job).await.state, JobState::Succeeded, "its lease still stood");
}

pub(in crate::jobs::tests) async fn a_worker_that_cannot_renew_its_lease_stops_itself(store: Store) {
    let (sender, receiver) = signal();
    let mut receiver = Some(receiver);
    let config = JobsConfig { workers: 1, heartbeat_ms: 100, attempts_max: 1_000_000, ..patient() };
    let worker = store
        .start(config, move |context, _| {
            send(&sender, None);
            let failure = wait_for_interrupt(context);
            send(&sender, context.interrupt().reason());
            Err(failure)
        })
        .await;
    let job = store.submit(&[1]).await;
    assert_eq!(receive(&mut receiver).await, None);
    // While somebody else changes the job, no heartbeat comes through, and none says that the lease is lost.
    let mut blocking = store.db.write().await.unwrap();
    lease::lock_jobs(&mut blocking, [&job]).await.unwrap();
    assert_eq!(receive(&mut receiver).await, Some(StopReason::LeaseLost));
    drop(blocking);
    worker.drain(PATIENCE).await;
}

pub(in crate::jobs::tests) async fn heartbeats_keep_a_long_task_from_being_rescued(store: Store) {
    let (sender, receiver) = signal();
    let config = JobsConfig { workers: 2, heartbeat_ms: 100, poll_ms: 5, reconcile_ms: 5, ..patient() };
    let worker = store
        .start(config, move |context, task| {
            // Three lease times, without a word to the engine.
            let until = Instant::now() + Duration::from_millis(1_200);
            while Instant::now() < until && context.interrupt().reason().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            send(&sender, (task.lease_epoch, context.interrupt().reason()));
            done(json!(null))
        })
        .await;
    let job = store.submit(&[1]).await;
    let row = store.wait_for_end(&job).await;
    assert_eq!((row.state, row.failed_attempts.len()), (JobState::Succeeded, 0));
    assert_eq!(receive(&mut Some(receiver)).await, (1, None));
    worker.drain(PATIENCE).await;
}

pub(in crate::jobs::tests) async fn a_missing_artifact_is_a_fatal_problem_that_names_it(store: Store) {
    let worker = store
        .start(patient(), |context, _| {
            let hash = context.put_artifact(Bytes::from_static(b"kept"))?;
            assert_eq!(context.get_artifact(&hash)?, Bytes::from_static(b"kept"));
            context.get_artifact(&crate::db::artifacts::ArtifactHash::of(b"never put"))?;
            done(json!(null))
        })
        .await;
    let row = store.wait_for_end(&store.submit(&[1]).await).await;
    let problem = row.problem.unwrap();
    assert_eq!(problem.code, "artifact-unusable");
    assert!(problem.detail.contains(crate::db::artifacts::ArtifactHash::of(b"never put").as_str()));
    worker.drain(PATIENCE).await;
}

pub(in crate::jobs::tests) async fn log_lines_are_kept_up_to_the_limit_and_the_drop_is_told(store: Store) {
    let config = JobsConfig { log_lines_max: 3, ..patient() };
    let worker = store
        .start(config, |context, _| {
            for line in 0..10 {
                context.log(LogLevel::Info, &format!("line {line}"));
            }
            done(json!(null))
        })
        .await;
    let job = store.submit(&[1]).await;
    store.wait_for_end(&job).await;
    let events = store.events(&job).await;
    let lines: Vec<&Value> =
        events.iter().filter(|event| event.kind == EventKind::Log).map(|event| &event.data["message"]).collect();
    assert_eq!(
        lines,
        [&json!("line 0"), &json!("line 1"), &json!("the limit of log lines is reached, the rest is dropped")]
    );
    worker.drain(PATIENCE).await;
}

pub(in crate::jobs::tests) async fn reports_in_quick_succession_are_merged(store: Store) {
    let config = JobsConfig { progress_ms: 3_600_000, ..patient() };
    let worker = store
        .start(config, |context, _| {
            for step in 0..=1_000 {
                context.progress(f64::from(step) / 1_000.0, "stepping");
            }
            done(json!(null))
        })
        .await;
    let job = store.submit(&[1]).await;
    store.wait_for_end(&job).await;
    let events = store.events(&job).await;
    let reports = events.iter().filter(|event| event.kind == EventKind::Progress).count();
    assert_eq!(reports, 2, "the first at once, the rest together");
    worker.drain(PATIENCE).await;
}

pub(in crate::jobs::tests) async fn many_jobs_at_once_all_run_exactly_once(store: Store) {
    let runs = std::sync::Arc::new(AtomicU32::new(0));
    let counter = runs.clone();
    let worker = store
        .start(JobsConfig { workers: 4, ..patient() }, move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
            done(json!(null))
        })
        .await;
    let mut jobs = Vec::new();
    for _ in 0..50 {
        jobs.push(store.submit(&[3, 1]).await);
    }
    for job in &jobs {
        assert_eq!(store.wait_for_end(job).await.state, JobState::Succeeded);
    }
    assert_eq!(runs.load(Ordering::Relaxed), 200);
    assert_eq!(worker.drain(PATIENCE).await.abandoned, 0);
}
