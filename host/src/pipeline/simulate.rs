//! Draws one block of scenarios, lets the constraints judge them, and replaces what they veto until the block is full.

use super::{
    columns::encode_scenarios,
    digest::{Digest, Made},
    misbehaviour,
    outputs::{BlockDone, Done, LeftOut, Simulated, cost},
    pinned::{PinnedPlugin, SimulationPlan},
    posterior::posterior,
    tally::tally,
    task::{GuestLines, Task},
    veto::{VetoCounts, merge_verdicts},
};
use crate::{
    catalog::race_setup,
    domain::{
        plugin::VetoReason,
        problem::Problem,
        scenario::{RaceSetup, ScenarioBlock},
        spec::OnFailure,
    },
    jobs::TaskFailure,
    plugins::{GeneratorSession, PluginFailure, ScenarioJudgeSession},
    results::ComponentCost,
};

/// Scenarios are numbered block by block with gaps, so that what one block redraws is never what another draws.
pub const BLOCK_NUMBERS: u64 = 1 << 32;

/// Scenarios drawn beyond those that are expected to be needed: a further call for the last few costs more.
const SPARE_SCENARIOS: u32 = 32;
/// What is drawn for what is expected to be needed: somewhat more.
const SURPLUS: f64 = 1.02;

/// Scenarios that are drawn to keep `wanted` of them in one block where the constraints veto next to nothing: a first batch, and where
/// something judges it a second one for what it was short of.
#[must_use]
pub fn draws(wanted: u32, is_judged: bool) -> f64 {
    let batches = if is_judged { 2.0 } else { 1.0 };
    f64::from(wanted) * SURPLUS + batches * f64::from(SPARE_SCENARIOS)
}

/// Fills block `block` of simulation `simulation` with `wanted` scenarios.
///
/// # Errors
/// Where a plugin fails whose failure is not to be skipped, or the constraints veto too much.
pub fn run_block(task: &Task<'_>, simulation: usize, block: u32, wanted: u32) -> Result<Done<Simulated>, TaskFailure> {
    let plan = task.spec.simulation(simulation)?;
    let posterior = posterior(task)?;
    let race = task.race(&plan.race)?;
    let setup = race_setup(&race, &posterior.drivers, &posterior.teams);
    let mut constraints: Vec<&PinnedPlugin> = task.spec.constraints.iter().collect();
    let mut left_out = Vec::new();
    let mut costs = Vec::new();
    let filled = loop {
        let plugin = &task.spec.generator;
        let (call, lines) = task.call(plugin, 0);
        let loaded = task.load(plugin)?;
        let generator = loaded.open_generator(&call, &posterior, &setup, &plugin.params, plan.seed)?;
        let first = u64::from(block) * BLOCK_NUMBERS;
        let mut fill = Fill {
            task,
            generator,
            lines,
            first,
            wanted,
            block: ScenarioBlock::empty(race.entries.len()),
            drawn: 0,
            generated: 0,
            vetoes: VetoCounts::default(),
            drawn_digest: Digest::default(),
            made: Vec::new(),
        };
        let outcome = fill.run(&constraints, &setup, &mut costs);
        costs.push(cost(&plugin.label, fill.generator.usage()));
        match outcome {
            Ok(()) => break fill,
            Err(FillFailure::Constraint(index, failure)) => {
                left_out.push(skip(task, constraints.remove(index), failure)?);
            }
            Err(FillFailure::Task(failure)) => return Err(failure),
        }
    };
    let artifact = task.context.put_artifact(encode_scenarios(&filled.block)?)?.to_string();
    let mut made = filled.made;
    made.push(Made::new(component_name(plan), artifact.clone()));
    let work = Simulated::Block(BlockDone {
        simulation,
        artifact,
        kept: u64::from(wanted),
        drawn: filled.drawn,
        generated: filled.generated,
        vetoes: filled.vetoes,
        tally: tally(&filled.block),
    });
    Ok(Done { work, wall_ms: task.wall_ms(), costs, left_out, made })
}

/// What a failed constraint's policy makes of its failure.
///
/// # Errors
/// The failure, unless the policy is to go on without the constraint. A stop is never a constraint's fault.
pub fn skip(task: &Task<'_>, constraint: &PinnedPlugin, failure: PluginFailure) -> Result<LeftOut, TaskFailure> {
    if failure.is_stop() || failure.is_retryable() || constraint.on_failure == OnFailure::FailClosed {
        return Err(failure.into());
    }
    misbehaviour::note(task, constraint, &failure.to_problem());
    Ok(LeftOut { plugin: constraint.label.clone(), reason: failure.to_string() })
}

enum FillFailure {
    /// The constraint with this index failed itself.
    Constraint(usize, PluginFailure),
    /// Everything else.
    Task(TaskFailure),
}

impl<E: Into<TaskFailure>> From<E> for FillFailure {
    fn from(error: E) -> Self {
        Self::Task(error.into())
    }
}

/// A judge, the reasons that its verdicts stand for, and where its log goes.
struct Judge {
    session: ScenarioJudgeSession,
    label: String,
    reasons: Vec<VetoReason>,
    lines: GuestLines,
    verdicts: Digest,
}

