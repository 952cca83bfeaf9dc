//! What will become of the queue: it is played forward by the rule that workers claim by, with times from history. No database.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeSet, BinaryHeap},
};

use super::pace::Pace;

/// Most claims that a forecast plays; a longer queue gets fewer variants, then none at all. About 10 ms.
const CLAIMS_MAX: u64 = 100_000;

/// Quantiles of the normal distribution in the middle of 20 equal parts.
const DEVIATIONS: [f64; 20] = [
    -1.960, -1.440, -1.150, -0.935, -0.755, -0.598, -0.454, -0.319, -0.189, -0.063, 0.063, 0.189, 0.319, 0.454, 0.598,
    0.755, 0.935, 1.150, 1.440, 1.960,
];
/// Variants to leave out at each end: between the others are 17 of 20, a little more than the four of five that are promised.
const TAIL: usize = 1;

/// The live part of the queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    /// Tasks that run at the same time, over all processes.
    pub(super) workers: u32,
    /// Teams with live jobs, in the order of their ids.
    pub(super) teams: Vec<Team>,
    /// Live jobs; those of a team in the order in which it wants them.
    pub(super) jobs: Vec<Job>,
}

/// A team.
#[derive(Debug, Clone, Copy)]
pub(super) struct Team {
    /// Its share beside the other teams'.
    pub(super) weight: f64,
    /// Time since it last got a worker, in seconds.
    pub(super) waited_s: f64,
    /// Most tasks that it may run at the same time.
    pub(super) running_max: u32,
}

/// A job that has not ended.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// Its team's index.
    pub(super) team: usize,
    /// Nothing of it has been claimed yet.
    pub(super) is_queued: bool,
    /// What is left of it: its open stage and those that follow.
    pub(super) stages: Vec<Stage>,
}

/// What is left of a stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage {
    /// Tasks that nobody has claimed.
    pub(super) unclaimed: u32,
    /// Tasks that run.
    pub(super) running: u32,
    /// What each of those has left, as a share of a task, 0..=1.
    pub(super) rest: f64,
    /// What a task takes; `None` where nothing like it was ever run.
    pub(super) pace: Option<Pace>,
}

/// What is foreseen for a job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlook {
    /// Place among all queued jobs of all teams in the order in which they will begin, from 1; `None` where it has begun.
    pub position: Option<u32>,
    /// Seconds until its first task is claimed; `None` where it has begun.
    pub begins_s: Option<Span>,
    /// Seconds until it ends.
    pub ends_s: Option<Span>,
    /// Seconds from its first claim to its end; `None` where it has begun.
    pub runs_s: Option<Span>,
}

/// A time in seconds from now and how sure it is: it comes between `low` and `high` in four of five cases, as far as history goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Hardly sooner.
    pub low: f64,
    /// Most likely.
    pub likely: f64,
    /// Hardly later.
    pub high: f64,
}

/// The outlook of each job, in the order of `queue.jobs`; empty where the queue is too long to be played.
///
/// Positions need no history. Times are told only where the pace of every live job is known, and where there are workers at all.
pub(super) fn outlooks(queue: &Queue) -> Vec<Outlook> {
    let claims = queue.jobs.iter().flat_map(|job| &job.stages).map(|stage| u64::from(stage.unclaimed) + 1).sum::<u64>();
    let Some(variants) = variants(claims) else { return Vec::new() };
    let positions = positions(&play(&Queue { workers: queue.workers.max(1), ..queue.clone() }, |_| 0.0), queue);
    let is_known = queue.jobs.iter().flat_map(|job| &job.stages).all(|stage| stage.pace.is_some());
    if queue.workers == 0 || !is_known {
        let unknown = |position| Outlook { position, begins_s: None, ends_s: None, runs_s: None };
        return positions.into_iter().map(unknown).collect();
    }
    let likely = play(queue, |_| 0.0);
    let played: Vec<Course> = variants.iter().map(|variant| play(queue, |job| variant.deviations(job))).collect();
    let span = |job: usize, likely: f64, of: fn(&Times) -> f64| {
        let mut all: Vec<f64> = played.iter().map(|course| of(&course.times[job])).collect();
        all.sort_by(f64::total_cmp);
        let tail = if all.len() == DEVIATIONS.len() { TAIL } else { 0 };
        Span { low: all[tail].min(likely), likely, high: all[all.len() - 1 - tail].max(likely) }
    };
    let outlook = |(job, position): (usize, Option<u32>)| Outlook {
        position,
        begins_s: position.map(|_| span(job, likely.times[job].begins_s, |times| times.begins_s)),
        ends_s: Some(span(job, likely.times[job].ends_s, |times| times.ends_s)),
        runs_s: position.map(|_| span(job, likely.times[job].runs_s(), Times::runs_s)),
    };
    positions.into_iter().enumerate().map(outlook).collect()
}

