//! Chooses the lineups: scores the scenarios as the contest does, searches, and scores what was chosen again on fresh scenarios.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    classes::ScenarioClasses,
    contest_view::{search_space, slate_view},
    digest::Made,
    hindsight::{Scored, scenarios, scores, stability, tell_wins, validate},
    judges::{LineupJudges, open_judges},
    keeper::Keeper,
    lineup_rules::exposures,
    native,
    outputs::{ChoiceDone, Done, LeftOut, cost},
    payouts::worth,
    pinned::{PinnedPlugin, Purpose},
    roster::Roster,
    shadow,
    simulate::skip,
    task::Task,
};
use crate::{
    domain::{
        lineup::Lineup,
        plugin::Usage,
        problem::Problem,
        slate::Slate,
        spec::{JobSpec, Objective, OptimizeSpec, Together},
    },
    jobs::TaskFailure,
    optimize::{
        Certificate, Exposure, JointPortfolio, JointRequest, LineupJudge, LineupScore, Portfolio, PortfolioEnd,
        PortfolioRequest, ScoreMatrix, SearchFailure, SearchSpace, Session, Unwatched, Worth, joint_portfolio,
        objective_values, portfolio, score_lineups,
    },
    plugins::SlateView,
    results::{
        ComponentCost, DriverExposure, LineupDriver, LineupVeto, PortfolioLineup, PortfolioSummary, PortfolioWorth,
        compare,
    },
};

/// Name of the native optimizer among the components.
pub const OPTIMIZER: &str = "optimizer";

/// Share of scenarios in the tail that is shown where lineups are chosen for their mean.
const SHOWN_TAIL: f64 = 0.05;

/// Chooses the job's lineups, on all cores.
///
/// # Errors
/// Where there is no lineup to choose, a constraint fails whose failure is not to be skipped, or the task must stop.
pub fn run(task: &Task<'_>) -> Result<Done<ChoiceDone>, TaskFailure> {
    let (mut done, cpu) = native::on_all_cores(task.context, || choose_lineups(task))?;
    // The constraints ran on the same threads.
    let of_plugins: f64 = done.costs.iter().map(|cost| cost.usage.cpu_ms).sum();
    let own = Usage { cpu_ms: (cpu.as_secs_f64() * 1e3 - of_plugins).max(0.0), calls: 1, ..Usage::default() };
    done.costs.push(cost(OPTIMIZER, own));
    Ok(done)
}

fn choose_lineups(task: &Task<'_>) -> Result<Done<ChoiceDone>, TaskFailure> {
    let JobSpec::Optimize(request) = &task.spec.request else {
        return Err(Problem::internal("Only an optimize job chooses lineups.").into());
    };
    let slate = task.slate()?;
    let plan = task.spec.simulation(0)?;
    let race = task.race(&plan.race)?;
    let contest = task.pipeline.contest(&slate.contest)?;
    let roster = Roster::new(contest, &slate)?;
    let space = search_space(request, &slate, &race, contest, &roster)?;
    let on = Scored { contest, race: &race, slate: &slate, roster: &roster };
    let scenarios = scenarios(task, Purpose::Choice, &race)?
        .ok_or_else(|| Problem::internal("There are no scenarios to choose on."))?;
    let matrix = scores(&scenarios, &on)?;
    let mut chosen = Chooser {
        task,
        request,
        exposures: exposures(request, &slate, &roster)?,
        worth: worth(request, &slate, contest, &roster)?,
        roster: &roster,
        view: slate_view(&slate, &race, contest),
        costs: Vec::new(),
        left_out: Vec::new(),
        shown: Vec::new(),
    };
    let (portfolio, lineup_vetoes) = chosen.search(&matrix, &space)?;
    let lineups: Vec<Lineup> = portfolio.lineups.iter().map(|picked| picked.lineup.clone()).collect();
    let scored =
        score_lineups(&matrix, &lineups, shown_tail(request.objective)).map_err(|failure| search_failure(&failure))?;
    let mut shown = shown_lineups(&slate, &roster, &portfolio, scored);
    let validation = validate(&chosen, &matrix, &lineups, &on, &mut shown)?;
    tell_wins(&matrix, &lineups, &ScenarioClasses::new(&scenarios, &race), &mut shown)?;
    let stability = stability(&mut chosen, &space, &lineups, &on)?;
    let summary = PortfolioSummary {
        contest: contest.key.clone(),
        objective: request.objective,
        worth: portfolio.worth,
        exposure: exposure(&slate, &roster, &lineups),
        lineups: shown,
        end: portfolio.end,
        lineup_vetoes,
        validation,
        stability,
    };
    let Chooser { costs, left_out, shown, .. } = chosen;
    let shown = shadow::store_shown(task, &shown)?;
    let made = vec![Made::new(OPTIMIZER, compare::hash(&json!(summary)))];
    Ok(Done { work: ChoiceDone { portfolio: summary, shown }, wall_ms: task.wall_ms(), costs, left_out, made })
}

