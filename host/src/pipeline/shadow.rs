//! Runs candidates beside the job's plugins, on the same inputs and with budgets of their own. Nothing that a candidate does reaches
//! the result, and its failure is an output like any other.
//!
//! Constraints judge what the promoted version has judged: scenarios are drawn again by their numbers, lineups were kept. A generator
//! draws those numbers too. A calibrator, and a generator that forecasts, goes the same way as the job's, on a plan of its own (`beside`).

use std::{collections::BTreeMap, ops::Range};

use serde::Serialize;

use super::{
    beside::Beside,
    contest_view::slate_view,
    fit, forecast,
    misbehaviour::{self, blames},
    outputs::{self, Attempted, BlockDone, ChoiceDone, Done, DrawsDone, FinishSums, Shadowed, Simulated, VerdictsDone},
    pinned::{PinnedPlugin, PinnedSpec},
    posterior::{self, posterior},
    simulate::BLOCK_NUMBERS,
    stages::{OPTIMIZE, SIMULATE},
    task::Task,
};
use crate::{
    catalog::race_setup,
    domain::{
        lineup::Lineup,
        model::Posterior,
        problem::Problem,
        scenario::{RaceSetup, ScenarioBlock},
    },
    jobs::{TaskFailure, TaskOutput},
    plugins::{CallContext, GeneratorSession},
};

/// Scenarios that are drawn and judged at a time.
const BATCH_SCENARIOS: u64 = 2_500;

/// Verdicts that differ and are told one by one.
pub const EXAMPLES_MAX: usize = 20;

/// Runs chain `chain` of the candidate's fit `fit`.
///
/// # Errors
/// Where the task must stop or the storage fails; so for the others.
pub fn run_chain(task: &Task<'_>, fit: usize, chain: u32) -> Result<TaskOutput, TaskFailure> {
    let beside = plan(task)?;
    let lane = task.beside(&beside.spec, beside.has_fits);
    output(&attempt(&lane, beside.spec.calibrator()?, || fit::run_chain(&lane, fit, chain))?)
}

/// Joins the chains of the candidate's fit `fit`.
///
/// # Errors
/// As [`run_chain`].
pub fn assemble(task: &Task<'_>, fit: usize) -> Result<TaskOutput, TaskFailure> {
    let beside = plan(task)?;
    let lane = task.beside(&beside.spec, beside.has_fits);
    output(&attempt(&lane, beside.spec.calibrator()?, || posterior::assemble(&lane, fit))?)
}

/// Runs forecast `index` with the candidate.
///
/// # Errors
/// As [`run_chain`].
pub fn run_forecast(task: &Task<'_>, index: usize) -> Result<TaskOutput, TaskFailure> {
    let beside = plan(task)?;
    let lane = task.beside(&beside.spec, beside.has_fits);
    let candidate = if beside.has_fits { beside.spec.calibrator()? } else { &beside.spec.generator };
    let (work, costs) = match attempt(&lane, candidate, || forecast::run_forecast(&lane, index))? {
        Attempted::Done(Done { work: Simulated::Forecast(forecast), costs, .. }) => {
            (Shadowed::Forecast(forecast), costs)
        }
        Attempted::Done(_) => return Err(Problem::internal("A forecast came to something else.").into()),
        Attempted::Failed(problem) => (Shadowed::NoForecast(problem), Vec::new()),
    };
    Done::new(work, task.wall_ms(), costs).into_output()
}

/// Shows a candidate every scenario that block `block` of the choice drew.
///
/// # Errors
/// As [`run_chain`].
pub fn judge_scenarios(task: &Task<'_>, constraint: usize, block: u32) -> Result<TaskOutput, TaskFailure> {
    let (promoted, candidate) = pair(&task.spec.constraints, constraint)?;
    let lane = task.beside(task.spec, false);
    let verdicts = attempt(&lane, candidate, || judge_block(task, &lane, (promoted, candidate), block))?;
    Done::new(Shadowed::Scenarios(constraint, verdicts), task.wall_ms(), Vec::new()).into_output()
}