/// One way in which the jobs may turn out slower or faster than their history.
enum Variant {
    /// All jobs alike.
    Together(f64),
    /// Each job by itself: a Latin hypercube (McKay, Beckman and Conover 1979), in which every job goes once through all of
    /// [`DEVIATIONS`], in an order of its own. Nothing in it is random, so that a forecast does not flicker.
    Apart(usize),
}

impl Variant {
    fn deviations(&self, job: usize) -> f64 {
        /// Coprime to the number of deviations, so that multiples go through all of them.
        const STRIDES: [usize; 8] = [1, 3, 7, 9, 11, 13, 17, 19];
        match self {
            Self::Together(deviations) => *deviations,
            Self::Apart(number) => {
                // Knuth's multiplicative hash spreads neighbours.
                let spread = job.wrapping_add(1).wrapping_mul(2_654_435_761) >> 7;
                let stride = STRIDES[spread % STRIDES.len()];
                DEVIATIONS[(number * stride + spread / STRIDES.len()) % DEVIATIONS.len()]
            }
        }
    }
}

/// As many variants as can be played with so many claims each; `None` where not even two can.
fn variants(claims: u64) -> Option<Vec<Variant>> {
    if claims * (DEVIATIONS.len() as u64 + 2) <= CLAIMS_MAX {
        Some((0..DEVIATIONS.len()).map(Variant::Apart).collect())
    } else if claims * 4 <= CLAIMS_MAX {
        // The 10th and the 90th percentile.
        Some(vec![Variant::Together(-1.282), Variant::Together(1.282)])
    } else {
        None
    }
}

fn positions(course: &Course, queue: &Queue) -> Vec<Option<u32>> {
    let mut positions = vec![None; queue.jobs.len()];
    for (place, &job) in course.begun.iter().enumerate() {
        positions[job] = Some(place as u32 + 1);
    }
    positions
}

/// How the queue went in one play.
#[derive(Debug, Default)]
struct Course {
    times: Vec<Times>,
    /// The queued jobs in the order in which they began.
    begun: Vec<usize>,
}

/// When a job began and ended, in seconds from now.
#[derive(Debug, Default, Clone, Copy)]
struct Times {
    begins_s: f64,
    ends_s: f64,
}

impl Times {
    fn runs_s(&self) -> f64 {
        self.ends_s - self.begins_s
    }
}

/// What a task takes where nothing is known: any number, as only the order is looked at then.
const UNKNOWN_S: f64 = 1.0;

/// Plays the queue to its end; `deviations` says by how many standard deviations a job differs from its history.
fn play(queue: &Queue, deviations: impl Fn(usize) -> f64) -> Course {
    let mut play = Play::begin(queue, deviations);
    loop {
        while play.free > 0 && play.claim() {}
        if !play.advance() {
            return play.course;
        }
    }
}

struct Play<'a, D> {
    queue: &'a Queue,
    deviations: D,
    now_s: f64,
    free: u32,
    teams: Vec<TeamState>,
    jobs: Vec<JobState>,
    /// Running tasks by the time at which they end.
    running: BinaryHeap<Reverse<Running>>,
    course: Course,
}

#[derive(Default)]
struct TeamState {
    running: u32,
    claimed_s: f64,
    /// Its jobs with unclaimed tasks, in its order.
    ready: BTreeSet<usize>,
}

#[derive(Default)]
struct JobState {
    stage: usize,
    unclaimed: u32,
    running: u32,
    has_begun: bool,
}

struct Running {
    ends_s: f64,
    job: usize,
}

