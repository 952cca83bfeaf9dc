//! Puts a job's result together from the outputs of its stages, and says of each component how it went.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    choose::OPTIMIZER,
    forecast::FORECAST,
    outputs::{self, BlockDone, ChainDone, ChoiceDone, Done, ForecastDone, LeftOut, PosteriorDone, Simulated},
    pinned::{ModelSource, Purpose},
    posterior::CALIBRATION,
    record::{self, Account, REPLAY, replay_reason, signed},
    shadow_report::{self, Promoted},
    simulate::component_name,
    stages::{FIT, OPTIMIZE, POSTERIOR, SIMULATE},
    tally::EntryTally,
    task::Task,
    veto::VetoCounts,
    work::Spending,
};
use crate::{
    domain::{
        job::{Component, ComponentStatus},
        plugin::Usage,
        problem::Problem,
        spec::JobSpec,
    },
    jobs::{TaskFailure, TaskOutput},
    optimize::{PortfolioEnd, TailValidation},
    results::{
        CalibrateResult, EvaluateResult, FitSummary, ForecastSummary, ModelSummary, OptimizeResult, OutputRecord,
        RaceForecast, ShadowReport, SimulateResult, SimulationSummary, StageCost, VetoCount,
    },
    score::forecast::summarize,
};

/// Makes the result.
///
/// # Errors
/// Where an earlier output cannot be read.
pub fn report(task: &Task<'_>) -> Result<TaskOutput, TaskFailure> {
    let report = Report::gather(task)?;
    let run = record::record(task, &report.account);
    let replay = record::replayed(task, &run)?;
    let replay_part = replay.as_ref().map(|replay| component(REPLAY, replay_reason(replay)));
    let shadow = report.shadows()?;
    let beside = shadow_report::components(&shadow);
    let result = match &task.spec.request {
        JobSpec::Calibrate(_) => to_json(&CalibrateResult {
            model: report.model()?,
            fit: report.first_fit()?,
            forecast: report.forecast_summary(),
            shadow,
            replay,
            run,
        }),
        JobSpec::Simulate(_) => to_json(&SimulateResult {
            race: task.spec.simulation(0)?.race.key.clone(),
            model: report.model()?,
            simulation: report.simulation_for(Purpose::Choice)?.ok_or_else(|| missing("simulation"))?,
            shadow,
            replay,
            run,
        }),
        JobSpec::Optimize(_) => to_json(&OptimizeResult {
            model: report.model()?,
            fit: report.posteriors.first().map(|done| done.work.fit.clone()),
            forecast: report.forecast_summary(),
            simulation: report.simulation_for(Purpose::Choice)?.ok_or_else(|| missing("simulation"))?,
            validation: report.simulation_for(Purpose::Validation)?,
            portfolio: report.choice.as_ref().ok_or_else(|| missing("portfolio"))?.work.portfolio.clone(),
            shadow,
            replay,
            run,
        }),
        JobSpec::Evaluate(_) => to_json(&EvaluateResult {
            forecast: report.forecast_summary().ok_or_else(|| missing("forecast"))?,
            fits: report.posteriors.iter().map(|done| done.work.fit.clone()).collect(),
            shadow,
            replay,
            run,
        }),
    };
    let components: Vec<_> = report.components().into_iter().chain(replay_part).chain(beside).collect();
    let spent = report.spending().spent(task.spec);
    Ok(signed(task, result?, &components, &spent))
}

fn to_json(result: &impl Serialize) -> Result<Value, TaskFailure> {
    let value = serde_json::to_value(result);
    Ok(value.map_err(|error| Problem::internal(format!("The result could not be written: {error}.")))?)
}

fn missing(what: &str) -> TaskFailure {
    TaskFailure::fatal(Problem::internal(format!("The job has no {what} to report.")))
}

/// Everything that the job's stages have left.
struct Report<'a> {
    task: &'a Task<'a>,
    chains: Vec<Done<ChainDone>>,
    posteriors: Vec<Done<PosteriorDone>>,
    blocks: Vec<BlockDone>,
    forecasts: Vec<ForecastDone>,
    forecast_usage: Usage,
    choice: Option<Done<ChoiceDone>>,
    account: Account,
    left_out: Vec<LeftOut>,
}

