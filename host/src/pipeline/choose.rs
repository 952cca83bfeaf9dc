//! Chooses the lineups: scores the scenarios as the contest does, searches, and scores what was chosen again on fresh scenarios.

use std::collections::BTreeMap;

use super::{
    columns::decode_scenarios,
    contest_view::{search_space, slate_view},
    keeper::Keeper,
    lineup_rules::exposures,
    outputs::{self, ChoiceDone, Done, LeftOut, Simulated, cost},
    pinned::{PinnedPlugin, Purpose, derive_seed},
    shadow,
    simulate::skip,
    stages::SIMULATE,
    task::{GuestLines, Task},
};
use crate::{
    domain::{
        contest::Contest,
        lineup::Lineup,
        plugin::{Usage, VetoReason},
        problem::Problem,
        race::Race,
        scenario::ScenarioBlock,
        slate::Slate,
        spec::{JobSpec, Objective, OptimizeSpec, Together},
    },
    jobs::TaskFailure,
    optimize::{
        Certificate, Exposure, JointPortfolio, JointRequest, JudgeFailure, LineupJudge, LineupScore, Portfolio,
        PortfolioEnd, PortfolioRequest, ScoreMatrix, SearchFailure, SearchSpace, Session, TailValidation, Worth,
        joint_portfolio, objective_values, portfolio, score_lineups, validate_tail,
    },
    plugins::{LineupJudgeSession, PluginFailure, SlateView},
    results::{
        ComponentCost, DriverExposure, LineupDriver, LineupVeto, PortfolioLineup, PortfolioSummary, PortfolioWorth,
    },
    score::contest::score_matrix,
};

/// Name of the native optimizer among the components.
pub const OPTIMIZER: &str = "optimizer";

/// Share of scenarios in the tail that is shown where lineups are chosen for their mean.
const SHOWN_TAIL: f64 = 0.05;

/// Chooses the job's lineups.
///
/// # Errors
/// Where there is no lineup to choose, a constraint fails whose failure is not to be skipped, or the task must stop.
pub fn choose_lineups(task: &Task<'_>) -> Result<Done<ChoiceDone>, TaskFailure> {
    let JobSpec::Optimize(request) = &task.spec.request else {
        return Err(Problem::internal("Only an optimize job chooses lineups.").into());
    };
    let slate = task.slate()?;
    let plan = task.spec.simulation(0)?;
    let race = task.race(&plan.race)?;
    let contest = task.pipeline.contest(&slate.contest)?;
    let space = search_space(request, &slate, &race, contest)?;
    let matrix = scores(task, Purpose::Choice, contest, &race, &slate)?
        .ok_or_else(|| Problem::internal("There are no scenarios to choose on."))?;
    let mut chosen = Chooser {
        task,
        request,
        exposures: exposures(request, &slate)?,
        view: slate_view(&slate, &race, contest),
        costs: Vec::new(),
        left_out: Vec::new(),
        shown: Vec::new(),
    };
    let (portfolio, lineup_vetoes) = chosen.search(&matrix, &space)?;
    let lineups: Vec<Lineup> = portfolio.lineups.iter().map(|picked| picked.lineup.clone()).collect();
    let scored =
        score_lineups(&matrix, &lineups, shown_tail(request.objective)).map_err(|failure| search_failure(&failure))?;
    let fresh = scores(task, Purpose::Validation, contest, &race, &slate)?;
    let validated = fresh.map(|fresh| {
        let seed = derive_seed(request.scenarios.seed, "bootstrap");
        let interrupt = task.context.interrupt();
        validate_tail(&matrix, &fresh, &lineups, request.objective, seed, interrupt)
            .map_err(|failure| search_failure(&failure))
    });
    let shown = shown_lineups(&slate, &portfolio, scored, validated.transpose()?);
    let summary = PortfolioSummary {
        contest: contest.key.clone(),
        objective: request.objective,
        worth: portfolio.worth,
        exposure: exposure(&slate, &lineups),
        lineups: shown,
        end: portfolio.end,
        lineup_vetoes,
    };
    let Chooser { mut costs, left_out, shown, .. } = chosen;
    let native = Usage { cpu_ms: task.wall_ms(), calls: 1, ..Usage::default() };
    costs.push(cost(OPTIMIZER, native));
    let shown = shadow::store_shown(task, &shown)?;
    Ok(Done { work: ChoiceDone { portfolio: summary, shown }, wall_ms: task.wall_ms(), costs, left_out })
}