impl<'a, D: Fn(usize) -> f64> Play<'a, D> {
    fn begin(queue: &'a Queue, deviations: D) -> Self {
        let teams = queue.teams.iter().map(|team| TeamState { claimed_s: -team.waited_s, ..TeamState::default() });
        let mut play = Self {
            queue,
            deviations,
            now_s: 0.0,
            free: queue.workers,
            teams: teams.collect(),
            jobs: queue.jobs.iter().map(|_| JobState::default()).collect(),
            running: BinaryHeap::new(),
            course: Course { times: vec![Times::default(); queue.jobs.len()], begun: Vec::new() },
        };
        for (job, found) in queue.jobs.iter().enumerate() {
            play.jobs[job].has_begun = !found.is_queued;
            play.open(job);
            if let Some(stage) = found.stages.first() {
                for _ in 0..stage.running {
                    play.run(job, play.task_s(job) * stage.rest);
                }
            }
        }
        play
    }

    /// Makes the tasks of the job's present stage claimable.
    fn open(&mut self, job: usize) {
        let state = &mut self.jobs[job];
        if let Some(stage) = self.queue.jobs[job].stages.get(state.stage) {
            state.unclaimed = stage.unclaimed;
            if stage.unclaimed > 0 {
                self.teams[self.queue.jobs[job].team].ready.insert(job);
            }
        }
    }

    /// Gives a free worker the task that a claim would; false where there is none.
    fn claim(&mut self) -> bool {
        let Some(team) = self.next_team() else { return false };
        let Some(&job) = self.teams[team].ready.first() else { return false };
        self.teams[team].claimed_s = self.now_s;
        let state = &mut self.jobs[job];
        state.unclaimed -= 1;
        if state.unclaimed == 0 {
            self.teams[team].ready.remove(&job);
        }
        if !std::mem::replace(&mut state.has_begun, true) {
            self.course.times[job].begins_s = self.now_s;
            self.course.begun.push(job);
        }
        self.run(job, self.task_s(job));
        true
    }

    /// The precedence of `share.rs`: least of its share in use, then longest wait by weight, then id.
    fn next_team(&self) -> Option<usize> {
        let may_claim = |team: &usize| {
            let state = &self.teams[*team];
            !state.ready.is_empty() && state.running < self.queue.teams[*team].running_max
        };
        let order = |one: &usize, other: &usize| {
            let used = |team: usize| f64::from(self.teams[team].running) / self.queue.teams[team].weight;
            let waited = |team: usize| (self.now_s - self.teams[team].claimed_s) * self.queue.teams[team].weight;
            used(*one).total_cmp(&used(*other)).then(waited(*other).total_cmp(&waited(*one)))
        };
        (0..self.teams.len()).filter(may_claim).min_by(order)
    }

    fn run(&mut self, job: usize, seconds: f64) {
        self.free = self.free.saturating_sub(1);
        self.teams[self.queue.jobs[job].team].running += 1;
        self.jobs[job].running += 1;
        self.running.push(Reverse(Running { ends_s: self.now_s + seconds, job }));
    }

    fn task_s(&self, job: usize) -> f64 {
        let stage = self.queue.jobs[job].stages.get(self.jobs[job].stage);
        stage.and_then(|stage| stage.pace).map_or(UNKNOWN_S, |pace| pace.seconds((self.deviations)(job)))
    }

    /// Goes on to the end of the next task; false where none runs.
    fn advance(&mut self) -> bool {
        let Some(Reverse(ended)) = self.running.pop() else { return false };
        self.now_s = ended.ends_s;
        self.teams[self.queue.jobs[ended.job].team].running -= 1;
        let state = &mut self.jobs[ended.job];
        state.running -= 1;
        if state.running == 0 && state.unclaimed == 0 {
            state.stage += 1;
            self.course.times[ended.job].ends_s = self.now_s;
            self.open(ended.job);
        }
        // More tasks may run than there are workers, where a process has just gone.
        self.free = self.queue.workers.saturating_sub(self.running.len() as u32);
        true
    }
}

impl PartialEq for Running {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Running {}

impl PartialOrd for Running {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Running {
    fn cmp(&self, other: &Self) -> Ordering {
        self.ends_s.total_cmp(&other.ends_s).then(self.job.cmp(&other.job))
    }
}

#[cfg(test)]
mod tests;
