//! Puts what candidates came to beside what the job's own plugins did.

use std::collections::BTreeMap;

use super::{
    beside::{Beside, Shadow, shadows},
    outputs::{
        self, Attempted, ChainDone, Done, DrawsDone, FinishSums, ForecastDone, PosteriorDone, Shadowed, VerdictsDone,
    },
    pinned::{PinnedPlugin, PinnedSpec},
    shadow::EXAMPLES_MAX,
    stages::{SHADOW, SHADOW_FIT, SHADOW_POSTERIOR, shadow_tasks},
    task::Task,
};
use crate::{
    catalog::plugins::{self, NewShadowRun},
    domain::{
        job::{Component, ComponentStatus},
        plugin::Usage,
        problem::Problem,
    },
    jobs::TaskFailure,
    results::{
        CostComparison, DifferentVerdict, DrawComparison, FinishDifference, RaceScores, ScoreComparison, ShadowPart,
        ShadowReport, VerdictComparison, VerdictPair,
    },
    score::paired::half_width,
};

/// What the job itself has come to, as far as candidates are compared with it.
pub struct Promoted<'a> {
    /// The chains of its fits, fit by fit.
    pub chains: &'a [Done<ChainDone>],
    /// Its forecasts.
    pub forecasts: &'a [ForecastDone],
    /// What the generator cost for them.
    pub forecast_usage: Usage,
}

/// Compares every candidate of the job, and notes the comparisons in the registry.
///
/// # Errors
/// Where the storage fails.
pub fn compare(task: &Task<'_>, promoted: &Promoted<'_>) -> Result<Vec<ShadowReport>, TaskFailure> {
    let candidates = shadows(task.spec);
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let found = Found::gather(task)?;
    let reports: Vec<_> = candidates.iter().map(|shadow| found.report(task.spec, shadow, promoted)).collect();
    let runs: Vec<_> = candidates.iter().zip(&reports).filter_map(|(shadow, report)| run(shadow, report)).collect();
    let (team, job) = (task.claimed.team.clone(), task.claimed.job.clone());
    task.errand(|db| async move { plugins::insert_shadow_runs(&db, &team, &job, &runs).await })?;
    Ok(reports)
}

fn run(shadow: &Shadow<'_>, report: &ShadowReport) -> Option<NewShadowRun> {
    Some(NewShadowRun {
        promoted: shadow.promoted.id.clone()?,
        candidate: shadow.candidate.id.clone()?,
        report: serde_json::to_value(report).ok()?,
    })
}

/// The candidates as components of the result, beside it.
#[must_use]
pub fn components(reports: &[ShadowReport]) -> Vec<Component> {
    let component = |report: &ShadowReport| Component {
        name: format!("shadow:{}", report.candidate),
        status: if report.failure.is_some() { ComponentStatus::Failed } else { ComponentStatus::Ok },
        reason: report.failure.as_ref().map(|problem| problem.detail.clone()),
        is_beside: true,
    };
    reports.iter().map(component).collect()
}

/// What the tasks of candidates have left.
#[derive(Default)]
struct Found {
    chains: Vec<Attempted<Done<ChainDone>>>,
    posteriors: Vec<Attempted<Done<PosteriorDone>>>,
    forecasts: Vec<ForecastDone>,
    forecast_failure: Option<Problem>,
    forecast_usage: Usage,
    draws: Vec<Attempted<DrawsDone>>,
    /// Who drives in the race that was drawn.
    drivers: Vec<String>,
    verdicts: BTreeMap<(ShadowPart, usize), Vec<Attempted<VerdictsDone>>>,
}

impl Found {
    fn gather(task: &Task<'_>) -> Result<Self, TaskFailure> {
        let mut found = Self::default();
        if Beside::of(task.spec).is_some_and(|beside| beside.has_fits) {
            let read = task.context.outputs(SHADOW_FIT)?.into_iter().map(outputs::read_value);
            found.chains = read.collect::<Result<_, _>>()?;
            let read = task.context.outputs(SHADOW_POSTERIOR)?.into_iter().map(outputs::read_value);
            found.posteriors = read.collect::<Result<_, _>>()?;
        }
        if task.spec.generator.shadow.is_some()
            && let Some(plan) = task.spec.simulations.first()
        {
            found.drivers = task.race(&plan.race)?.entries.into_iter().map(|entry| entry.driver).collect();
        }
        if !shadow_tasks(task.spec).is_empty() {
            for done in outputs::read::<Shadowed>(task.context.outputs(SHADOW)?)? {
                found.add(done);
            }
        }
        Ok(found)
    }

