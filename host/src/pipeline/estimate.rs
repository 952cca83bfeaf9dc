//! What a job is expected to cost: what each of its components cost per unit of work in past jobs, or in a sample, times the work
//! that its plan asks for.

use std::sync::Arc;

use serde_json::json;

use super::{
    Pipeline,
    pinned::PinnedSpec,
    sample::{Sampled, Samples},
    work::{Work, works},
};
use crate::{
    domain::ids::TeamId,
    jobs::{
        JobsError, NewStage, Newcomer, Prospect, Span,
        costs::{self, Asked, Expected, PastCost},
    },
    results::cost::{ComponentEstimate, CostEstimate, Figure, quantile},
};

/// The component that stands for what is done outside of plugins.
const HOST: &str = "host";

/// The plan of a job, and what past jobs say of its components.
pub struct Basis<'a> {
    spec: &'a PinnedSpec,
    stages: &'a [NewStage],
    works: Vec<Work<'a>>,
    /// Of each work, then of each stage.
    past: Arc<Vec<Vec<PastCost>>>,
}

/// How old what is known of past jobs may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Nothing that has ended is left out.
    Now,
    /// What was read a moment ago will do.
    Moments,
}

impl<'a> Basis<'a> {
    /// Asks for the past costs of everything in the plan.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn read(
        pipeline: &Pipeline,
        team: &TeamId,
        spec: &'a PinnedSpec,
        stages: &'a [NewStage],
        age: Age,
    ) -> Result<Self, JobsError> {
        let works = works(spec);
        let of_work = |work: &Work<'_>| Asked {
            component: work.plugin.id.as_ref().map_or("", |id| id.as_str()).to_owned(),
            stage: work.stage.to_owned(),
            from_all: work.plugin.is_shipped,
        };
        let host = costs::host(spec.request.kind());
        let of_stage = |stage: &NewStage| Asked { component: host.clone(), stage: stage.name.clone(), from_all: true };
        let asked: Vec<Asked> = works.iter().map(of_work).chain(stages.iter().map(of_stage)).collect();
        let question = (team.clone(), asked);
        let known = if age == Age::Moments { pipeline.recent_costs.get(&question) } else { None };
        let past = match known {
            Some(past) => past,
            None => {
                let past = costs::past(&pipeline.db, team, &question.1).await?;
                pipeline.recent_costs.keep(question, Arc::new(past))
            }
        };
        Ok(Self { spec, stages, works, past })
    }

    /// Whether past jobs say nothing of the calibrator, where the job fits.
    pub fn lacks_calibrator(&self) -> bool {
        let is_calibrator =
            |work: &Work<'_>| self.spec.calibrator.as_ref().is_some_and(|own| std::ptr::eq(own, work.plugin));
        self.works.iter().zip(self.past.iter()).any(|(work, past)| is_calibrator(work) && past.is_empty())
    }

    /// Scenarios that are drawn for each that would be if none were vetoed: as many as for the constraint in whose jobs it is most,
    /// or as in the sample where one of them is new.
    fn redraws(&self, samples: &Samples) -> f64 {
        let is_constraint = |work: &Work<'_>| self.spec.constraints.iter().any(|own| own.label == work.plugin.label);
        let judged = || self.works.iter().zip(self.past.iter()).filter(|(work, _)| is_constraint(work));
        let sampled = if judged().any(|(_, past)| past.is_empty()) { samples.redraws } else { 0.0 };
        let drawn = judged().filter_map(|(_, past)| {
            let mut drawn: Vec<f64> = past.iter().map(|past| past.units_per_asked).collect();
            drawn.sort_by(f64::total_cmp);
            quantile(&drawn, 0.5)
        });
        drawn.fold(sampled.max(1.0), f64::max)
    }

    /// The estimate, with samples in place of a history that there is not.
    pub fn estimate(&self, samples: &Samples, prospect: &Prospect) -> CostEstimate {
        let redraws = self.redraws(samples);
        let plugins =
            self.works.iter().zip(self.past.iter()).map(|(work, past)| plugin(work, past, redraws, &samples.plugins));
        let plugins: Vec<ComponentEstimate> = plugins.collect();
        let hosts = self.stages.iter().zip(&self.past[self.works.len()..]).map(|(stage, past)| host(stage, past));
        let hosts: Vec<ComponentEstimate> = hosts.collect();
        let fuel: Vec<&Figure> = plugins.iter().filter_map(|part| part.fuel.as_ref()).collect();
        CostEstimate {
            fuel: Figure::sum(&fuel),
            cpu_s: cpu_s(&plugins, &hosts),
            wall_s: figure(&prospect.runs_s, prospect.jobs),
            queue_wait_s: None,
            components: plugins.into_iter().chain(hosts).collect(),
        }
    }
}

