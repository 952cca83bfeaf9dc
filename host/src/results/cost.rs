//! What a job is expected to cost, what it has cost, and how the two compare.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::score::convergence::quantile_of_sorted;

/// Past jobs from which on their spread says something: below, the middle is told alone.
const INTERVAL_JOBS_MIN: usize = 3;

/// Where a figure of an estimate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Past jobs, scaled to the work of this one.
    History,
    /// A small part of the work, done for the estimate and scaled up.
    Sample,
    /// Nothing: `reason` says why.
    None,
}

/// A figure of an estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(examples(json!({ "likely": 1.2e9, "low": 1.1e9, "high": 1.4e9, "source": "history", "jobs": 12 })))]
pub struct Figure {
    /// The middle of what is to be expected; absent where nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likely: Option<f64>,
    /// One of ten past jobs cost less, or took less; absent where there are fewer than three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// One of ten past jobs cost more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Where it comes from; of a sum, where its least certain part comes from.
    pub source: Source,
    /// Past jobs that it stands on; of a sum, those of the part with the fewest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u32>,
    /// Why nothing is known, or what is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Figure {
    /// Nothing is known, for this reason.
    #[must_use]
    pub fn none(reason: impl Into<String>) -> Self {
        Self { likely: None, low: None, high: None, source: Source::None, jobs: None, reason: Some(reason.into()) }
    }

    /// What a sample comes to.
    #[must_use]
    pub const fn sample(likely: f64) -> Self {
        Self { likely: Some(likely), low: None, high: None, source: Source::Sample, jobs: None, reason: None }
    }

    /// A known middle and interval.
    #[must_use]
    pub const fn spread(low: f64, likely: f64, high: f64, jobs: u32) -> Self {
        let source = Source::History;
        Self { likely: Some(likely), low: Some(low), high: Some(high), source, jobs: Some(jobs), reason: None }
    }

    /// Median and 10th to 90th percentile of what past jobs cost per unit of work, for so many units; `None` where there are none.
    #[must_use]
    pub fn of_history(per_unit: &[f64], units: f64) -> Option<Self> {
        let mut sorted = per_unit.to_vec();
        sorted.sort_by(f64::total_cmp);
        let likely = quantile(&sorted, 0.5)? * units;
        let has_interval = sorted.len() >= INTERVAL_JOBS_MIN;
        let end = |share| quantile(&sorted, share).filter(|_| has_interval).map(|per_unit| per_unit * units);
        let jobs = u32::try_from(sorted.len()).ok();
        let source = Source::History;
        Some(Self { likely: Some(likely), low: end(0.1), high: end(0.9), source, jobs, reason: None })
    }

    /// The sum of parts. Its interval is that of parts that are cheap or expensive together, so it is rather too wide.
    #[must_use]
    pub fn sum(parts: &[&Self]) -> Self {
        if let Some(unknown) = parts.iter().find(|part| part.likely.is_none()) {
            return Self::none(unknown.reason.clone().unwrap_or_default());
        }
        let total = |of: fn(&Self) -> Option<f64>| parts.iter().map(|part| of(part)).sum::<Option<f64>>();
        let is_sampled = parts.iter().any(|part| part.source == Source::Sample);
        Self {
            likely: total(|part| part.likely),
            low: total(|part| part.low),
            high: total(|part| part.high),
            source: if is_sampled { Source::Sample } else { Source::History },
            jobs: parts.iter().filter_map(|part| part.jobs).min(),
            reason: None,
        }
    }
}

/// A quantile of sorted values; `None` where there are none.
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    (!sorted.is_empty()).then(|| quantile_of_sorted(sorted, share))
}

/// What a component is expected to cost in a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComponentEstimate {
    /// `name@version` of a plugin, or `host` for everything else: reading, writing, scoring, the search for lineups.
    pub component: String,
    /// Stage of the job.
    pub stage: String,
    /// What `units` counts: `race_iterations` (iterations of all chains, times the races that each learns from), `scenarios` (drawn or
    /// judged, those that will be vetoed included), `lineups`, or `weight` (the share in the job's progress).
    pub unit: String,
    /// The work that is expected.
    pub units: f64,
    /// Fuel; none for the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<Figure>,
    /// CPU time in seconds.
    pub cpu_s: Figure,
}