    fn add(&mut self, done: Done<Shadowed>) {
        match done.work {
            Shadowed::Forecast(forecast) => {
                done.costs.iter().for_each(|cost| self.forecast_usage.add(&cost.usage));
                self.forecasts.push(forecast);
            }
            Shadowed::NoForecast(problem) => self.forecast_failure = self.forecast_failure.take().or(Some(*problem)),
            Shadowed::Draws(draws) => self.draws.push(draws),
            Shadowed::Scenarios(index, verdicts) => {
                self.verdicts.entry((ShadowPart::Constraint, index)).or_default().push(verdicts);
            }
            Shadowed::Lineups(index, verdicts) => {
                self.verdicts.entry((ShadowPart::LineupConstraint, index)).or_default().push(verdicts);
            }
        }
    }

    fn report(&self, spec: &PinnedSpec, shadow: &Shadow<'_>, promoted: &Promoted<'_>) -> ShadowReport {
        let mut report = ShadowReport {
            part: shadow.part,
            promoted: shadow.promoted.label.clone(),
            promoted_hash: shadow.promoted.hash.clone(),
            candidate: shadow.candidate.label.clone(),
            candidate_hash: shadow.candidate.hash.clone(),
            failure: None,
            verdicts: None,
            draws: None,
            scores: None,
            fits: Vec::new(),
            cost: CostComparison::default(),
        };
        match shadow.part {
            ShadowPart::Calibrator => self.calibrator(spec, promoted, &mut report),
            ShadowPart::Generator => self.generator(promoted, &mut report),
            ShadowPart::Constraint | ShadowPart::LineupConstraint => self.judge(shadow, &mut report),
        }
        report
    }

    fn calibrator(&self, spec: &PinnedSpec, promoted: &Promoted<'_>, report: &mut ShadowReport) {
        let failed_chain = self.chains.iter().find_map(failure);
        let failed_posterior = self.posteriors.iter().find_map(failure);
        report.failure = failed_chain.or(failed_posterior).or_else(|| self.forecast_failure.clone());
        report.scores = scores(promoted.forecasts, &self.forecasts);
        report.fits = self.posteriors.iter().filter_map(done).map(|done| done.work.fit.clone()).collect();
        let of_candidate = self.chains.iter().filter_map(done);
        report.cost = CostComparison::of(sum(chains_of_job(spec, promoted.chains)), sum(of_candidate));
    }

    fn generator(&self, promoted: &Promoted<'_>, report: &mut ShadowReport) {
        report.failure = self.forecast_failure.clone().or_else(|| self.draws.iter().find_map(failure));
        report.scores = scores(promoted.forecasts, &self.forecasts);
        let done: Vec<&DrawsDone> = self.draws.iter().filter_map(done).collect();
        let (mut known, mut found) = (promoted.forecast_usage, self.forecast_usage);
        for draws in &done {
            known.add(&draws.promoted);
            found.add(&draws.candidate);
        }
        report.cost = CostComparison::of(known, found);
        report.draws = draws(&done, &self.drivers);
    }

    fn judge(&self, shadow: &Shadow<'_>, report: &mut ShadowReport) {
        let all = self.verdicts.get(&(shadow.part, shadow.index)).map(Vec::as_slice).unwrap_or_default();
        report.failure = all.iter().find_map(failure);
        let done: Vec<&VerdictsDone> = all.iter().filter_map(done).collect();
        let (mut promoted, mut candidate) = (Usage::default(), Usage::default());
        for verdicts in &done {
            promoted.add(&verdicts.promoted);
            candidate.add(&verdicts.candidate);
        }
        report.cost = CostComparison::of(promoted, candidate);
        report.verdicts = (!done.is_empty()).then(|| verdicts(shadow, &done));
    }
}

fn failure<T>(attempted: &Attempted<T>) -> Option<Problem> {
    match attempted {
        Attempted::Done(_) => None,
        Attempted::Failed(problem) => Some((**problem).clone()),
    }
}

fn done<T>(attempted: &Attempted<T>) -> Option<&T> {
    match attempted {
        Attempted::Done(done) => Some(done),
        Attempted::Failed(_) => None,
    }
}

/// The job's chains of those fits that the candidate has fitted too.
fn chains_of_job<'a>(spec: &PinnedSpec, chains: &'a [Done<ChainDone>]) -> impl Iterator<Item = &'a Done<ChainDone>> {
    let fits = Beside::of(spec).map(|beside| beside.fits).unwrap_or_default();
    let of_fit = |(fit, plan): (usize, &super::pinned::FitPlan)| vec![fits.contains(&fit); plan.chains as usize];
    let is_compared: Vec<bool> = spec.fits.iter().enumerate().flat_map(of_fit).collect();
    chains.iter().zip(is_compared).filter(|(_, is_compared)| *is_compared).map(|(chain, _)| chain)
}

fn sum<'a>(chains: impl Iterator<Item = &'a Done<ChainDone>>) -> Usage {
    let mut total = Usage::default();
    chains.flat_map(|done| &done.costs).for_each(|cost| total.add(&cost.usage));
    total
}