/// A block that is being filled.
struct Fill<'a> {
    task: &'a Task<'a>,
    generator: GeneratorSession,
    lines: GuestLines,
    /// Number of the block's first scenario.
    first: u64,
    wanted: u32,
    block: ScenarioBlock,
    drawn: u64,
    generated: u64,
    vetoes: VetoCounts,
    /// All scenarios that were drawn, those of the surplus included.
    drawn_digest: Digest,
    /// What the plugins made, once the block is full.
    made: Vec<Made>,
}

impl Fill<'_> {
    fn run(
        &mut self,
        constraints: &[&PinnedPlugin],
        setup: &RaceSetup,
        costs: &mut Vec<ComponentCost>,
    ) -> Result<(), FillFailure> {
        let mut judges = Vec::with_capacity(constraints.len());
        let mut outcome = Ok(());
        for (index, constraint) in constraints.iter().enumerate() {
            match self.open_judge(constraint, setup) {
                Ok(judge) => judges.push(judge),
                Err(OpenFailure::Plugin(failure)) => {
                    outcome = Err(FillFailure::Constraint(index, failure));
                    break;
                }
                Err(OpenFailure::Task(failure)) => return Err(FillFailure::Task(failure)),
            }
        }
        while outcome.is_ok() && self.missing() > 0 {
            outcome = self.batch(&mut judges);
        }
        costs.extend(judges.iter().map(|judge| cost(&judge.label, judge.session.usage())));
        self.made.push(std::mem::take(&mut self.drawn_digest).made_by(&self.task.spec.generator.label));
        self.made.extend(judges.into_iter().map(|judge| judge.verdicts.made_by(&judge.label)));
        outcome
    }

    fn open_judge(&self, constraint: &PinnedPlugin, setup: &RaceSetup) -> Result<Judge, OpenFailure> {
        let loaded = self.task.load(constraint).map_err(OpenFailure::Task)?;
        let (call, lines) = self.task.call(constraint, 0);
        let session = loaded.open_scenario_judge(&call, setup, &constraint.params).map_err(OpenFailure::Plugin)?;
        let reasons = loaded.description().veto_reasons.clone();
        Ok(Judge { session, label: constraint.label.clone(), reasons, lines, verdicts: Digest::default() })
    }

    fn missing(&self) -> u32 {
        self.wanted - self.block.scenarios as u32
    }

    /// Draws and judges what is missing, with a surplus for the vetoes to be expected. Scenarios after the one that fills the
    /// block are dropped uncounted, so that `drawn` is exactly kept plus vetoed.
    fn batch(&mut self, judges: &mut [Judge]) -> Result<(), FillFailure> {
        let candidates = self.generator.generate(self.first + self.drawn, self.batch_size())?;
        self.lines.flush(self.task.context);
        self.drawn_digest.scenarios(&candidates);
        self.generated += candidates.scenarios as u64;
        let mut first = vec![(0_u16, 0_u8); candidates.scenarios];
        for (index, judge) in judges.iter_mut().enumerate() {
            let verdicts = judge.session.judge(&candidates);
            judge.lines.flush(self.task.context);
            let verdicts = verdicts.map_err(|failure| FillFailure::Constraint(index, failure))?;
            judge.verdicts.bytes(&verdicts);
            merge_verdicts(&mut first, index, &verdicts);
        }
        for (row, &(constraint, verdict)) in first.iter().enumerate() {
            if self.missing() == 0 {
                break;
            }
            self.drawn += 1;
            if verdict == 0 {
                self.block.push_row_of(&candidates, row);
            } else {
                let judge = &judges[usize::from(constraint) - 1];
                self.vetoes.count(&judge.label, &judge.reasons[usize::from(verdict) - 1].code);
            }
        }
        let share = self.block.scenarios as f64 / f64::from(self.wanted);
        self.task.context.progress(share, &format!("{} scenarios drawn", self.drawn));
        self.give_up_if_hopeless()
    }

    fn batch_size(&self) -> u32 {
        let kept_share = (self.block.scenarios as f64 + 1.0) / (self.drawn as f64 + 1.0);
        let expected = f64::from(self.missing()) / kept_share.max(0.05);
        (expected * SURPLUS) as u32 + SPARE_SCENARIOS
    }

    fn give_up_if_hopeless(&self) -> Result<(), FillFailure> {
        let limit = self.task.pipeline.config.draws_per_scenario_max;
        if self.missing() == 0 || self.drawn < u64::from(self.wanted) * u64::from(limit) {
            return Ok(());
        }
        let detail = format!(
            "Of {} scenarios drawn, {} were vetoed; {} were wanted.",
            self.drawn,
            self.vetoes.total(),
            self.wanted
        );
        let action =
            "Loosen the constraints' parameters, or leave out the constraint that vetoes most (the log counts them).";
        let problem = Problem::new("veto-rate-too-high", "The constraints veto almost everything", detail, action)
            .at("/scenarios/constraints")
            .with_limit(format!("{limit} draws per scenario wanted"));
        Err(problem.into())
    }
}

enum OpenFailure {
    Plugin(PluginFailure),
    Task(TaskFailure),
}

/// What the plan of a simulation is for, as a component of the result.
#[must_use]
pub fn component_name(plan: &SimulationPlan) -> &'static str {
    match plan.purpose {
        super::pinned::Purpose::Choice => "simulation",
        super::pinned::Purpose::Validation => "validation",
        super::pinned::Purpose::Sensitivity(_) => "sensitivity",
    }
}