fn judge_block(
    task: &Task<'_>,
    lane: &Task<'_>,
    (promoted, candidate): (&PinnedPlugin, &PinnedPlugin),
    block: u32,
) -> Result<VerdictsDone, TaskFailure> {
    let drawn = Drawn::of(task, block)?;
    let plugin = &task.spec.generator;
    let (call, _) = task.call(plugin, 0);
    let mut generator = drawn.generator(task, plugin, &call)?;
    let (call, _) = task.call(promoted, 0);
    let mut known = task.load(promoted)?.open_scenario_judge(&call, &drawn.setup, &promoted.params)?;
    let (call, lines) = lane.call(candidate, 0);
    let mut judge = task.load(candidate)?.open_scenario_judge(&call, &drawn.setup, &candidate.params)?;
    let mut both = BothVerdicts::default();
    for (first, wanted) in drawn.batches() {
        let scenarios = generator.generate(first, wanted)?;
        let verdicts = known.judge(&scenarios)?;
        let found = judge.judge(&scenarios);
        lines.flush(task.context);
        both.add(first, &verdicts, &found?);
        task.context.progress(drawn.share_before(first + u64::from(wanted)), &candidate.label);
    }
    Ok(VerdictsDone { promoted: known.usage(), candidate: judge.usage(), ..both.done() })
}

/// Has a generator's candidate draw every scenario that block `block` of the choice drew.
///
/// # Errors
/// As [`run_chain`].
pub fn draw_scenarios(task: &Task<'_>, block: u32) -> Result<TaskOutput, TaskFailure> {
    let candidate = task.spec.generator.shadow.as_deref().ok_or_else(|| no_candidate(task.spec))?;
    let lane = task.beside(task.spec, false);
    let draws = attempt(&lane, candidate, || draw_block(task, &lane, candidate, block))?;
    Done::new(Shadowed::Draws(draws), task.wall_ms(), Vec::new()).into_output()
}

fn draw_block(
    task: &Task<'_>,
    lane: &Task<'_>,
    candidate: &PinnedPlugin,
    block: u32,
) -> Result<DrawsDone, TaskFailure> {
    let drawn = Drawn::of(task, block)?;
    let promoted = &task.spec.generator;
    let (call, _) = task.call(promoted, 0);
    let mut known = drawn.generator(task, promoted, &call)?;
    let (call, lines) = lane.call(candidate, 0);
    let mut generator = drawn.generator(task, candidate, &call)?;
    let mut both = DrawsDone { entries: vec![FinishSums::default(); drawn.setup.start.len()], ..DrawsDone::default() };
    for (first, wanted) in drawn.batches() {
        let scenarios = known.generate(first, wanted)?;
        let found = generator.generate(first, wanted);
        lines.flush(task.context);
        both.add(&scenarios, &found?);
        task.context.progress(drawn.share_before(first + u64::from(wanted)), &candidate.label);
    }
    Ok(DrawsDone { promoted: known.usage(), candidate: generator.usage(), ..both })
}

/// What a block of the simulation that the choice is made on has drawn, to be drawn again.
struct Drawn {
    posterior: Posterior,
    setup: RaceSetup,
    seed: u64,
    /// Numbers of the scenarios.
    numbers: Range<u64>,
}

impl Drawn {
    fn of(task: &Task<'_>, block: u32) -> Result<Self, TaskFailure> {
        let drawn = block_of(task, block)?.drawn;
        let first = u64::from(block) * BLOCK_NUMBERS;
        let plan = task.spec.simulation(0)?;
        let posterior = posterior(task)?;
        let setup = race_setup(&task.race(&plan.race)?, &posterior.drivers, &posterior.teams);
        Ok(Self { posterior, setup, seed: plan.seed, numbers: first..first + drawn })
    }

    fn generator(
        &self,
        task: &Task<'_>,
        plugin: &PinnedPlugin,
        call: &CallContext,
    ) -> Result<GeneratorSession, TaskFailure> {
        Ok(task.load(plugin)?.open_generator(call, &self.posterior, &self.setup, &plugin.params, self.seed)?)
    }

    /// First numbers of batches, and how many scenarios each has.
    fn batches(&self) -> impl Iterator<Item = (u64, u32)> {
        let Range { start, end } = self.numbers;
        (start..end)
            .step_by(BATCH_SCENARIOS as usize)
            .map(move |first| (first, BATCH_SCENARIOS.min(end - first) as u32))
    }

    fn share_before(&self, number: u64) -> f64 {
        (number - self.numbers.start) as f64 / (self.numbers.end - self.numbers.start) as f64
    }
}

/// Block `block` of the simulation that the choice is made on.
fn block_of(task: &Task<'_>, block: u32) -> Result<BlockDone, TaskFailure> {
    let blocks =
        outputs::read::<Simulated>(task.context.outputs(SIMULATE)?)?.into_iter().filter_map(|done| match done.work {
            Simulated::Block(block) if block.simulation == 0 => Some(block),
            _ => None,
        });
    let found = blocks.into_iter().nth(block as usize);
    found.ok_or_else(|| Problem::internal(format!("The simulation has no block {block}.")).into())
}

