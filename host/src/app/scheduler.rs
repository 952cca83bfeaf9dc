//! Fires schedules when they are due. Any number of nodes may do so: the database decides which of them fires a time.

use std::{sync::Arc, time::Duration};

use anyhow::Result;

use crate::{
    api::{self, ApiConfig, Planner},
    auth::{self, Action, AuditEntry, Principal, Refusal},
    db::Db,
    jobs::schedules::{
        FIRED_PER_ROUND_MAX, Schedule, SchedulesConfig,
        fire::{self, Fired, Firing, Planned},
    },
};

/// What fires schedules.
pub struct Scheduler {
    /// Rows.
    pub db: Db,
    /// Plans their jobs.
    pub planner: Arc<dyn Planner>,
    /// What a job may be.
    pub api: ApiConfig,
    /// How they are fired.
    pub config: SchedulesConfig,
}

impl Scheduler {
    /// Fires what is due, again and again, until it is dropped. A round that fails is repeated: what it did not fire is still due.
    pub async fn run(self) {
        loop {
            let pause = match self.round().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(error = %format!("{error:#}"), "schedules could not be fired, trying again");
                    self.pause_max()
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Fires what is due now; gives the pause until the next round.
    async fn round(&self) -> Result<Duration> {
        let now_us = self.db.now_us().await?;
        let due = fire::due(&self.db, now_us, FIRED_PER_ROUND_MAX).await?;
        for schedule in &due {
            // One that cannot be fired must not keep the others waiting.
            if let Err(error) = self.fire(schedule, now_us).await {
                let error = format!("{error:#}");
                tracing::warn!(schedule.id = %schedule.id, error, "a schedule could not be fired and stays due");
            }
        }
        let next_us = fire::next_due_us(&self.db).await?;
        let until_next_us = next_us.map_or(i64::MAX, |next_us| next_us - now_us);
        // What is due now and was not fired, because it could not be planned now, is not tried without a pause.
        let pause_us = u64::try_from(until_next_us).ok().filter(|pause_us| *pause_us > 0);
        Ok(pause_us.map_or(self.pause_max(), Duration::from_micros).min(self.pause_max()))
    }

    fn pause_max(&self) -> Duration {
        Duration::from_millis(self.config.poll_ms.max(1))
    }

    async fn fire(&self, schedule: &Schedule, now_us: i64) -> Result<()> {
        let quota = api::quota_defaults(&self.api);
        let firing = Firing { schedule, now_us, quota, config: &self.config };
        let fired = if let Some(refusal) = auth::refusal_of(&self.db, &schedule.terms.key).await? {
            firing.disable(&self.db, reason(refusal)).await?
        } else if firing.is_missed() {
            firing.record(&self.db, Planned::Missed).await?
        } else {
            let body = schedule.terms.request.to_string();
            let (team, key) = (&schedule.team, &schedule.terms.key);
            match api::plan_job(self.planner.as_ref(), &self.api, team, key, body.as_bytes()).await {
                Ok(job) => firing.record(&self.db, Planned::Job(job)).await?,
                Err(error) if error.is_transient() => {
                    tracing::warn!(schedule.id = %schedule.id, problem = error.code(), "a schedule stays due, planning failed");
                    return Ok(());
                }
                Err(error) => firing.record(&self.db, Planned::Refused(error.problem().clone())).await?,
            }
        };
        self.tell(schedule, &fired).await;
        Ok(())
    }

    /// What has happened, for the log and the audit trail.
    async fn tell(&self, schedule: &Schedule, fired: &Fired) {
        let action = match fired {
            Fired::Job(job) => {
                tracing::info!(schedule.id = %schedule.id, job.id = %job, "a schedule has made a job");
                Action::ScheduleFired
            }
            Fired::Skipped(problem) => {
                tracing::info!(schedule.id = %schedule.id, problem = %problem.code, "a schedule has skipped a time");
                return;
            }
            Fired::Failed(problem) => {
                tracing::warn!(schedule.id = %schedule.id, problem = %problem.code, "a schedule could not make its job");
                Action::ScheduleFailed
            }
            Fired::Disabled(reason) => {
                tracing::warn!(schedule.id = %schedule.id, reason, "a schedule was disabled");
                Action::ScheduleDisabled
            }
            Fired::TakenByAnother => return,
        };
        let principal = Principal { team: schedule.team.clone(), key: schedule.terms.key.clone(), scopes: Vec::new() };
        let subject = schedule.id.as_str();
        auth::record_or_log(&self.db, AuditEntry { principal: &principal, action, subject, request_id: "schedule" })
            .await;
    }
}

/// Why a schedule whose key opens nothing is disabled.
const fn reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Revoked => "Its key was revoked.",
        Refusal::Expired => "Its key has expired.",
        Refusal::Unknown | Refusal::Malformed => "Its key does not exist any more.",
    }
}