const fn shown_tail(objective: Objective) -> f64 {
    match objective {
        Objective::UpperCvar { alpha } => alpha,
        Objective::Mean | Objective::Probability { .. } | Objective::Quantile { .. } => SHOWN_TAIL,
    }
}

/// The search, and what lineup constraints have to do with it.
pub struct Chooser<'a> {
    /// The task.
    pub task: &'a Task<'a>,
    /// What is asked for.
    pub request: &'a OptimizeSpec,
    exposures: Vec<Exposure>,
    roster: &'a Roster,
    /// What lineups are worth.
    pub worth: Worth,
    view: SlateView,
    costs: Vec<ComponentCost>,
    left_out: Vec<LeftOut>,
    /// What the constraints were shown, where a candidate is to see it too.
    shown: Vec<Lineup>,
}

/// Searches a space over a matrix with the judges that are left.
type Find<'a> = dyn Fn(&Chooser<'_>, &mut LineupJudges<'_>) -> Result<Chosen, SearchFailure> + 'a;

impl Chooser<'_> {
    /// Chooses what the request asks for.
    fn search(&mut self, matrix: &ScoreMatrix, space: &SearchSpace) -> Result<(Chosen, Vec<LineupVeto>), TaskFailure> {
        self.with_judges(&|chooser, judges| chooser.search_with(matrix, space, judges))
    }

    /// Chooses the best single lineup by the objective, with its value. It takes a moment, so it leaves no checkpoints.
    ///
    /// # Errors
    /// As the whole choice.
    pub fn first_alone(&mut self, matrix: &ScoreMatrix, space: &SearchSpace) -> Result<(Lineup, f64), TaskFailure> {
        let (chosen, _) = self.with_judges(&|chooser, judges| {
            let mut session =
                Session { interrupt: chooser.task.context.interrupt(), watch: &mut Unwatched, resume: None };
            let judge: Option<&mut dyn LineupJudge> = if judges.judges.is_empty() { None } else { Some(judges) };
            let request = PortfolioRequest { objective: chooser.request.objective, lineups: 1, min_differences: 1 };
            portfolio(matrix, space, &request, judge, &mut session).map(Chosen::each_best)
        })?;
        let first = chosen.lineups.into_iter().next().ok_or_else(|| Problem::internal("A choice has no lineup."))?;
        Ok((first.lineup, first.value))
    }

    /// Searches, and again without a constraint that failed itself where its policy says so.
    fn with_judges(&mut self, find: &Find<'_>) -> Result<(Chosen, Vec<LineupVeto>), TaskFailure> {
        let left_out: Vec<String> = self.left_out.iter().map(|left_out| left_out.plugin.clone()).collect();
        let pinned = self.task.spec.lineup_constraints.iter();
        let mut constraints: Vec<&PinnedPlugin> = pinned.filter(|pinned| !left_out.contains(&pinned.label)).collect();
        loop {
            let mut judges = match open_judges(self.task, self.roster, &self.view, &constraints)? {
                Ok(judges) => judges,
                Err((index, failure)) => {
                    self.left_out.push(skip(self.task, constraints.remove(index), failure)?);
                    continue;
                }
            };
            let found = find(self, &mut judges);
            // What the choice showed them; later looks at other seeds show them more.
            if self.shown.is_empty() {
                self.shown = std::mem::take(&mut judges.shown);
            }
            self.costs.extend(judges.judges.iter().map(|judge| cost(&judge.label, judge.session.usage())));
            match (found, judges.failed.take()) {
                (Ok(portfolio), _) => {
                    let vetoes = judges.lineup_vetoes(&portfolio.vetoes_by_reason, &portfolio.partial_vetoes_by_reason);
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
        let OptimizeSpec { objective, lineups, min_differences, .. } = *self.request;
        let together = self.request.together.clone();
        let (lineups, min_differences) = (lineups as usize, min_differences as usize);
        if together.is_none() && self.exposures.is_empty() {
            let request = PortfolioRequest { objective, lineups, min_differences };
            return portfolio(matrix, space, &request, judge, &mut session).map(Chosen::each_best);
        }
        let worth = self.worth.clone();
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
    partial_vetoes_by_reason: BTreeMap<u8, u64>,
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
        let Portfolio { end, vetoes_by_reason, partial_vetoes_by_reason, .. } = portfolio;
        Self { lineups: lineups.collect(), end, vetoes_by_reason, partial_vetoes_by_reason, worth: None }
    }

    /// Judged together.
    fn joint(
        joint: JointPortfolio,
        together: Option<Together>,
        objective: Objective,
        matrix: &ScoreMatrix,
    ) -> Result<Self, SearchFailure> {
        let JointPortfolio { value, upper_bound, swaps, feasible, end, .. } = joint;
        let JointPortfolio { vetoes_by_reason, partial_vetoes_by_reason, .. } = joint;
        let lineups: Vec<Lineup> = joint.lineups.iter().map(|picked| picked.lineup.clone()).collect();
        let values = objective_values(matrix, &lineups, objective)?;
        let chosen = joint.lineups.into_iter().zip(values).map(|(picked, value)| ChosenLineup {
            lineup: picked.lineup,
            value,
            certificate: None,
            contribution: Some(picked.contribution),
        });
        let worth = Some(PortfolioWorth { together, value, upper_bound, swaps, feasible });
        Ok(Self { lineups: chosen.collect(), end, vetoes_by_reason, partial_vetoes_by_reason, worth })
    }
}

/// A search's failure as a task's.
pub fn search_failure(failure: &SearchFailure) -> TaskFailure {
    match failure {
        SearchFailure::Stopped(_) => TaskFailure::Stopped,
        other => TaskFailure::fatal(other.to_problem()),
    }
}

fn shown_lineups(slate: &Slate, roster: &Roster, portfolio: &Chosen, scored: Vec<LineupScore>) -> Vec<PortfolioLineup> {
    let shown = portfolio.lineups.iter().zip(scored).map(|(picked, score)| {
        let drivers = drivers_of(slate, roster, &picked.lineup);
        PortfolioLineup {
            salary_usd: drivers.iter().map(|driver| u64::from(driver.salary_usd)).sum(),
            drivers,
            value: picked.value,
            certificate: picked.certificate,
            contribution: picked.contribution,
            score,
            validation: None,
            wins: None,
        }
    });
    shown.collect()
}

fn drivers_of(slate: &Slate, roster: &Roster, lineup: &Lineup) -> Vec<LineupDriver> {
    let mut drivers: Vec<(usize, LineupDriver)> = Vec::new();
    let mut kinds: Vec<String> = Vec::new();
    for (pick, slot) in roster.seated(lineup) {
        let kind = kinds.iter().position(|known| *known == slot).unwrap_or(kinds.len());
        if kind == kinds.len() {
            kinds.push(slot.clone());
        }
        let entry = &slate.entries[roster.entry(pick)];
        let driver = LineupDriver {
            driver: entry.driver.clone(),
            external_id: entry.external_id.clone(),
            salary_usd: roster.salary_usd(usize::from(pick), slate),
            slot,
        };
        drivers.push((kind, driver));
    }
    drivers.sort_by(|(a_kind, a), (b_kind, b)| {
        a_kind.cmp(b_kind).then_with(|| b.salary_usd.cmp(&a.salary_usd)).then_with(|| a.driver.cmp(&b.driver))
    });
    drivers.into_iter().map(|(_, driver)| driver).collect()
}

fn exposure(slate: &Slate, roster: &Roster, lineups: &[Lineup]) -> Vec<DriverExposure> {
    let mut counts = vec![0_u32; slate.entries.len()];
    for &pick in lineups.iter().flat_map(Lineup::entries) {
        counts[roster.entry(pick)] += 1;
    }
    let used = slate.entries.iter().zip(counts).filter(|(_, lineups)| *lineups > 0);
    let mut exposure: Vec<DriverExposure> =
        used.map(|(entry, lineups)| DriverExposure { driver: entry.driver.clone(), lineups }).collect();
    exposure.sort_by(|a, b| b.lineups.cmp(&a.lineups).then_with(|| a.driver.cmp(&b.driver)));
    exposure
}