/// Shows a candidate the lineups that the search showed its constraints.
///
/// # Errors
/// As [`run_chain`].
pub fn judge_lineups(task: &Task<'_>, constraint: usize) -> Result<TaskOutput, TaskFailure> {
    let (promoted, candidate) = pair(&task.spec.lineup_constraints, constraint)?;
    let lane = task.beside(task.spec, false);
    let verdicts = attempt(&lane, candidate, || judge_shown(task, &lane, (promoted, candidate)))?;
    Done::new(Shadowed::Lineups(constraint, verdicts), task.wall_ms(), Vec::new()).into_output()
}

fn judge_shown(
    task: &Task<'_>,
    lane: &Task<'_>,
    (promoted, candidate): (&PinnedPlugin, &PinnedPlugin),
) -> Result<VerdictsDone, TaskFailure> {
    let shown = shown(task)?;
    let slate = task.slate()?;
    let race = task.race(&task.spec.simulation(0)?.race)?;
    let view = slate_view(&slate, &race, task.pipeline.contest(&slate.contest)?);
    let (call, _) = task.call(promoted, 0);
    let mut known = task.load(promoted)?.open_lineup_judge(&call, &view, &promoted.params)?;
    let (call, lines) = lane.call(candidate, 0);
    let mut judge = task.load(candidate)?.open_lineup_judge(&call, &view, &candidate.params)?;
    let verdicts = known.judge(&shown)?;
    let found = judge.judge(&shown);
    lines.flush(task.context);
    let mut both = BothVerdicts::default();
    both.add(0, &verdicts, &found?);
    Ok(VerdictsDone { promoted: known.usage(), candidate: judge.usage(), ..both.done() })
}

fn shown(task: &Task<'_>) -> Result<Vec<Lineup>, TaskFailure> {
    let choice = outputs::read::<ChoiceDone>(task.context.outputs(OPTIMIZE)?)?.pop();
    let Some(hash) = choice.and_then(|choice| choice.work.shown) else { return Ok(Vec::new()) };
    let read = serde_json::from_slice(&task.artifact(&hash)?);
    Ok(read.map_err(|error| Problem::internal(format!("The lineups cannot be read: {error}.")))?)
}

/// How many lineups a search is to keep of those that it shows its constraints.
#[must_use]
pub fn lineups_wanted(task: &Task<'_>) -> usize {
    let has_candidate = task.spec.lineup_constraints.iter().any(|constraint| constraint.shadow.is_some());
    if has_candidate { task.pipeline.config.shadow_lineups_max } else { 0 }
}

/// Keeps the lineups that constraints were shown, where a candidate is to see them too.
///
/// # Errors
/// Where the storage fails.
pub fn store_shown(task: &Task<'_>, shown: &[Lineup]) -> Result<Option<String>, TaskFailure> {
    if shown.is_empty() {
        return Ok(None);
    }
    let bytes = serde_json::to_vec(shown);
    let bytes = bytes.map_err(|error| Problem::internal(format!("The lineups could not be written: {error}.")))?;
    Ok(Some(task.context.put_artifact(bytes.into())?.to_string()))
}

/// Runs a candidate's part. Its failure, or that its budget is used up, is what it came to; a stop of the job is not.
fn attempt<T>(
    lane: &Task<'_>,
    candidate: &PinnedPlugin,
    run: impl FnOnce() -> Result<T, TaskFailure>,
) -> Result<Attempted<T>, TaskFailure> {
    let problem = match run() {
        Ok(done) => return Ok(Attempted::Done(done)),
        Err(TaskFailure::Fatal(problem)) => problem,
        // Another attempt might do better, but the last of them would fail the job.
        Err(TaskFailure::Retry(problem)) if problem.code == "plugin-host-failed" => problem,
        Err(TaskFailure::Stopped) if lane.context.interrupt().reason().is_none() => {
            Box::new(out_of_time(lane, candidate))
        }
        Err(failure) => return Err(failure),
    };
    if blames(&problem, candidate) {
        misbehaviour::note(lane, candidate, &problem);
    }
    Ok(Attempted::Failed(problem))
}

fn out_of_time(lane: &Task<'_>, candidate: &PinnedPlugin) -> Problem {
    let seconds = lane.pipeline.config.shadow_s;
    let detail = format!("{} took more than {seconds} s in one task.", candidate.label);
    let mut problem = Problem::new(
        "shadow-out-of-time",
        "The candidate took too long",
        detail,
        "Make it faster, or ask the operator to raise the named limit.",
    )
    .with_limit(format!("shadow_s = {seconds} s"));
    problem.plugin = Some(candidate.label.clone());
    problem
}

