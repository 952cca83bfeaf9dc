//! Schedules: every time fired once, whatever happens, and never by somebody who has read something old.

use serde_json::json;

use crate::{
    domain::{
        ids::{JobId, KeyId, ScheduleId},
        problem::Problem,
    },
    jobs::{
        JobsError, NewJob,
        quota::QuotaDefaults,
        schedules::{
            self, CatchUp, Schedule, ScheduleCursor, SchedulesConfig, Terms,
            fire::{self, Fired, Firing, Planned},
        },
        submit,
        tests::store::{Store, problem},
    },
};

/// 2026-11-25T12:00:00Z.
const NOW_US: i64 = 1_795_608_000_000_000;
const DAY_US: i64 = 24 * 3600 * 1_000_000;
const ENOUGH: QuotaDefaults = QuotaDefaults { live_jobs_max: 1_000, cpu_s_per_day_max: None };

fn terms(name: &str, next_fire_us: Option<i64>) -> Terms {
    Terms {
        key: KeyId::random(),
        name: name.to_owned(),
        cron: "0 3 * * *".to_owned(),
        time_zone: "UTC".to_owned(),
        catch_up: CatchUp::Once,
        request: json!({ "kind": "calibrate" }),
        next_fire_us,
    }
}

async fn stored(store: &Store, terms: &Terms) -> Result<ScheduleId, JobsError> {
    let mut tx = store.db.write().await.unwrap();
    let id = schedules::insert_in(&mut tx, &store.team, terms, 100).await?;
    tx.commit().await.unwrap();
    Ok(id)
}

async fn due(store: &Store) -> Vec<Schedule> {
    fire::due(&store.db, NOW_US, 100).await.unwrap()
}

async fn jobs_of(store: &Store, id: &ScheduleId) -> Vec<String> {
    let found = sqlx::query_scalar("SELECT id FROM jobs WHERE schedule_id = $1").bind(id.as_str());
    found.fetch_all(store.db.read()).await.unwrap()
}

async fn fire_now(store: &Store, schedule: &Schedule, planned: Planned) -> Fired {
    let config = SchedulesConfig::default();
    let firing = Firing { schedule, now_us: NOW_US, quota: ENOUGH, config: &config };
    firing.record(&store.db, planned).await.unwrap()
}

fn plan(store: &Store) -> Planned {
    Planned::Job(store.plan(&[1]))
}

pub(in crate::jobs::tests) async fn a_time_is_fired_once_however_many_nodes_try(store: Store) {
    let id = stored(&store, &terms("weekly", Some(NOW_US))).await.unwrap();
    assert_eq!(fire::next_due_us(&store.db).await.unwrap(), Some(NOW_US));
    let read = due(&store).await.remove(0);
    let nodes = (0..8).map(|_| fire_now(&store, &read, plan(&store)));
    let fired = futures_util::future::join_all(nodes).await;
    let made: Vec<&JobId> = fired
        .iter()
        .filter_map(|fired| match fired {
            Fired::Job(job) => Some(job),
            other => {
                assert_eq!(*other, Fired::TakenByAnother);
                None
            }
        })
        .collect();
    assert_eq!(jobs_of(&store, &id).await, made.iter().map(|job| job.as_str()).collect::<Vec<_>>());
    assert_eq!(made.len(), 1);
    let after = schedules::get(&store.db, &id).await.unwrap();
    assert_eq!((after.last_job.as_ref(), after.last_fire_us), (Some(made[0]), Some(NOW_US)));
    assert_eq!(after.terms.next_fire_us, Some(NOW_US + DAY_US * 15 / 24));
    assert!(due(&store).await.is_empty());
    assert_eq!(store.job(made[0]).await.schedule, Some(id));
}

