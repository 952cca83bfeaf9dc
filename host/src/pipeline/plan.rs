//! Makes a specification exact before it is queued: which races, which plugin bytes, which seeds. Reads, never writes.

use std::ops::Range;

use super::{
    Pipeline, checks,
    contest_view::search_space,
    lineup_rules::exposures,
    payouts::worth,
    pinned::{
        FitPlan, ForecastPlan, ModelSource, PinnedPlugin, PinnedRace, PinnedSlate, PinnedSpec, Purpose, SimulationPlan,
        derive_seed, fingerprint,
    },
    pinning::Pinning,
    roster::Roster,
};
use crate::{
    catalog::{self, CatalogError},
    domain::{
        ids::{ModelId, RaceId, TeamId},
        problem::Problem,
        race::Race,
        spec::{CalibrateSpec, EvaluateSpec, HistorySpec, JobSpec, OptimizeSpec, ScenarioSpec, SimulateSpec},
    },
    optimize::check_exposures,
};

/// Makes `spec` exact for `team`.
///
/// # Errors
/// What is wrong with it, with the JSON pointer of the field.
pub async fn plan(pipeline: &Pipeline, team: &TeamId, spec: JobSpec) -> Result<PinnedSpec, Problem> {
    checks::check(&spec, &pipeline.config)?;
    let planner = JobPlanner { pipeline, team, pinning: Pinning::new(pipeline, team) };
    let mut pinned = match &spec {
        JobSpec::Calibrate(calibrate) => planner.calibrate(&spec, calibrate, "").await,
        JobSpec::Simulate(simulate) => planner.simulate(&spec, simulate).await,
        JobSpec::Optimize(optimize) => planner.optimize(&spec, optimize).await,
        JobSpec::Evaluate(evaluate) => planner.evaluate(&spec, evaluate).await,
    }?;
    pinned.warnings = planner.pinning.warnings();
    pinned.warnings.extend(pinned.deprecations());
    drop_incomparable(&mut pinned);
    Ok(pinned)
}

/// Takes away candidates whose work could not be told apart or scored; the job itself is none the worse for that.
fn drop_incomparable(pinned: &mut PinnedSpec) {
    let mut warn = |candidate: &PinnedPlugin, why: &str| {
        pinned.warnings.push(format!("{} does not run beside the job: {why}", candidate.label));
    };
    let layout = pinned.generator.layout.clone();
    if let Some(calibrator) = &mut pinned.calibrator
        && let Some(candidate) = calibrator.shadow.take_if(|candidate| layout.is_some() && candidate.layout != layout)
    {
        warn(&candidate, "the generator does not read its posterior layout");
    }
    let has_calibrator = pinned.calibrator.as_ref().is_some_and(|calibrator| calibrator.shadow.is_some());
    let written = pinned.generator.layout.clone();
    let is_compared = !(pinned.forecasts.is_empty() && pinned.simulations.is_empty());
    let generator = &mut pinned.generator.shadow;
    if let Some(candidate) = generator.take_if(|_| has_calibrator) {
        warn(&candidate, "a candidate of the calibrator does already, and scores could not be told apart");
    } else if let Some(candidate) = generator.take_if(|_| !is_compared) {
        warn(&candidate, "generators are compared by forecasts of past races or scenarios, and the job makes neither");
    } else if let Some(candidate) = generator.take_if(|candidate| candidate.layout != written) {
        warn(&candidate, "it reads another posterior layout");
    }
}

struct JobPlanner<'a> {
    pipeline: &'a Pipeline,
    team: &'a TeamId,
    pinning: Pinning<'a>,
}