const fn shown_tail(objective: Objective) -> f64 {
    match objective {
        Objective::UpperCvar { alpha } => alpha,
        Objective::Mean | Objective::Probability { .. } | Objective::Quantile { .. } => SHOWN_TAIL,
    }
}

/// The contest's points of every slate entry in every scenario of the purpose; `None` where the job draws none for it.
fn scores(
    task: &Task<'_>,
    purpose: Purpose,
    contest: &Contest,
    race: &Race,
    slate: &Slate,
) -> Result<Option<ScoreMatrix>, TaskFailure> {
    let Some(simulation) = task.spec.simulations.iter().position(|plan| plan.purpose == purpose) else {
        return Ok(None);
    };
    let mut scenarios = ScenarioBlock::empty(race.entries.len());
    for done in outputs::read::<Simulated>(task.context.outputs(SIMULATE)?)? {
        match done.work {
            Simulated::Block(block) if block.simulation == simulation => {
                scenarios.append(&decode_scenarios(&task.artifact(&block.artifact)?)?);
            }
            _ => {}
        }
    }
    let start: Vec<u16> = race.entries.iter().map(|entry| entry.start).collect();
    let race_entries: Vec<u16> = slate.entries.iter().map(|entry| entry.race_entry).collect();
    let internal = |error: String| Problem::internal(format!("The scenarios cannot be scored: {error}."));
    let points =
        score_matrix(contest, &scenarios, &start, &race_entries).map_err(|error| internal(error.to_string()))?;
    let matrix = ScoreMatrix::new(slate.entries.len(), scenarios.scenarios, points);
    Ok(Some(matrix.map_err(|error| internal(error.to_string()))?))
}

/// The search, and what lineup constraints have to do with it.
struct Chooser<'a> {
    task: &'a Task<'a>,
    request: &'a OptimizeSpec,
    exposures: Vec<Exposure>,
    view: SlateView,
    costs: Vec<ComponentCost>,
    left_out: Vec<LeftOut>,
    /// What the constraints were shown, where a candidate is to see it too.
    shown: Vec<Lineup>,
}

impl Chooser<'_> {
    /// Searches, and again without a constraint that failed itself where its policy says so.
    fn search(&mut self, matrix: &ScoreMatrix, space: &SearchSpace) -> Result<(Chosen, Vec<LineupVeto>), TaskFailure> {
        let mut constraints: Vec<&PinnedPlugin> = self.task.spec.lineup_constraints.iter().collect();
        loop {
            let mut judges = match open_judges(self.task, &self.view, &constraints)? {
                Ok(judges) => judges,
                Err((index, failure)) => {
                    self.left_out.push(skip(self.task, constraints.remove(index), failure)?);
                    continue;
                }
            };
            let found = self.search_with(matrix, space, &mut judges);
            self.shown = std::mem::take(&mut judges.shown);
            self.costs.extend(judges.judges.iter().map(|judge| cost(&judge.label, judge.session.usage())));
            match (found, judges.failed.take()) {
                (Ok(portfolio), _) => {
                    let vetoes = judges.lineup_vetoes(&portfolio.vetoes_by_reason);
                    return Ok((portfolio, vetoes));
                }
                (Err(SearchFailure::Judge(_)), Some((index, failure))) => {
                    self.left_out.push(skip(self.task, constraints.remove(index), failure)?);
                }
                (Err(failure), _) => return Err(search_failure(&failure)),
            }
        }
    }

    fn search_with(
        &self,
        matrix: &ScoreMatrix,
        space: &SearchSpace,
        judges: &mut LineupJudges<'_>,
    ) -> Result<Chosen, SearchFailure> {
        let mut keeper = Keeper::new(self.task, &self.left_out);
        let resume = keeper.last_state();
        let mut session = Session { interrupt: self.task.context.interrupt(), watch: &mut keeper, resume };
        let judge: Option<&mut dyn LineupJudge> = if judges.judges.is_empty() { None } else { Some(judges) };
        let OptimizeSpec { objective, lineups, min_differences, together, .. } = *self.request;
        let (lineups, min_differences) = (lineups as usize, min_differences as usize);
        if together.is_none() && self.exposures.is_empty() {
            let request = PortfolioRequest { objective, lineups, min_differences };
            return portfolio(matrix, space, &request, judge, &mut session).map(Chosen::each_best);
        }
        let worth = together.map_or(Worth::Each(objective), Worth::Together);
        let request = JointRequest { worth, lineups, min_differences, exposures: self.exposures.clone() };
        let joint = joint_portfolio(matrix, space, &request, judge, &mut session)?;
        Chosen::joint(joint, together, objective, matrix)
    }
}