/// Scores of the races that both have forecast.
fn scores(promoted: &[ForecastDone], candidate: &[ForecastDone]) -> Option<ScoreComparison> {
    let per_race = promoted
        .iter()
        .filter_map(|known| {
            let found = candidate.iter().find(|found| found.race == known.race)?;
            let (promoted, candidate) = (known.report.scores, found.report.scores);
            Some(RaceScores { race: known.race.clone(), promoted, candidate })
        })
        .collect();
    ScoreComparison::of(per_race)
}

/// Finish positions of all scenarios that both drew; `None` where there are none.
fn draws(done: &[&DrawsDone], drivers: &[String]) -> Option<DrawComparison> {
    let (first, others) = done.split_first()?;
    let mut sums = (*first).clone();
    for other in others {
        sums.scenarios += other.scenarios;
        sums.identical += other.identical;
        for (sum, part) in sums.entries.iter_mut().zip(&other.entries) {
            sum.promoted += part.promoted;
            sum.candidate += part.candidate;
            sum.squares += part.squares;
        }
    }
    let count = sums.scenarios as f64;
    let difference = |(sum, driver): (&FinishSums, &String)| {
        let (promoted, candidate) = (sum.promoted as f64 / count, sum.candidate as f64 / count);
        let mean = candidate - promoted;
        let half = half_width(sums.scenarios as usize, sum.squares as f64 - count * mean.powi(2));
        let (low, high) = (half.map(|half| mean - half), half.map(|half| mean + half));
        FinishDifference { driver: driver.clone(), promoted, candidate, low, high }
    };
    let mut drivers: Vec<_> = sums.entries.iter().zip(drivers).map(difference).collect();
    let size = |driver: &FinishDifference| (driver.candidate - driver.promoted).abs();
    drivers.sort_by(|a, b| size(b).total_cmp(&size(a)));
    Some(DrawComparison { scenarios: sums.scenarios, identical: sums.identical, drivers })
}

fn verdicts(shadow: &Shadow<'_>, done: &[&VerdictsDone]) -> VerdictComparison {
    let mut counts: BTreeMap<(u8, u8), u64> = BTreeMap::new();
    for &(promoted, candidate, count) in done.iter().flat_map(|verdicts| &verdicts.pairs) {
        *counts.entry((promoted, candidate)).or_default() += count;
    }
    let matrix = counts.into_iter().map(|((promoted, candidate), count)| VerdictPair {
        promoted: reason(shadow.promoted, promoted),
        candidate: reason(shadow.candidate, candidate),
        count,
    });
    let compared = VerdictComparison::of(matrix.collect());
    let examples =
        done.iter().flat_map(|verdicts| &verdicts.examples).map(|&(number, promoted, candidate)| DifferentVerdict {
            number,
            promoted: reason(shadow.promoted, promoted),
            candidate: reason(shadow.candidate, candidate),
        });
    let examples = examples.filter(|example| example.promoted != example.candidate).take(EXAMPLES_MAX).collect();
    VerdictComparison { examples, ..compared }
}

/// Code of a verdict's reason; `None` where it keeps.
fn reason(plugin: &PinnedPlugin, verdict: u8) -> Option<String> {
    let index = usize::from(verdict).checked_sub(1)?;
    Some(plugin.veto_reasons.get(index).map_or_else(|| verdict.to_string(), |reason| reason.code.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_of_all_blocks_are_compared_with_the_largest_difference_first() {
        let block = |sums: [(u64, u64, u64); 2]| DrawsDone {
            scenarios: 2,
            identical: 1,
            entries: sums.map(|(promoted, candidate, squares)| FinishSums { promoted, candidate, squares }).to_vec(),
            ..DrawsDone::default()
        };
        // B's differences are 0, 2, 0, 2: mean 1, squared distances 4, three degrees of freedom.
        let drivers = ["A", "B"].map(str::to_owned);
        let found = draws(&[&block([(4, 4, 0), (6, 8, 4)]), &block([(4, 4, 0), (6, 8, 4)])], &drivers).unwrap();
        assert_eq!((found.scenarios, found.identical), (4, 2));
        let [b, a] = &found.drivers[..] else { panic!("{found:?}") };
        assert_eq!((b.driver.as_str(), b.promoted, b.candidate), ("B", 3.0, 4.0));
        let half = 3.182_446 * (4.0_f64 / 3.0 / 4.0).sqrt();
        assert!((b.low.unwrap() - (1.0 - half)).abs() < 1e-6 && (b.high.unwrap() - (1.0 + half)).abs() < 1e-6);
        assert_eq!((a.driver.as_str(), a.low, a.high), ("A", Some(0.0), Some(0.0)));
        assert!(draws(&[], &drivers).is_none());
    }
}