impl JobPlanner<'_> {
    /// Plans the fits and forecasts of `calibrate`, whose fields are at `pointer` of the request.
    async fn calibrate(
        &self,
        request: &JobSpec,
        calibrate: &CalibrateSpec,
        pointer: &str,
    ) -> Result<PinnedSpec, Problem> {
        let history = self.history(&calibrate.history, &format!("{pointer}/history")).await?;
        let races = history.len();
        let holdout = calibrate.holdout_races as usize;
        if holdout >= races {
            return Err(too_few_races(&format!("{pointer}/holdout_races"), holdout, races));
        }
        let calibrator = self.pinning.calibrator(&calibrate.calibrator, &format!("{pointer}/calibrator")).await?;
        let generator = self.pinning.generator(&calibrate.generator, &format!("{pointer}/generator")).await?;
        let fit = |races: Range<usize>| FitPlan {
            races,
            half_life_races: calibrate.history.half_life_races,
            chains: calibrate.chains,
            seed: derive_seed(calibrate.seed, "fit"),
        };
        let mut fits = vec![fit(0..races)];
        if holdout > 0 {
            fits.push(fit(0..races - holdout));
        }
        let forecasts = history[races - holdout..]
            .iter()
            .map(|race| forecast(1, race, calibrate.forecast_scenarios, calibrate.seed))
            .collect();
        check_layouts(&calibrator, &generator, &format!("{pointer}/generator"))?;
        Ok(PinnedSpec {
            request: request.clone(),
            model: Some(ModelSource::Fitted(ModelId::random())),
            calibrator: Some(calibrator),
            generator,
            constraints: Vec::new(),
            lineup_constraints: Vec::new(),
            history,
            slate: None,
            fits,
            forecasts,
            simulations: Vec::new(),
            warnings: Vec::new(),
            replays: None,
        })
    }

    async fn simulate(&self, request: &JobSpec, simulate: &SimulateSpec) -> Result<PinnedSpec, Problem> {
        let race = self.race(&simulate.race, "/race").await?;
        let mut pinned = self.with_stored_model(request, &simulate.model, &simulate.scenarios).await?;
        pinned.simulations =
            vec![simulation(Purpose::Choice, &race, simulate.scenarios.n_scenarios, simulate.scenarios.seed)];
        Ok(pinned)
    }

    async fn optimize(&self, request: &JobSpec, optimize: &OptimizeSpec) -> Result<PinnedSpec, Problem> {
        let slate = catalog::slate(&self.pipeline.db, self.team, &optimize.slate).await;
        let slate = slate.map_err(|error| referred(&error, "/slate"))?;
        let contest = self.pipeline.contest(&slate.contest)?;
        let race = catalog::race(&self.pipeline.db, self.team, &slate.race).await;
        let race = race.map_err(|error| referred(&error, "/slate"))?;
        let roster = Roster::new(contest, &slate)?;
        let space = search_space(optimize, &slate, &race, contest, &roster)?;
        space.check(roster.len()).map_err(|failure| failure.to_problem())?;
        let race = pin_race(&race);
        worth(optimize, &slate, contest, &roster)?;
        check_exposures(&space, &exposures(optimize, &slate, &roster)?, optimize.lineups)
            .map_err(|failure| failure.to_problem())?;
        let mut pinned = match &optimize.model {
            Some(model) => self.with_stored_model(request, model, &optimize.scenarios).await?,
            None => {
                let mut pinned = self.calibrate(request, &optimize.calibrate, "/calibrate").await?;
                let calibrator = pinned.calibrator.clone();
                self.pin_scenarios(&mut pinned, &optimize.scenarios).await?;
                if let Some(calibrator) = &calibrator {
                    check_layouts(calibrator, &pinned.generator, "/scenarios/generator")?;
                }
                pinned
            }
        };
        let lineup_constraints = &optimize.lineup_constraints;
        pinned.lineup_constraints = self.pinning.lineup_constraints(lineup_constraints, "/lineup_constraints").await?;
        let ScenarioSpec { n_scenarios, seed, .. } = optimize.scenarios;
        pinned.simulations = vec![simulation(Purpose::Choice, &race, n_scenarios, seed)];
        if optimize.validation_scenarios > 0 {
            pinned.simulations.push(simulation(Purpose::Validation, &race, optimize.validation_scenarios, seed));
        }
        let others = 0..optimize.sensitivity_seeds;
        let other = |number| simulation(Purpose::Sensitivity(number), &race, n_scenarios, seed);
        pinned.simulations.extend(others.map(other));
        pinned.slate = Some(PinnedSlate { id: slate.id.clone(), hash: fingerprint(&slate) });
        Ok(pinned)
    }

    /// Plans rolling-origin forecasts: each race by a fit of earlier races only, a new fit every `refit_every` races.
    async fn evaluate(&self, request: &JobSpec, evaluate: &EvaluateSpec) -> Result<PinnedSpec, Problem> {
        let all = HistorySpec { trailing_races: self.pipeline.catalog.history_races_max, ..evaluate.history.clone() };
        let history = self.history(&all, "/history").await?;
        let first = first_forecast(evaluate, &history)?;
        let calibrator = self.pinning.calibrator(&evaluate.calibrator, "/calibrator").await?;
        let generator = self.pinning.generator(&evaluate.generator, "/generator").await?;
        check_layouts(&calibrator, &generator, "/generator")?;
        let last = history.len().min(first + evaluate.races_max as usize);
        let origins = (first..last).step_by(evaluate.refit_every as usize);
        let trailing = evaluate.history.trailing_races as usize;
        let fits: Vec<FitPlan> = origins
            .map(|origin| FitPlan {
                races: origin.saturating_sub(trailing)..origin,
                half_life_races: evaluate.history.half_life_races,
                chains: evaluate.chains,
                seed: derive_seed(evaluate.seed, "fit"),
            })
            .collect();
        let forecasts = (first..last)
            .map(|index| {
                let fit = (index - first) / evaluate.refit_every as usize;
                forecast(fit, &history[index], evaluate.forecast_scenarios, evaluate.seed)
            })
            .collect();
        Ok(PinnedSpec {
            request: request.clone(),
            model: None,
            calibrator: Some(calibrator),
            generator,
            constraints: Vec::new(),
            lineup_constraints: Vec::new(),
            history,
            slate: None,
            fits,
            forecasts,
            simulations: Vec::new(),
            warnings: Vec::new(),
            replays: None,
        })
    }

    /// The part of a plan that draws scenarios from a model of the catalog.
    async fn with_stored_model(
        &self,
        request: &JobSpec,
        model: &ModelId,
        scenarios: &ScenarioSpec,
    ) -> Result<PinnedSpec, Problem> {
        let model = catalog::model(&self.pipeline.db, self.team, model).await;
        let model = model.map_err(|error| referred(&error, "/model"))?;
        let generator = self.pinning.generator(&scenarios.generator, "/scenarios/generator").await?;
        check_layout(&model.layout, &format!("model {}", model.id), &generator, "/scenarios/generator")?;
        Ok(PinnedSpec {
            request: request.clone(),
            model: Some(ModelSource::Stored(model.id)),
            calibrator: None,
            generator,
            constraints: self.pinning.scenario_constraints(&scenarios.constraints, "/scenarios/constraints").await?,
            lineup_constraints: Vec::new(),
            history: Vec::new(),
            slate: None,
            fits: Vec::new(),
            forecasts: Vec::new(),
            simulations: Vec::new(),
            warnings: Vec::new(),
            replays: None,
        })
    }

    /// Lets a plan that fits its model draw scenarios from it.
    async fn pin_scenarios(&self, pinned: &mut PinnedSpec, scenarios: &ScenarioSpec) -> Result<(), Problem> {
        pinned.generator = self.pinning.generator(&scenarios.generator, "/scenarios/generator").await?;
        pinned.constraints =
            self.pinning.scenario_constraints(&scenarios.constraints, "/scenarios/constraints").await?;
        Ok(())
    }

    /// The races with results that `spec` selects, oldest first.
    async fn history(&self, spec: &HistorySpec, pointer: &str) -> Result<Vec<PinnedRace>, Problem> {
        let selected = catalog::history_races(&self.pipeline.db, self.team, spec, &self.pipeline.catalog).await;
        let races = selected.map_err(|error| below(error.to_problem(), pointer))?;
        Ok(races.iter().map(pin_race).collect())
    }

    async fn race(&self, id: &RaceId, pointer: &str) -> Result<PinnedRace, Problem> {
        let race = catalog::race(&self.pipeline.db, self.team, id).await;
        Ok(pin_race(&race.map_err(|error| referred(&error, pointer))?))
    }
}