pub(in crate::jobs::tests) async fn missed_times_are_made_up_for_once_or_not_at_all(store: Store) {
    let skips = Terms { catch_up: CatchUp::Skip, ..terms("skips", Some(NOW_US - 10 * DAY_US)) };
    let (once, skips) = (
        stored(&store, &terms("once", Some(NOW_US - 9 * DAY_US))).await.unwrap(),
        stored(&store, &skips).await.unwrap(),
    );
    let config = SchedulesConfig::default();
    for schedule in due(&store).await {
        let firing = Firing { schedule: &schedule, now_us: NOW_US, quota: ENOUGH, config: &config };
        assert_eq!(firing.is_missed(), schedule.id == skips);
        let planned = if firing.is_missed() { Planned::Missed } else { plan(&store) };
        firing.record(&store.db, planned).await.unwrap();
    }
    assert_eq!((jobs_of(&store, &once).await.len(), jobs_of(&store, &skips).await.len()), (1, 0));
    let skipped = schedules::get(&store.db, &skips).await.unwrap();
    assert_eq!(skipped.last_problem.as_ref().unwrap().code, "time-missed");
    assert_eq!(skipped.terms.next_fire_us, Some(NOW_US + DAY_US * 15 / 24));
    assert!(due(&store).await.is_empty());

    // Five minutes late is not missed, a microsecond more is.
    let late_us_max = 300_000_000;
    for (late_us, expected) in [(late_us_max, false), (late_us_max + 1, true)] {
        let schedule = Schedule {
            terms: Terms { next_fire_us: Some(NOW_US - late_us), ..skipped.terms.clone() },
            last_problem: None,
            ..skipped.clone()
        };
        let firing = Firing { schedule: &schedule, now_us: NOW_US, quota: ENOUGH, config: &config };
        assert_eq!(firing.is_missed(), expected);
    }
}

pub(in crate::jobs::tests) async fn a_change_after_reading_wins_over_the_firing(store: Store) {
    let id = stored(&store, &terms("weekly", Some(NOW_US))).await.unwrap();
    let read = due(&store).await.remove(0);
    // The time stays, the request does not: what was planned from the old one must not run.
    let changed = Terms { request: json!({ "kind": "evaluate" }), ..read.terms.clone() };
    schedules::update(&store.db, &read, &changed).await.unwrap();
    assert_eq!(fire_now(&store, &read, plan(&store)).await, Fired::TakenByAnother);
    assert!(jobs_of(&store, &id).await.is_empty());
    let conflict = schedules::update(&store.db, &read, &changed).await.unwrap_err();
    assert!(matches!(conflict, JobsError::ScheduleChanged(_)), "{conflict}");

    let read = due(&store).await.remove(0);
    schedules::delete(&store.db, &id).await.unwrap();
    assert_eq!(fire_now(&store, &read, plan(&store)).await, Fired::TakenByAnother);
    assert!(jobs_of(&store, &id).await.is_empty());
}

pub(in crate::jobs::tests) async fn a_twin_or_a_full_team_is_skipped_with_the_reason(store: Store) {
    let id = stored(&store, &terms("weekly", Some(NOW_US))).await.unwrap();
    let twin = store.submit(&[1]).await;
    let read = due(&store).await.remove(0);
    let Fired::Skipped(problem) = fire_now(&store, &read, plan(&store)).await else { panic!("it was not skipped") };
    assert!(problem.detail.contains(twin.as_str()), "{}", problem.detail);

    let other = NewJob { spec: json!({ "seed": 8 }), ..store.plan(&[1]) };
    let quota = |live_jobs_max| QuotaDefaults { live_jobs_max, ..ENOUGH };
    for (quota, code) in [(quota(1), Some("over-quota")), (quota(2), None)] {
        let mut again = schedules::get(&store.db, &id).await.unwrap();
        let config = SchedulesConfig::default();
        let now_us = again.terms.next_fire_us.unwrap();
        let firing = Firing { schedule: &again, now_us, quota, config: &config };
        firing.record(&store.db, Planned::Job(other.clone())).await.unwrap();
        again = schedules::get(&store.db, &id).await.unwrap();
        assert_eq!(again.last_problem.map(|problem| problem.code), code.map(str::to_owned));
        assert_eq!(again.failures_in_a_row, 0);
    }
    assert_eq!(jobs_of(&store, &id).await.len(), 1);
}

pub(in crate::jobs::tests) async fn failures_in_a_row_disable_it_at_the_limit_and_a_job_forgets_them(store: Store) {
    let id = stored(&store, &terms("weekly", Some(NOW_US))).await.unwrap();
    let config = SchedulesConfig { failures_in_a_row_max: 3, ..SchedulesConfig::default() };
    let refused = || Planned::Refused(problem("There are no races."));
    let failed = || Fired::Failed(problem("There are no races."));
    let disabled = || Fired::Disabled("It failed 3 times in a row.".to_owned());
    let steps = [
        (refused(), Some(failed())),
        (refused(), Some(failed())),
        (plan(&store), None),
        (refused(), Some(failed())),
        (refused(), Some(failed())),
        (refused(), Some(disabled())),
    ];
    for (planned, expected) in steps {
        let schedule = schedules::get(&store.db, &id).await.unwrap();
        let now_us = schedule.terms.next_fire_us.unwrap();
        let firing = Firing { schedule: &schedule, now_us, quota: ENOUGH, config: &config };
        let fired = firing.record(&store.db, planned).await.unwrap();
        assert!(expected.is_none_or(|expected| expected == fired), "{fired:?}");
    }
    let schedule = schedules::get(&store.db, &id).await.unwrap();
    assert_eq!((schedule.terms.next_fire_us, schedule.failures_in_a_row), (None, 3));
    assert_eq!(schedule.disabled_reason.as_deref(), Some("It failed 3 times in a row."));
    assert_eq!(schedule.last_problem, Some(problem("There are no races.")));

    // Whoever enables it again starts afresh.
    let terms = Terms { next_fire_us: Some(NOW_US), ..schedule.terms.clone() };
    schedules::update(&store.db, &schedule, &terms).await.unwrap();
    let schedule = schedules::get(&store.db, &id).await.unwrap();
    assert_eq!((schedule.failures_in_a_row, schedule.disabled_reason), (0, None));
}