impl<'a> Report<'a> {
    fn gather(task: &'a Task<'a>) -> Result<Self, TaskFailure> {
        let mut report = Self {
            task,
            chains: Vec::new(),
            posteriors: Vec::new(),
            blocks: Vec::new(),
            forecasts: Vec::new(),
            forecast_usage: Usage::default(),
            choice: None,
            account: Account::default(),
            left_out: Vec::new(),
        };
        let spec = task.spec;
        report.chains = report.stage(FIT, !spec.fits.is_empty())?;
        report.posteriors = report.stage(POSTERIOR, !spec.fits.is_empty())?;
        let simulates = !spec.simulations.is_empty() || !spec.forecasts.is_empty();
        for done in report.stage::<Simulated>(SIMULATE, simulates)? {
            match done.work {
                Simulated::Block(block) => report.blocks.push(block),
                Simulated::Forecast(forecast) => {
                    done.costs.iter().for_each(|cost| report.forecast_usage.add(&cost.usage));
                    report.forecasts.push(forecast);
                }
            }
        }
        let chooses = matches!(spec.request, JobSpec::Optimize(_));
        report.choice = report.stage(OPTIMIZE, chooses)?.pop();
        Ok(report)
    }

    /// The outputs of a stage, with their costs added up.
    fn stage<T: DeserializeOwned>(&mut self, name: &str, is_there: bool) -> Result<Vec<Done<T>>, TaskFailure> {
        if !is_there {
            return Ok(Vec::new());
        }
        let outputs = outputs::read::<T>(self.task.context.outputs(name)?)?;
        let busy_ms = outputs.iter().map(|done| done.wall_ms).sum();
        let account = &mut self.account;
        account.stages.push(StageCost { name: name.to_owned(), tasks: outputs.len(), busy_ms });
        for (task, done) in outputs.iter().enumerate() {
            for cost in &done.costs {
                account.add_cost(name, cost);
            }
            account.outputs.extend(done.made.iter().map(|made| OutputRecord {
                stage: name.to_owned(),
                task,
                component: made.component.clone(),
                hash: made.hash.clone(),
            }));
            for left_out in &done.left_out {
                if !self.left_out.iter().any(|known| known.plugin == left_out.plugin) {
                    self.left_out.push(left_out.clone());
                }
            }
        }
        Ok(outputs)
    }

    fn model(&self) -> Result<ModelSummary, TaskFailure> {
        match (&self.task.spec.model, self.posteriors.first()) {
            (Some(ModelSource::Fitted(id)), Some(done)) => Ok(ModelSummary {
                id: id.clone(),
                layout: done.work.layout.clone(),
                draws: done.work.draws,
                artifact: done.work.artifact.clone(),
            }),
            (Some(ModelSource::Stored(id)), _) => {
                let model = self.task.stored_model(id)?;
                Ok(ModelSummary { id: model.id, layout: model.layout, draws: model.draws, artifact: model.artifact })
            }
            _ => Err(missing("model")),
        }
    }

    fn first_fit(&self) -> Result<FitSummary, TaskFailure> {
        self.posteriors.first().map(|done| done.work.fit.clone()).ok_or_else(|| missing("fit"))
    }

    fn forecast_summary(&self) -> Option<ForecastSummary> {
        let reports: Vec<_> = self.forecasts.iter().map(|forecast| forecast.report.clone()).collect();
        let per_race = self
            .forecasts
            .iter()
            .map(|forecast| RaceForecast { race: forecast.race.clone(), scores: forecast.report.scores });
        Some(ForecastSummary { report: summarize(&reports)?, per_race: per_race.collect() })
    }

    fn simulation_for(&self, purpose: Purpose) -> Result<Option<SimulationSummary>, TaskFailure> {
        let plans = &self.task.spec.simulations;
        let Some(index) = plans.iter().position(|plan| plan.purpose == purpose) else { return Ok(None) };
        let race = self.task.race(&plans[index].race)?;
        let mut sums = vec![EntryTally::default(); race.entries.len()];
        let (mut scenarios, mut drawn, mut vetoes) = (0, 0, VetoCounts::default());
        let mut artifacts = Vec::new();
        for block in self.blocks.iter().filter(|block| block.simulation == index) {
            scenarios += block.kept;
            drawn += block.drawn;
            vetoes.add(&block.vetoes);
            artifacts.push(block.artifact.clone());
            for (sum, part) in sums.iter_mut().zip(&block.tally) {
                sum.add(part);
            }
        }
        let entries = race.entries.iter().zip(&sums);
        let mut drivers: Vec<_> =
            entries.map(|(entry, sum)| sum.outlook(&entry.driver, entry.start, scenarios.max(1))).collect();
        drivers.sort_by(|a, b| a.finish_mean.total_cmp(&b.finish_mean));
        let vetoed = vetoes.total();
        Ok(Some(SimulationSummary {
            scenarios,
            drawn,
            vetoed,
            veto_rate: vetoed as f64 / drawn.max(1) as f64,
            vetoes: self.veto_counts(&vetoes),
            artifacts,
            drivers,
        }))
    }

