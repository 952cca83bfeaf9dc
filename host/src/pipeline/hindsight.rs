//! What is told of chosen lineups: how they fare on scenarios that they were not chosen on, and where they are good.

use super::{
    choose::{Chooser, search_failure},
    classes::ScenarioClasses,
    columns::decode_scenarios,
    outputs::{self, Simulated},
    pinned::{Purpose, derive_seed},
    roster::Roster,
    stages::SIMULATE,
    task::Task,
};
use crate::{
    domain::{contest::Contest, lineup::Lineup, problem::Problem, race::Race, scenario::ScenarioBlock, slate::Slate},
    jobs::TaskFailure,
    optimize::{
        GoodScenarios, OtherChoice, ScoreMatrix, SearchFailure, SearchSpace, Stability, TailValidation, good_scenarios,
        objective_values, validate_tail, validate_worth,
    },
    results::{PortfolioLineup, Wins},
    score::contest::score_matrix,
};

/// Share of a lineup's scenarios that count as those where it is good.
const GOOD_SHARE: f64 = 0.05;

/// What points are counted for.
#[derive(Clone, Copy)]
pub struct Scored<'a> {
    /// The contest.
    pub contest: &'a Contest,
    /// The race.
    pub race: &'a Race,
    /// The slate.
    pub slate: &'a Slate,
    /// The picks.
    pub roster: &'a Roster,
}

/// The scenarios of the purpose; `None` where the job draws none for it.
///
/// # Errors
/// Where an output or artifact cannot be read.
pub fn scenarios(task: &Task<'_>, purpose: Purpose, race: &Race) -> Result<Option<ScenarioBlock>, TaskFailure> {
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
    Ok(Some(scenarios))
}

/// The contest's points of every pick in every scenario.
///
/// # Errors
/// Where scenarios and race do not fit together.
pub fn scores(scenarios: &ScenarioBlock, on: &Scored<'_>) -> Result<ScoreMatrix, TaskFailure> {
    let Scored { contest, race, slate, roster } = *on;
    let start: Vec<u16> = race.entries.iter().map(|entry| entry.start).collect();
    let race_entries: Vec<u16> = slate.entries.iter().map(|entry| entry.race_entry).collect();
    let internal = |error: String| Problem::internal(format!("The scenarios cannot be scored: {error}."));
    let points =
        score_matrix(contest, scenarios, &start, &race_entries).map_err(|error| internal(error.to_string()))?;
    let points = roster.points(&points, scenarios.scenarios);
    let matrix = ScoreMatrix::new(roster.len(), scenarios.scenarios, points);
    Ok(matrix.map_err(|error| internal(error.to_string()))?)
}

/// Scores the lineups on fresh scenarios, each and together; `None` where the job draws none.
///
/// # Errors
/// Where a search or a plugin fails, or the task must stop.
pub fn validate(
    chosen: &Chooser<'_>,
    matrix: &ScoreMatrix,
    lineups: &[Lineup],
    on: &Scored<'_>,
    shown: &mut [PortfolioLineup],
) -> Result<Option<TailValidation>, TaskFailure> {
    let Chooser { task, request, worth, .. } = chosen;
    let Some(fresh) = scenarios(task, Purpose::Validation, on.race)? else { return Ok(None) };
    let fresh = scores(&fresh, on)?;
    let seed = derive_seed(request.scenarios.seed, "bootstrap");
    let failed = |failure: SearchFailure| search_failure(&failure);
    let each =
        validate_tail(matrix, &fresh, lineups, request.objective, seed, task.context.interrupt()).map_err(failed)?;
    let together = validate_worth(matrix, &fresh, lineups, worth, &each, seed).map_err(failed)?;
    shown.iter_mut().zip(each).for_each(|(lineup, fresh)| lineup.validation = Some(fresh));
    Ok(Some(together))
}

/// Says of each lineup where it is good.
///
/// # Errors
/// Where a search or a plugin fails, or the task must stop.
pub fn tell_wins(
    matrix: &ScoreMatrix,
    lineups: &[Lineup],
    classes: &ScenarioClasses,
    shown: &mut [PortfolioLineup],
) -> Result<(), TaskFailure> {
    let tail = ((matrix.scenarios() as f64 * GOOD_SHARE).ceil() as usize).max(1);
    let good = good_scenarios(matrix, lineups, tail).map_err(|failure| search_failure(&failure))?;
    for (lineup, GoodScenarios { best_share, tail }) in shown.iter_mut().zip(good) {
        lineup.wins = Some(Wins { best_share, classes: classes.of(&tail) });
    }
    Ok(())
}

/// Repeats the first choice on the scenarios of other seeds; `None` where the job draws none.
///
/// # Errors
/// Where a search or a plugin fails, or the task must stop.
pub fn stability(
    chosen: &mut Chooser<'_>,
    space: &SearchSpace,
    lineups: &[Lineup],
    on: &Scored<'_>,
) -> Result<Option<Stability>, TaskFailure> {
    let (task, request) = (chosen.task, chosen.request);
    let (Some(first), 1..) = (lineups.first(), request.sensitivity_seeds) else { return Ok(None) };
    let mut others = Vec::new();
    for number in 0..request.sensitivity_seeds {
        let Some(scenarios) = scenarios(task, Purpose::Sensitivity(number), on.race)? else { continue };
        let matrix = scores(&scenarios, on)?;
        let (lineup, value) = chosen.first_alone(&matrix, space)?;
        let values = objective_values(&matrix, std::slice::from_ref(first), request.objective);
        let chosen_value = values.map_err(|failure| search_failure(&failure))?[0];
        others.push(OtherChoice { lineup, value, chosen_value });
    }
    Ok((!others.is_empty()).then(|| Stability::new(first, &others)))
}