/// What a job is expected to cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CostEstimate {
    /// Fuel of all plugins.
    pub fuel: Figure,
    /// CPU time of all threads, in seconds.
    pub cpu_s: Figure,
    /// From its first task to its end, in seconds, with the workers that there are.
    pub wall_s: Figure,
    /// Until its first task, in seconds, behind all that is queued; absent where nobody looked at the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_wait_s: Option<Figure>,
    /// The plugins in the order of the stages, then the host in each stage. Candidates that run beside a plugin are not among them.
    pub components: Vec<ComponentEstimate>,
}

/// The figures of a job's cost; each is absent where it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CostFigures {
    /// Fuel of all plugins but candidates that ran beside them; not known before there is a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<f64>,
    /// CPU time of all attempts that have ended, in seconds; those whose process died are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_s: Option<f64>,
    /// From its first task to its end, or until now, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_s: Option<f64>,
}

/// What was expected of a job's cost, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobCost {
    /// What past jobs said when it was submitted; absent where it is older than estimates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<CostEstimate>,
    /// What it has cost.
    pub actual: CostFigures,
    /// Each figure's actual by its estimate, once the job has ended: 1.1 is a tenth more than was likely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<CostFigures>,
}

impl JobCost {
    /// The two beside each other; they are compared where the job has ended.
    #[must_use]
    pub fn new(estimate: Option<CostEstimate>, actual: CostFigures, has_ended: bool) -> Self {
        let ratio = estimate.as_ref().filter(|_| has_ended).map(|estimate| CostFigures {
            fuel: ratio(actual.fuel, &estimate.fuel),
            cpu_s: ratio(actual.cpu_s, &estimate.cpu_s),
            wall_s: ratio(actual.wall_s, &estimate.wall_s),
        });
        Self { estimate, actual, ratio }
    }
}

fn ratio(actual: Option<f64>, expected: &Figure) -> Option<f64> {
    Some(actual? / expected.likely.filter(|likely| *likely > 0.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_median_per_unit_times_the_units_with_the_outer_tenths() {
        let figure = Figure::of_history(&[5.0, 1.0, 2.0, 3.0, 4.0], 10.0).unwrap();
        assert_eq!(figure, Figure::spread(14.0, 30.0, 46.0, 5));
        let twice = Figure::of_history(&[5.0, 1.0, 2.0, 3.0, 4.0], 20.0).unwrap();
        assert_eq!(twice.likely, Some(60.0));
    }

    #[test]
    fn two_jobs_have_a_middle_and_no_interval_and_none_has_nothing() {
        let two = Figure::of_history(&[1.0, 2.0], 1.0).unwrap();
        assert_eq!((two.likely, two.low, two.high, two.jobs), (Some(1.5), None, None, Some(2)));
        assert!(Figure::of_history(&[1.0, 2.0, 3.0], 1.0).unwrap().low.is_some());
        assert_eq!(Figure::of_history(&[], 1.0), None);
    }

    #[test]
    fn a_sum_is_as_certain_as_its_least_certain_part() {
        let (known, sampled) = (Figure::spread(1.0, 2.0, 3.0, 5), Figure::sample(10.0));
        assert_eq!(Figure::sum(&[&known, &Figure::spread(1.0, 1.0, 2.0, 3)]), Figure::spread(2.0, 3.0, 5.0, 3));
        let mixed = Figure::sum(&[&known, &sampled]);
        assert_eq!((mixed.likely, mixed.low, mixed.source), (Some(12.0), None, Source::Sample));
        assert_eq!(Figure::sum(&[&known, &Figure::none("why")]), Figure::none("why"));
    }

    #[test]
    fn what_was_not_expected_has_no_ratio_and_neither_has_a_job_that_still_runs() {
        let figure = |likely| Figure { likely, ..Figure::none("") };
        let (fuel, cpu_s, wall_s) = (figure(Some(4.0)), figure(None), figure(Some(0.0)));
        let estimate = CostEstimate { fuel, cpu_s, wall_s, queue_wait_s: None, components: Vec::new() };
        let actual = CostFigures { fuel: Some(5.0), cpu_s: Some(1.0), wall_s: Some(1.0) };
        let ended = JobCost::new(Some(estimate.clone()), actual, true);
        assert_eq!(ended.ratio, Some(CostFigures { fuel: Some(1.25), cpu_s: None, wall_s: None }));
        assert_eq!(JobCost::new(Some(estimate), actual, false).ratio, None);
    }
}
