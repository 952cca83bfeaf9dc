//! Runs one Markov chain of a fit, in steps short enough to report progress and to be stopped, with checkpoints between them.

use std::time::{Duration, Instant};

use super::{
    chain_state::{ChainCost, ChainPlace, ChainState, doubles_to_bytes},
    digest::Made,
    outputs::{ChainDone, Done, cost},
    pinned::{FitPlan, PinnedPlugin},
    task::{GuestLines, Task},
};
use crate::{
    catalog::build_history,
    domain::{history::History, plugin::Usage, problem::Problem},
    jobs::{LogLevel, TaskFailure},
    plugins::{ChainSession, Outcome, PluginFailure, Progress, RefusalKind},
};

/// Iterations of the first step; later ones follow the time that it took.
const FIRST_STEP_ITERATIONS: u32 = 4;

/// Most iterations of a step.
const STEP_ITERATIONS_MAX: u32 = 1_000;

/// A checkpoint waits for at least this many times as long as the last one took to write.
const CHECKPOINT_PAUSES: u32 = 20;

/// Runs chain `chain` of fit `fit` to its end.
///
/// # Errors
/// Where the calibrator fails or the task must stop.
pub fn run_chain(task: &Task<'_>, fit: usize, chain: u32) -> Result<Done<ChainDone>, TaskFailure> {
    let plugin = task.spec.calibrator()?;
    let plan = task.spec.fit(fit)?;
    let history = load_history(task, plan)?;
    let mut run = ChainRun::start(task, plugin, plan, &history, chain)?;
    let progress = run.run_to_the_end()?;
    run.finish(&progress)
}

/// The history of a fit.
fn load_history(task: &Task<'_>, plan: &FitPlan) -> Result<History, TaskFailure> {
    let pinned = task.spec.history.get(plan.races.clone());
    let pinned = pinned.ok_or_else(|| Problem::internal("A fit has no races."))?;
    Ok(build_history(&task.races(pinned)?, plan.half_life_races))
}

/// A chain on its way.
struct ChainRun<'a> {
    task: &'a Task<'a>,
    label: &'a str,
    session: ChainSession,
    lines: GuestLines,
    /// What earlier attempts left: draws and cost. The guest's own state in it is that of the last checkpoint.
    state: ChainState,
    /// Cost of earlier attempts.
    before: ChainCost,
    /// Where the chain stands since the last step.
    place: Option<ChainPlace>,
    step_iterations: u32,
    checkpointed: Instant,
    checkpoint_pause: Duration,
}

impl<'a> ChainRun<'a> {
    fn start(
        task: &'a Task<'a>,
        plugin: &'a PinnedPlugin,
        plan: &FitPlan,
        history: &History,
        chain: u32,
    ) -> Result<Self, TaskFailure> {
        let loaded = task.load(plugin)?;
        let saved = last_state(task)?;
        let (call, lines) = task.call(plugin, saved.cost.usage.fuel);
        let opened = |call| loaded.open_chain(call, history, &plugin.params, plan.seed, chain);
        let (session, state) = if saved.guest.is_empty() {
            (opened(&call)?, ChainState::default())
        } else {
            match loaded.restore_chain(&call, history, &plugin.params, plan.seed, chain, &saved.guest) {
                Ok(mut session) => {
                    if let Some(place) = saved.cost.place {
                        session.resume_at(place.iterations_done, place.iterations_total, saved.draws.len());
                    }
                    task.context.log(LogLevel::Info, &format!("chain {chain} goes on from its checkpoint"));
                    (session, saved)
                }
                Err(failure) if is_foreign_checkpoint(&failure) => {
                    task.context.log(LogLevel::Warn, &format!("{failure}; the chain starts over"));
                    (opened(&call)?, ChainState::default())
                }
                Err(failure) => return Err(failure.into()),
            }
        };
        Ok(Self {
            task,
            label: &plugin.label,
            session,
            lines,
            before: state.cost,
            place: state.cost.place,
            state,
            step_iterations: FIRST_STEP_ITERATIONS,
            checkpointed: Instant::now(),
            checkpoint_pause: Duration::from_millis(task.pipeline.config.checkpoint_ms),
        })
    }