/// Lineups, however they were chosen.
struct Chosen {
    lineups: Vec<ChosenLineup>,
    end: PortfolioEnd,
    vetoes_by_reason: BTreeMap<u8, u64>,
    worth: Option<PortfolioWorth>,
}

struct ChosenLineup {
    lineup: Lineup,
    value: f64,
    certificate: Option<Certificate>,
    contribution: Option<f64>,
}

impl Chosen {
    /// Each one the best that was allowed beside the earlier ones.
    fn each_best(portfolio: Portfolio) -> Self {
        let lineups = portfolio.lineups.into_iter().map(|picked| ChosenLineup {
            lineup: picked.lineup,
            value: picked.value,
            certificate: Some(picked.certificate),
            contribution: None,
        });
        let Portfolio { end, vetoes_by_reason, .. } = portfolio;
        Self { lineups: lineups.collect(), end, vetoes_by_reason, worth: None }
    }

    /// Judged together.
    fn joint(
        joint: JointPortfolio,
        together: Option<Together>,
        objective: Objective,
        matrix: &ScoreMatrix,
    ) -> Result<Self, SearchFailure> {
        let JointPortfolio { value, upper_bound, swaps, feasible, end, vetoes_by_reason, .. } = joint;
        let lineups: Vec<Lineup> = joint.lineups.iter().map(|picked| picked.lineup.clone()).collect();
        let values = objective_values(matrix, &lineups, objective)?;
        let chosen = joint.lineups.into_iter().zip(values).map(|(picked, value)| ChosenLineup {
            lineup: picked.lineup,
            value,
            certificate: None,
            contribution: Some(picked.contribution),
        });
        let worth = Some(PortfolioWorth { together, value, upper_bound, swaps, feasible });
        Ok(Self { lineups: chosen.collect(), end, vetoes_by_reason, worth })
    }
}

/// Opens the judges; the inner error names the constraint that failed.
fn open_judges<'a>(
    task: &'a Task<'a>,
    view: &SlateView,
    constraints: &[&PinnedPlugin],
) -> Result<Result<LineupJudges<'a>, (usize, PluginFailure)>, TaskFailure> {
    let mut judges = Vec::with_capacity(constraints.len());
    for (index, constraint) in constraints.iter().enumerate() {
        let loaded = task.load(constraint)?;
        let (call, lines) = task.call(constraint, 0);
        match loaded.open_lineup_judge(&call, view, &constraint.params) {
            Ok(session) => judges.push(Judge {
                session,
                label: constraint.label.clone(),
                reasons: loaded.description().veto_reasons.clone(),
                lines,
            }),
            Err(failure) => return Ok(Err((index, failure))),
        }
    }
    let shown_max = shadow::lineups_wanted(task);
    Ok(Ok(LineupJudges { task, judges, shown: Vec::new(), shown_max, failed: None }))
}

struct Judge {
    session: LineupJudgeSession,
    label: String,
    reasons: Vec<VetoReason>,
    lines: GuestLines,
}

/// All lineup constraints as one: reasons are numbered through, in the order of the constraints.
struct LineupJudges<'a> {
    task: &'a Task<'a>,
    judges: Vec<Judge>,
    /// The first lineups that were judged, at most `shown_max`.
    shown: Vec<Lineup>,
    shown_max: usize,
    /// The constraint that failed itself.
    failed: Option<(usize, PluginFailure)>,
}