pub(in crate::jobs::tests) async fn a_schedule_whose_key_is_gone_is_disabled_with_the_reason(store: Store) {
    let id = stored(&store, &terms("weekly", Some(NOW_US))).await.unwrap();
    let read = due(&store).await.remove(0);
    let config = SchedulesConfig::default();
    let firing = Firing { schedule: &read, now_us: NOW_US, quota: ENOUGH, config: &config };
    let fired = firing.disable(&store.db, "Its key was revoked.").await.unwrap();
    assert_eq!(fired, Fired::Disabled("Its key was revoked.".to_owned()));
    assert_eq!(firing.disable(&store.db, "Its key was revoked.").await.unwrap(), Fired::TakenByAnother);
    let schedule = schedules::get(&store.db, &id).await.unwrap();
    assert_eq!(
        (schedule.terms.next_fire_us, schedule.disabled_reason.as_deref()),
        (None, Some("Its key was revoked."))
    );
}

pub(in crate::jobs::tests) async fn a_firing_that_breaks_off_leaves_the_schedule_due(store: Store) {
    let id = stored(&store, &terms("weekly", Some(NOW_US))).await.unwrap();
    let read = due(&store).await.remove(0);
    let config = SchedulesConfig::default();
    let firing = Firing { schedule: &read, now_us: NOW_US, quota: ENOUGH, config: &config };
    let broken = Planned::Job(store.plan(&[2]));
    assert!(matches!(firing.record(&store.db, broken).await, Err(JobsError::InvalidPlan(_))));
    assert_eq!(due(&store).await, std::slice::from_ref(&read));
    assert!(matches!(fire_now(&store, &read, plan(&store)).await, Fired::Job(_)));
    assert_eq!(jobs_of(&store, &id).await.len(), 1);
}

pub(in crate::jobs::tests) async fn a_team_has_so_many_schedules_and_each_name_once(store: Store) {
    for name in ["one", "two"] {
        stored(&store, &terms(name, None)).await.unwrap();
    }
    let taken = stored(&store, &terms("two", None)).await.unwrap_err();
    assert!(matches!(taken, JobsError::ScheduleNameTaken(name) if name == "two"));
    for (most, is_taken) in [(2, false), (3, true)] {
        let mut tx = store.db.write().await.unwrap();
        let inserted = schedules::insert_in(&mut tx, &store.team, &terms("three", None), most).await;
        assert_eq!(inserted.is_ok(), is_taken);
        tx.commit().await.unwrap();
    }
    let mut names = Vec::new();
    let mut after = None;
    while let Some(schedule) = schedules::list(&store.db, &store.team, after.as_ref(), 1).await.unwrap().pop() {
        after = Some(ScheduleCursor { created_us: schedule.created_us, id: schedule.id });
        names.push(schedule.terms.name);
    }
    names.sort();
    assert_eq!(names, ["one", "three", "two"]);
}

pub(in crate::jobs::tests) async fn a_job_made_on_demand_is_the_schedules_last_and_moves_nothing(store: Store) {
    let id = stored(&store, &terms("weekly", Some(NOW_US))).await.unwrap();
    let plan = NewJob { schedule: Some(id.clone()), ..store.plan(&[1]) };
    let job = submit::submit(&store.db, plan).await.unwrap();
    let schedule = schedules::get(&store.db, &id).await.unwrap();
    assert_eq!((schedule.last_job, schedule.terms.next_fire_us), (Some(job), Some(NOW_US)));
    let none: Option<Problem> = None;
    assert_eq!((schedule.last_fire_us, schedule.last_problem), (None, none));
}