    /// Every reason that could have vetoed, with its count.
    fn veto_counts(&self, vetoes: &VetoCounts) -> Vec<VetoCount> {
        let count_of = |plugin: &str, reason: &str| {
            vetoes.0.get(plugin).and_then(|reasons| reasons.get(reason)).copied().unwrap_or(0)
        };
        let constraints = self.task.spec.constraints.iter();
        let counts = constraints.flat_map(|constraint| {
            constraint.veto_reasons.iter().map(move |reason| VetoCount {
                plugin: constraint.label.clone(),
                reason: reason.code.clone(),
                summary: reason.summary.clone(),
                is_hard: reason.is_hard,
                count: count_of(&constraint.label, &reason.code),
            })
        });
        counts.collect()
    }

    fn shadows(&self) -> Result<Vec<ShadowReport>, TaskFailure> {
        let Self { chains, forecasts, forecast_usage, .. } = self;
        let promoted = Promoted { chains, forecasts, forecast_usage: *forecast_usage };
        shadow_report::compare(self.task, &promoted)
    }

    fn spending(&self) -> Spending<'_> {
        let generated: u64 = self.blocks.iter().map(|block| block.generated).sum();
        Spending { costs: &self.account.costs, generated: generated as f64, left_out: &self.left_out }
    }

    fn components(&self) -> Vec<Component> {
        let spec = self.task.spec;
        let mut components = Vec::new();
        if !self.posteriors.is_empty() {
            components.push(self.calibration());
        }
        let mut simulated: Vec<&str> = spec.simulations.iter().map(component_name).collect();
        simulated.dedup();
        components.extend(simulated.into_iter().map(|name| component(name, None)));
        if !self.forecasts.is_empty() {
            components.push(component(FORECAST, None));
        }
        for constraint in spec.constraints.iter().chain(&spec.lineup_constraints) {
            let left_out = self.left_out.iter().find(|left_out| left_out.plugin == constraint.label);
            let reason = left_out.map(|left_out| format!("left out, because it failed: {}", left_out.reason));
            components.push(component(&format!("constraint:{}", constraint.label), reason));
        }
        if let Some(choice) = &self.choice {
            components.push(component(OPTIMIZER, incomplete(&choice.work.portfolio.end)));
            if let Some(fresh) = &choice.work.portfolio.validation {
                components.push(component("tail-validation", optimistic(fresh)));
            }
        }
        components
    }

    fn calibration(&self) -> Component {
        let warnings: Vec<_> = self.posteriors.iter().flat_map(|done| done.work.fit.warnings.iter().cloned()).collect();
        component(CALIBRATION, (!warnings.is_empty()).then(|| warnings.join("; ")))
    }
}

fn optimistic(fresh: &TailValidation) -> Option<String> {
    let TailValidation { in_sample, fresh: value, interval_low, interval_high, optimism, is_inside } = fresh;
    (!is_inside).then(|| {
        format!(
            "the figure {in_sample:.3} that the lineups were chosen by is {value:.3} on fresh scenarios: it lies outside of the 95 % interval {interval_low:.3} to {interval_high:.3} and is off by {optimism:+.3}; use more scenarios"
        )
    })
}

fn incomplete(end: &PortfolioEnd) -> Option<String> {
    match end {
        PortfolioEnd::Complete => None,
        PortfolioEnd::Exhausted { found, wanted, reason } => Some(format!("{found} of {wanted} lineups: {reason}")),
        PortfolioEnd::Deadline { found, wanted, .. } => {
            Some(format!("{found} of {wanted} lineups were found before the deadline"))
        }
    }
}

/// A component that is ok, or degraded for a reason.
fn component(name: &str, reason: Option<String>) -> Component {
    let status = if reason.is_some() { ComponentStatus::Degraded } else { ComponentStatus::Ok };
    Component { name: name.to_owned(), status, reason, is_beside: false }
}