/// A thing that the specification names and the team does not have: the specification is wrong, not the address.
pub(super) fn referred(error: &CatalogError, pointer: &str) -> Problem {
    match error {
        CatalogError::NotFound { .. } => {
            let problem = error.to_problem();
            Problem::invalid(pointer, problem.detail, "Name one that the lists of the API show.")
        }
        _ => error.to_problem().at(pointer),
    }
}

/// A problem of a part of the specification, with the part's place before the place within it.
pub(super) fn below(mut problem: Problem, pointer: &str) -> Problem {
    problem.field = Some(format!("{pointer}{}", problem.field.as_deref().unwrap_or_default()));
    problem
}

fn pin_race(race: &Race) -> PinnedRace {
    PinnedRace { id: race.id.clone(), key: race.key(), hash: fingerprint(race) }
}

fn forecast(fit: usize, race: &PinnedRace, scenarios: u32, seed: u64) -> ForecastPlan {
    ForecastPlan { fit, race: race.clone(), scenarios, seed: derive_seed(seed, &format!("forecast {}", race.key)) }
}

fn simulation(purpose: Purpose, race: &PinnedRace, scenarios: u32, seed: u64) -> SimulationPlan {
    let label = match purpose {
        Purpose::Choice => "choice".to_owned(),
        Purpose::Validation => "validation".to_owned(),
        Purpose::Sensitivity(number) => format!("sensitivity {number}"),
    };
    SimulationPlan { purpose, race: race.clone(), scenarios, seed: derive_seed(seed, &label) }
}

