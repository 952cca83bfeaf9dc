//! Taking in jobs: what arrives together is admitted and stored together, in one transaction. Whether a job may come in is decided
//! there, so that nobody slips in between: a request seen before, a job that would do what a live one does, a quota used up.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    admission,
    batch::{Batches, Work},
    error::JobsError,
    limits::BATCH_MAX,
    quota::{Quota, QuotaDefaults, quota_in},
    submit::{self, NewJob},
};
use crate::{
    auth::idempotency::{self, Keyed, KeyedRequest},
    db::{Db, WriteTx},
    domain::ids::{JobId, TeamId},
};

/// A job that somebody wants to be run, and what its request is known by.
#[derive(Debug)]
pub struct Submission {
    /// The job.
    pub job: NewJob,
    /// The client's name for its request. Who gives one has said that this is another request than any with another name; without
    /// one, a job that would do the same as a live one is refused.
    pub keyed: Option<KeyedRequest>,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// The job is queued.
    Queued(JobId, Quota),
    /// The same request has made this job before; nothing was stored.
    MadeBefore(JobId),
    /// The key stands for another request; nothing was stored.
    KeyOfOtherRequest,
    /// This live job of the team does the same; nothing was stored.
    Twin(JobId),
    /// The team's quota is used up; nothing was stored.
    OverQuota(Quota),
    /// The job is expected to use more CPU time, in microseconds, than the team has left today; nothing was stored.
    TooCostly(Quota, i64),
}

/// What submissions are admitted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeTerms {
    /// What a team may use for which nothing else is set.
    pub quota: QuotaDefaults,
    /// How long a request's key is remembered, in seconds.
    pub key_valid_s: u64,
}

/// Where jobs are submitted. Clones share it.
#[derive(Debug, Clone)]
pub struct Intake(Batches<Submission, Admission>);

impl Intake {
    /// Starts to take in jobs; must be called on an asynchronous runtime.
    #[must_use]
    pub fn start(db: Db, terms: IntakeTerms) -> Self {
        Self(Batches::start(BATCH_MAX, Clerk { db, terms }))
    }

    /// Submits a job; it is stored when this returns [`Admission::Queued`].
    ///
    /// # Errors
    /// [`JobsError::InvalidPlan`], [`JobsError::UnknownTeam`], or [`JobsError::Db`]; nothing is stored then.
    pub async fn submit(&self, submission: Submission) -> Result<Admission, JobsError> {
        self.0.run(submission).await
    }
}

struct Clerk {
    db: Db,
    terms: IntakeTerms,
}

impl Work<Submission, Admission> for Clerk {
    async fn run(&self, submissions: &[Submission]) -> Result<Vec<Admission>, JobsError> {
        let mut tx = self.db.write().await?;
        let mut desk = Desk::open(&mut tx, &self.terms, submissions).await?;
        let admissions: Vec<_> = submissions.iter().map(|submission| desk.admit(submission)).collect();
        let queued: Vec<_> = submissions.iter().zip(&admissions).filter_map(queued).collect();
        if queued.is_empty() {
            tx.rollback().await?;
            return Ok(admissions);
        }
        let jobs: Vec<_> = queued.iter().map(|(id, submission)| (*id, &submission.job)).collect();
        submit::insert(&mut tx, &jobs).await?;
        let keyed = queued.iter().filter_map(|(id, submission)| {
            Some(Keyed { team: &submission.job.team, request: submission.keyed.as_ref()?, subject: id.as_str() })
        });
        idempotency::insert_all_in(&mut tx, &keyed.collect::<Vec<_>>()).await?;
        tx.commit().await?;
        Ok(admissions)
    }
}

fn queued<'a>((submission, admission): (&'a Submission, &'a Admission)) -> Option<(&'a JobId, &'a Submission)> {
    match admission {
        Admission::Queued(id, _) => Some((id, submission)),
        _ => None,
    }
}

/// What a team may use that nobody has asked for; every team of a batch has been.
const NOTHING: Quota =
    Quota { live_jobs: 0, live_jobs_max: 0, cpu_us: 0, promised_cpu_us: 0, cpu_s_max: None, day_ends_in_s: 0 };

/// What is known while a batch is admitted: what the database had, and what the batch itself has added.
struct Desk {
    quotas: BTreeMap<TeamId, Quota>,
    /// Fingerprint of the request, and the job that it made.
    seen: HashMap<(TeamId, String), (String, JobId)>,
    twins: HashMap<(TeamId, String), JobId>,
}

impl Desk {
    async fn open(tx: &mut WriteTx, terms: &IntakeTerms, submissions: &[Submission]) -> Result<Self, JobsError> {
        let mut quotas = BTreeMap::new();
        // In the order of teams, so that two batches never wait for each other.
        let teams: BTreeSet<_> = submissions.iter().map(|submission| &submission.job.team).collect();
        for team in teams {
            quotas.insert(team.clone(), quota_in(tx, team, terms.quota).await?);
        }
        let unnamed = submissions.iter().filter(|submission| submission.keyed.is_none());
        let twins = admission::live_twins_in(tx, unnamed.map(|submission| &submission.job)).await?;
        Ok(Self { quotas, seen: seen(tx, terms, submissions).await?, twins })
    }

    fn admit(&mut self, submission: &Submission) -> Admission {
        let Submission { job, keyed } = submission;
        if let Some(request) = keyed
            && let Some((fingerprint, made)) = self.seen.get(&(job.team.clone(), request.key.clone()))
        {
            return match *fingerprint == request.fingerprint {
                true => Admission::MadeBefore(made.clone()),
                false => Admission::KeyOfOtherRequest,
            };
        }
        let plan = (job.team.clone(), job.plan_hash());
        if keyed.is_none()
            && let Some(twin) = self.twins.get(&plan)
        {
            return Admission::Twin(twin.clone());
        }
        let quota = self.quotas.entry(job.team.clone()).or_insert(NOTHING);
        if quota.has_too_many_jobs() || quota.is_out_of_cpu() {
            return Admission::OverQuota(*quota);
        }
        let expected_us = job.expected.as_ref().map_or(0, |expected| expected.cpu_us);
        if quota.lacks_cpu_for(expected_us) {
            return Admission::TooCostly(*quota, expected_us);
        }
        quota.live_jobs += 1;
        quota.promised_cpu_us = quota.promised_cpu_us.saturating_add(expected_us);
        let id = JobId::random();
        self.twins.insert(plan, id.clone());
        if let Some(request) = keyed {
            let made = (request.fingerprint.clone(), id.clone());
            self.seen.insert((job.team.clone(), request.key.clone()), made);
        }
        Admission::Queued(id, *quota)
    }
}

async fn seen(
    tx: &mut WriteTx,
    terms: &IntakeTerms,
    submissions: &[Submission],
) -> Result<HashMap<(TeamId, String), (String, JobId)>, JobsError> {
    let keyed = submissions
        .iter()
        .filter_map(|submission| submission.keyed.as_ref().map(|request| (&submission.job.team, request.key.as_str())));
    let found = idempotency::find_all_in(tx, &keyed.collect::<Vec<_>>(), terms.key_valid_s).await?;
    let read = |(key, (fingerprint, subject)): (_, (String, String))| {
        let job = subject.parse().map_err(|error| JobsError::unreadable("idempotency_keys.subject", error))?;
        Ok((key, (fingerprint, job)))
    };
    found.into_iter().map(read).collect()
}