fn plugin(work: &Work<'_>, past: &[PastCost], redraws: f64, sampled: &[Sampled]) -> ComponentEstimate {
    let units = work.units(redraws);
    let per_unit = |of: fn(&PastCost) -> f64| past.iter().map(of).collect::<Vec<f64>>();
    let known = Figure::of_history(&per_unit(|past| past.fuel), units)
        .zip(Figure::of_history(&per_unit(|past| past.cpu_s), units));
    let sample = || sampled.iter().find(|sampled| sampled.plugin == work.plugin.label && sampled.stage == work.stage);
    let (fuel, cpu_s) = known.unwrap_or_else(|| match sample() {
        Some(sampled) => (sampled.fuel.clone(), sampled.cpu_s.clone()),
        None => {
            let reason = format!("no job has shown yet what {} costs in the stage `{}`", work.plugin.label, work.stage);
            (Figure::none(reason.clone()), Figure::none(reason))
        }
    });
    ComponentEstimate {
        component: work.plugin.label.clone(),
        stage: work.stage.to_owned(),
        unit: work.unit.to_owned(),
        units,
        fuel: Some(fuel),
        cpu_s,
    }
}

fn host(stage: &NewStage, past: &[PastCost]) -> ComponentEstimate {
    let per_unit: Vec<f64> = past.iter().map(|past| past.cpu_s).collect();
    let unknown =
        || Figure::none(format!("no job of this kind has shown yet what the host does in the stage `{}`", stage.name));
    ComponentEstimate {
        component: HOST.to_owned(),
        stage: stage.name.clone(),
        unit: "weight".to_owned(),
        units: stage.weight,
        fuel: None,
        cpu_s: Figure::of_history(&per_unit, stage.weight).unwrap_or_else(unknown),
    }
}

/// The plugins are most of it: where the host is not known, their part is told with what is missing.
fn cpu_s(plugins: &[ComponentEstimate], hosts: &[ComponentEstimate]) -> Figure {
    let parts = |parts: &[&[ComponentEstimate]]| {
        let figures: Vec<&Figure> = parts.iter().flat_map(|parts| parts.iter()).map(|part| &part.cpu_s).collect();
        Figure::sum(&figures)
    };
    let all = parts(&[plugins, hosts]);
    let known = parts(&[plugins]);
    if all.likely.is_some() || known.likely.is_none() {
        return all;
    }
    Figure { reason: Some(format!("without the host's own part: {}", all.reason.unwrap_or_default())), ..known }
}

/// A time that is foreseen.
#[must_use]
pub fn figure(span: &Result<Span, &'static str>, jobs: u32) -> Figure {
    match span {
        Ok(span) => Figure::spread(span.low, span.likely, span.high, jobs),
        Err(reason) => Figure::none(*reason),
    }
}