    fn run_to_the_end(&mut self) -> Result<Progress, TaskFailure> {
        loop {
            let started = Instant::now();
            let stepped = self.session.step(self.step_iterations);
            self.lines.flush(self.task.context);
            let progress = stepped?;
            self.state.draws.extend(self.session.take_draws()?);
            self.place = Some(ChainPlace {
                iterations_done: progress.iterations_done,
                iterations_total: progress.iterations_total,
            });
            let phase = if progress.is_warming_up { "warm-up" } else { "sampling" };
            let note = format!("{phase}, iteration {} of {}", progress.iterations_done, progress.iterations_total);
            let share = f64::from(progress.iterations_done) / f64::from(progress.iterations_total.max(1));
            self.task.context.progress(share, &note);
            if progress.is_done() {
                return Ok(progress);
            }
            self.step_iterations =
                next_step(self.step_iterations, started.elapsed(), self.task.pipeline.config.step_ms);
            if self.checkpointed.elapsed() >= self.checkpoint_pause {
                self.checkpoint()?;
            }
        }
    }

    /// Makes what is done so far durable.
    fn checkpoint(&mut self) -> Result<(), TaskFailure> {
        let started = Instant::now();
        self.state.guest = self.session.checkpoint()?;
        self.state.cost = self.cost();
        self.task.context.save_checkpoint(&self.state.to_bytes())?;
        self.checkpointed = Instant::now();
        let pause = Duration::from_millis(self.task.pipeline.config.checkpoint_ms);
        self.checkpoint_pause = pause.max(started.elapsed() * CHECKPOINT_PAUSES);
        Ok(())
    }

    /// Cost of this attempt and the earlier ones that it goes on from.
    fn cost(&self) -> ChainCost {
        let mut usage: Usage = self.before.usage;
        usage.add(&self.session.usage());
        ChainCost { place: self.place, usage, wall_ms: self.before.wall_ms + self.task.wall_ms() }
    }

    fn finish(self, progress: &Progress) -> Result<Done<ChainDone>, TaskFailure> {
        let total = self.cost();
        let draws = self.task.context.put_artifact(doubles_to_bytes(&self.state.draws).into())?;
        let work = ChainDone {
            layout: self.session.layout().to_vec(),
            draws: draws.to_string(),
            divergences: progress.divergences,
            gradients: progress.gradients,
        };
        let made = vec![Made::new(self.label, work.draws.clone())];
        Ok(Done::new(work, total.wall_ms, vec![cost(self.label, total.usage)]).made(made))
    }
}

/// What the last checkpoint holds; the empty state where there is none. A damaged one costs time, not the result.
fn last_state(task: &Task<'_>) -> Result<ChainState, TaskFailure> {
    let Some(bytes) = task.context.last_checkpoint()? else { return Ok(ChainState::default()) };
    Ok(ChainState::from_bytes(&bytes).unwrap_or_else(|error| {
        task.context.log(LogLevel::Warn, &format!("{error}; the chain starts over"));
        ChainState::default()
    }))
}

fn is_foreign_checkpoint(failure: &PluginFailure) -> bool {
    matches!(failure.outcome, Outcome::Refused { kind: RefusalKind::ForeignCheckpoint, .. })
}

/// Iterations of the next step, such that it takes about `step_ms`; at most doubled, for warm-up speeds up and slows down.
fn next_step(iterations: u32, took: Duration, step_ms: u64) -> u32 {
    let factor = (step_ms as f64 / 1e3 / took.as_secs_f64().max(1e-6)).clamp(0.1, 2.0);
    ((f64::from(iterations) * factor) as u32).clamp(1, STEP_ITERATIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_approach_the_aim_and_stay_within_their_limits() {
        let ms = Duration::from_millis;
        assert_eq!(next_step(10, ms(100), 100), 10);
        assert_eq!(next_step(10, ms(1), 100), 20);
        assert_eq!(next_step(10, ms(200), 100), 5);
        assert_eq!(next_step(1, ms(60_000), 100), 1);
        assert_eq!(next_step(900, ms(1), 100), STEP_ITERATIONS_MAX);
    }
}