fn output<T: Serialize>(attempted: &Attempted<Done<T>>) -> Result<TaskOutput, TaskFailure> {
    let value = serde_json::to_value(attempted);
    let value = value.map_err(|error| Problem::internal(format!("An output could not be written: {error}.")))?;
    Ok(TaskOutput { value })
}

fn plan(task: &Task<'_>) -> Result<Beside, TaskFailure> {
    Ok(Beside::of(task.spec).ok_or_else(|| no_candidate(task.spec))?)
}

/// A constraint and its candidate.
fn pair(constraints: &[PinnedPlugin], index: usize) -> Result<(&PinnedPlugin, &PinnedPlugin), TaskFailure> {
    let found = constraints.get(index).and_then(|promoted| Some((promoted, promoted.shadow.as_deref()?)));
    found.ok_or_else(|| Problem::internal(format!("Constraint {index} has no candidate.")).into())
}

fn no_candidate(spec: &PinnedSpec) -> Problem {
    Problem::internal(format!("The plan with {} has no candidate.", spec.generator.label))
}

impl DrawsDone {
    /// Counts scenarios with the same numbers.
    fn add(&mut self, promoted: &ScenarioBlock, candidate: &ScenarioBlock) {
        let entries = self.entries.len();
        for (known, found) in promoted.finish.chunks(entries).zip(candidate.finish.chunks(entries)) {
            self.scenarios += 1;
            self.identical += u64::from(known == found);
            for (sums, (&known, &found)) in self.entries.iter_mut().zip(known.iter().zip(found)) {
                sums.promoted += u64::from(known);
                sums.candidate += u64::from(found);
                sums.squares += u64::from(known.abs_diff(found)).pow(2);
            }
        }
    }
}

/// How often each pair of verdicts was given.
#[derive(Default)]
struct BothVerdicts {
    pairs: BTreeMap<(u8, u8), u64>,
    examples: Vec<(u64, u8, u8)>,
}

impl BothVerdicts {
    /// Counts verdicts on what is numbered from `first` on.
    fn add(&mut self, first: u64, promoted: &[u8], candidate: &[u8]) {
        for (number, (&promoted, &candidate)) in (first..).zip(promoted.iter().zip(candidate)) {
            *self.pairs.entry((promoted, candidate)).or_default() += 1;
            if promoted != candidate && self.examples.len() < EXAMPLES_MAX {
                self.examples.push((number, promoted, candidate));
            }
        }
    }

    fn done(self) -> VerdictsDone {
        let pairs = self.pairs.into_iter().map(|((promoted, candidate), count)| (promoted, candidate, count));
        VerdictsDone { pairs: pairs.collect(), examples: self.examples, ..VerdictsDone::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_compared_by_their_numbers() {
        let block = |finish: [u16; 4]| ScenarioBlock {
            scenarios: 2,
            entries: 2,
            finish: finish.to_vec(),
            laps_led: vec![0; 4],
            fastest_laps: vec![0; 4],
            laps_completed: vec![3; 4],
            retired: vec![0; 4],
        };
        let mut both = DrawsDone { entries: vec![FinishSums::default(); 2], ..DrawsDone::default() };
        both.add(&block([1, 2, 1, 2]), &block([1, 2, 2, 1]));
        both.add(&block([2, 1, 2, 1]), &block([2, 1, 2, 1]));
        assert_eq!((both.scenarios, both.identical), (4, 3));
        let sums = |promoted, candidate| FinishSums { promoted, candidate, squares: 1 };
        assert_eq!(both.entries, [sums(6, 7), sums(6, 5)]);
    }

    #[test]
    fn verdicts_are_counted_in_pairs_and_the_first_that_differ_are_kept_by_number() {
        let mut both = BothVerdicts::default();
        both.add(100, &[0, 1, 2, 0], &[0, 1, 1, 2]);
        both.add(200, &[1; EXAMPLES_MAX], &[0; EXAMPLES_MAX]);
        let done = both.done();
        assert_eq!(done.pairs, [(0, 0, 1), (0, 2, 1), (1, 0, EXAMPLES_MAX as u64), (1, 1, 1), (2, 1, 1)]);
        assert_eq!((done.examples[0], done.examples[1]), ((102, 2, 1), (103, 0, 2)));
        assert_eq!((done.examples.len(), done.examples[2]), (EXAMPLES_MAX, (200, 1, 0)));
    }
}