/// Index of the first race that a backtest forecasts; at least one race comes before it.
fn first_forecast(spec: &EvaluateSpec, history: &[PinnedRace]) -> Result<usize, Problem> {
    let latest = history.len().saturating_sub(spec.races_max as usize);
    let first = match &spec.from {
        Some(from) => history.iter().position(|race| race.key >= *from).unwrap_or(history.len()),
        None => latest.max(1),
    };
    if first == 0 || first >= history.len() {
        let detail =
            format!("{} races with results are there, and race {first} would be the first to forecast.", history.len());
        let action = "Choose a first race with at least one race before it, or import more results.";
        return Err(Problem::invalid("/from", detail, action));
    }
    Ok(first)
}

fn too_few_races(field: &str, holdout: usize, races: usize) -> Problem {
    let detail = format!("{holdout} races are to be held out of a history of {races}.");
    let action = "Hold out fewer races, or use a longer history.";
    Problem::invalid(field, detail, action).with_limit(format!("0..={} races", races.saturating_sub(1)))
}

fn check_layouts(calibrator: &PinnedPlugin, generator: &PinnedPlugin, field: &str) -> Result<(), Problem> {
    check_layout(calibrator.layout.as_deref().unwrap_or_default(), &calibrator.label, generator, field)
}

fn check_layout(layout: &str, writer: &str, generator: &PinnedPlugin, field: &str) -> Result<(), Problem> {
    match generator.layout.as_deref() {
        Some(read) if read != layout => {
            let detail =
                format!("{} reads the posterior layout `{read}`, but {writer} has `{layout}`.", generator.label);
            Err(Problem::invalid(field, detail, "Choose a generator that reads the model's layout."))
        }
        _ => Ok(()),
    }
}