/// What history alone says of a job, to be kept with it. That nobody can tell does not keep a job from being submitted.
pub async fn expected(pipeline: &Pipeline, team: &TeamId, spec: &PinnedSpec, stages: &[NewStage]) -> Option<Expected> {
    let estimated = async {
        let basis = Basis::read(pipeline, team, spec, stages, Age::Moments).await?;
        let newcomer = Newcomer { team, kind: spec.request.kind(), stages };
        Ok::<_, JobsError>(basis.estimate(&Samples::default(), &pipeline.outlooks.alone(newcomer).await?))
    };
    match estimated.await {
        Ok(estimate) => Some(Expected {
            cpu_us: estimate.cpu_s.likely.map_or(0, |cpu_s| (cpu_s * 1e6).round() as i64),
            told: json!(estimate),
        }),
        Err(error) => {
            tracing::warn!(team.id = %team, error = %error, "a job is submitted without an estimate of its cost");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        pipeline::stages::{FIT, SIMULATE, stages},
        pipeline::work::tests::plan,
        results::cost::Source,
    };

    fn past(costs: &[(f64, f64, f64)]) -> Vec<PastCost> {
        let cost = |&(units_per_asked, fuel, cpu_s)| PastCost { units_per_asked, fuel, cpu_s };
        costs.iter().map(cost).collect()
    }

    fn prospect() -> Prospect {
        let span = Span { low: 1.0, likely: 2.0, high: 4.0 };
        Prospect { begins_s: Ok(span), runs_s: Ok(span), jobs: 3 }
    }

    fn part<'a>(estimate: &'a CostEstimate, component: &str) -> &'a ComponentEstimate {
        estimate.components.iter().find(|part| part.component == component).unwrap()
    }

    /// The plan has four works: 240 units of a fit, scenarios, their verdicts (twice), and five lineups.
    #[test]
    fn known_costs_per_unit_are_scaled_to_the_work_and_to_what_is_vetoed() {
        let spec = plan();
        let stages = stages(&spec);
        let three =
            |per_unit: f64| past(&[(1.5, per_unit, 0.5), (1.5, 2.0 * per_unit, 0.5), (1.5, 3.0 * per_unit, 0.5)]);
        let mut known: Vec<_> = (0..4).map(|_| three(1.0)).collect();
        known.extend(stages.iter().map(|_| past(&[(1.0, 0.0, 0.25)])));
        let basis = Basis { spec: &spec, stages: &stages, works: works(&spec), past: Arc::new(known) };
        let estimate = basis.estimate(&Samples::default(), &prospect());
        let units: Vec<f64> = works(&spec).iter().map(|work| work.units(1.5)).collect();
        assert_eq!(units[0], 240.0);
        let fit = part(&estimate, "fit@1.0.0").fuel.clone().unwrap();
        assert_eq!((fit.low, fit.likely, fit.high), (Some(1.2 * 240.0), Some(480.0), Some(2.8 * 240.0)));
        assert_eq!(estimate.fuel.likely, Some(units.iter().sum::<f64>() * 2.0));
        let host: f64 = stages.iter().map(|stage| stage.weight * 0.25).sum();
        let expected = units.iter().sum::<f64>() * 0.5 + host;
        assert!((estimate.cpu_s.likely.unwrap() - expected).abs() < 1e-9);
        // The host has been seen once, which makes no interval.
        assert_eq!((estimate.cpu_s.low, estimate.cpu_s.jobs), (None, Some(1)));
        assert_eq!((estimate.wall_s, estimate.fuel.jobs), (Figure::spread(1.0, 2.0, 4.0, 3), Some(3)));
        assert!(!basis.lacks_calibrator());
    }

    #[test]
    fn what_no_job_has_shown_comes_from_a_sample_or_is_said_to_be_unknown() {
        let spec = plan();
        let stages = stages(&spec);
        let works = works(&spec);
        // Only the generator has been seen.
        let mut known = vec![Vec::new(); works.len() + stages.len()];
        known[1] = past(&[(1.0, 2.0, 0.5)]);
        let basis = Basis { spec: &spec, stages: &stages, works: works.clone(), past: Arc::new(known) };
        assert!(basis.lacks_calibrator());
        let sampled = |plugin: &str, stage| Sampled {
            plugin: plugin.to_owned(),
            stage,
            fuel: Figure::sample(10.0),
            cpu_s: Figure::sample(1.0),
        };
        let plugins = vec![sampled("fit@1.0.0", FIT), sampled("rule@1.0.0", SIMULATE)];
        let estimate = basis.estimate(&Samples { plugins, redraws: 3.0 }, &prospect());
        assert_eq!(part(&estimate, "fit@1.0.0").fuel, Some(Figure::sample(10.0)));
        // The sample says how much is vetoed, because the constraint is new.
        assert_eq!(part(&estimate, "draw@1.0.0").fuel.as_ref().unwrap().likely, Some(works[1].units(3.0) * 2.0));
        let unknown = part(&estimate, "rule@2.0.0").fuel.clone().unwrap();
        assert_eq!(unknown.source, Source::None);
        assert_eq!((estimate.fuel.likely, &estimate.fuel.reason), (None, &unknown.reason));
        assert!(unknown.reason.unwrap().contains("rule@2.0.0"));
        let unseen = Prospect { runs_s: Err("why"), begins_s: Err("why"), jobs: 0 };
        assert_eq!(basis.estimate(&Samples::default(), &unseen).wall_s, Figure::none("why"));
    }
}