impl LineupJudges<'_> {
    fn lineup_vetoes(&self, by_reason: &BTreeMap<u8, u64>) -> Vec<LineupVeto> {
        let reasons = self.judges.iter().flat_map(|judge| judge.reasons.iter().map(|reason| (&judge.label, reason)));
        let numbered = reasons.zip(1_u8..);
        numbered
            .map(|((plugin, reason), number)| LineupVeto {
                plugin: plugin.clone(),
                reason: reason.code.clone(),
                count: by_reason.get(&number).copied().unwrap_or(0),
            })
            .collect()
    }
}

impl LineupJudge for LineupJudges<'_> {
    fn judge(&mut self, lineups: &[Lineup]) -> Result<Vec<u8>, JudgeFailure> {
        let room = self.shown_max - self.shown.len();
        self.shown.extend_from_slice(&lineups[..lineups.len().min(room)]);
        let mut merged = vec![0_u8; lineups.len()];
        let mut offset = 0_usize;
        for (index, judge) in self.judges.iter_mut().enumerate() {
            let verdicts = judge.session.judge(lineups);
            judge.lines.flush(self.task.context);
            let verdicts = verdicts.map_err(|failure| {
                let told = JudgeFailure(Box::new(failure.clone()));
                self.failed = Some((index, failure));
                told
            })?;
            for (slot, verdict) in merged.iter_mut().zip(verdicts) {
                if *slot == 0 && verdict != 0 {
                    // The plan refuses constraints with more than 255 reasons together.
                    *slot = u8::try_from(offset + usize::from(verdict)).unwrap_or(u8::MAX);
                }
            }
            offset += judge.reasons.len();
        }
        Ok(merged)
    }
}

fn search_failure(failure: &SearchFailure) -> TaskFailure {
    match failure {
        SearchFailure::Stopped(_) => TaskFailure::Stopped,
        other => TaskFailure::fatal(other.to_problem()),
    }
}

fn shown_lineups(
    slate: &Slate,
    portfolio: &Chosen,
    scored: Vec<LineupScore>,
    validated: Option<Vec<TailValidation>>,
) -> Vec<PortfolioLineup> {
    let mut validated = validated.map(Vec::into_iter);
    let shown = portfolio.lineups.iter().zip(scored).map(|(picked, score)| {
        let drivers = drivers_of(slate, &picked.lineup);
        PortfolioLineup {
            salary_usd: drivers.iter().map(|driver| u64::from(driver.salary_usd)).sum(),
            drivers,
            value: picked.value,
            certificate: picked.certificate,
            contribution: picked.contribution,
            score,
            validation: validated.as_mut().and_then(Iterator::next),
        }
    });
    shown.collect()
}

fn drivers_of(slate: &Slate, lineup: &Lineup) -> Vec<LineupDriver> {
    let entries = lineup.entries().iter().filter_map(|&entry| slate.entries.get(usize::from(entry)));
    let mut drivers: Vec<LineupDriver> = entries
        .map(|entry| LineupDriver {
            driver: entry.driver.clone(),
            external_id: entry.external_id.clone(),
            salary_usd: entry.salary_usd,
        })
        .collect();
    drivers.sort_by(|a, b| b.salary_usd.cmp(&a.salary_usd).then_with(|| a.driver.cmp(&b.driver)));
    drivers
}

fn exposure(slate: &Slate, lineups: &[Lineup]) -> Vec<DriverExposure> {
    let mut counts = vec![0_u32; slate.entries.len()];
    for &entry in lineups.iter().flat_map(Lineup::entries) {
        counts[usize::from(entry)] += 1;
    }
    let used = slate.entries.iter().zip(counts).filter(|(_, lineups)| *lineups > 0);
    let mut exposure: Vec<DriverExposure> =
        used.map(|(entry, lineups)| DriverExposure { driver: entry.driver.clone(), lineups }).collect();
    exposure.sort_by(|a, b| b.lineups.cmp(&a.lineups).then_with(|| a.driver.cmp(&b.driver)));
    exposure
}
