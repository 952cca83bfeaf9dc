//! Checks the numbers of a specification against the configured limits, before anything is looked up.

use std::fmt::Display;

use super::{limits::PipelineConfig, payouts::check_payouts};
use crate::domain::{
    problem::Problem,
    spec::{CalibrateSpec, EvaluateSpec, HistorySpec, JobSpec, Objective, OptimizeSpec, ScenarioSpec, Together},
};

/// Largest threshold of an objective, in points: beyond every lineup's score.
const POINTS_MAX: f64 = 1_000_000.0;

/// Checks every number of `spec`.
///
/// # Errors
/// The first number that is out of its range, with the range.
pub fn check(spec: &JobSpec, config: &PipelineConfig) -> Result<(), Problem> {
    match spec {
        JobSpec::Calibrate(calibrate) => check_calibrate(calibrate, "", config),
        JobSpec::Simulate(simulate) => check_scenarios(&simulate.scenarios, config),
        JobSpec::Optimize(optimize) => check_optimize(optimize, config),
        JobSpec::Evaluate(evaluate) => check_evaluate(evaluate, config),
    }
}

fn check_calibrate(spec: &CalibrateSpec, pointer: &str, config: &PipelineConfig) -> Result<(), Problem> {
    check_history(&spec.history, &format!("{pointer}/history"))?;
    within(&format!("{pointer}/chains"), spec.chains, 1, config.chains_max, "chains")?;
    within(&format!("{pointer}/holdout_races"), spec.holdout_races, 0, config.holdout_races_max, "races")?;
    let most = config.forecast_scenarios_max;
    within(&format!("{pointer}/forecast_scenarios"), spec.forecast_scenarios, 1, most, "scenarios")
}

fn check_history(spec: &HistorySpec, pointer: &str) -> Result<(), Problem> {
    if spec.half_life_races.is_finite() && spec.half_life_races > 0.0 {
        return Ok(());
    }
    let detail = format!("{} is not a half-life.", spec.half_life_races);
    Err(Problem::invalid(format!("{pointer}/half_life_races"), detail, "Send a positive number of races.")
        .with_limit("above 0 races"))
}

fn check_scenarios(spec: &ScenarioSpec, config: &PipelineConfig) -> Result<(), Problem> {
    within("/scenarios/n_scenarios", spec.n_scenarios, 1, config.n_scenarios_max, "scenarios")?;
    let most = config.constraints_max;
    within("/scenarios/constraints", spec.constraints.len(), 0, most, "constraints")
}

fn check_optimize(spec: &OptimizeSpec, config: &PipelineConfig) -> Result<(), Problem> {
    check_scenarios(&spec.scenarios, config)?;
    if spec.model.is_none() {
        check_calibrate(&spec.calibrate, "/calibrate", config)?;
    }
    check_objective(spec.objective, "/objective")?;
    within("/lineups", spec.lineups, 1, config.lineups_max, "lineups")?;
    if spec.together.is_some() || !spec.exposures.is_empty() {
        within("/lineups", spec.lineups, 1, config.joint_lineups_max, "lineups judged together")?;
    }
    match &spec.together {
        Some(Together::AnyReaches { at_least }) => {
            check_objective(Objective::Probability { at_least: *at_least }, "/together")?;
        }
        Some(Together::ExpectedPayout { contest }) => check_payouts(contest, spec.lineups, config)?,
        Some(Together::ExpectedMaximum) | None => {}
    }
    within("/rules", spec.rules.len(), 0, config.lineup_rules_max, "rules")?;
    within("/exposures", spec.exposures.len(), 0, config.exposures_max, "exposures")?;
    within("/min_differences", spec.min_differences, 1, u32::MAX, "entries")?;
    let most = config.validation_scenarios_max;
    within("/validation_scenarios", spec.validation_scenarios, 0, most, "scenarios")?;
    within("/sensitivity_seeds", spec.sensitivity_seeds, 0, config.sensitivity_seeds_max, "seeds")?;
    within("/lineup_constraints", spec.lineup_constraints.len(), 0, config.constraints_max, "constraints")
}

fn check_objective(objective: Objective, pointer: &str) -> Result<(), Problem> {
    let outside = |field: &str, detail: String, limit: &str| {
        let field = format!("{pointer}/{field}");
        Err(Problem::invalid(field, detail, format!("Send a number {limit}.")).with_limit(limit))
    };
    match objective {
        Objective::UpperCvar { alpha } if !(alpha > 0.0 && alpha <= 1.0) => {
            outside("alpha", format!("{alpha} is not a share of the scenarios."), "above 0, at most 1")
        }
        Objective::Quantile { share } if !(share > 0.0 && share < 1.0) => {
            outside("share", format!("{share} is not a share of the scenarios."), "above 0, below 1")
        }
        Objective::Probability { at_least } if !(-POINTS_MAX..=POINTS_MAX).contains(&at_least) => {
            let limit = format!("from -{POINTS_MAX} to {POINTS_MAX}");
            outside("at_least", format!("{at_least} points cannot be reached."), &limit)
        }
        _ => Ok(()),
    }
}

fn check_evaluate(spec: &EvaluateSpec, config: &PipelineConfig) -> Result<(), Problem> {
    check_history(&spec.history, "/history")?;
    within("/races_max", spec.races_max, 1, config.evaluate_races_max, "races")?;
    within("/refit_every", spec.refit_every, 1, config.evaluate_races_max, "races")?;
    within("/chains", spec.chains, 1, config.chains_max, "chains")?;
    within("/forecast_scenarios", spec.forecast_scenarios, 1, config.forecast_scenarios_max, "scenarios")
}

fn within<N: PartialOrd + Display + Copy>(field: &str, value: N, least: N, most: N, unit: &str) -> Result<(), Problem> {
    if value >= least && value <= most {
        return Ok(());
    }
    let detail = format!("{value} {unit} were asked for.");
    let limit = format!("{least}..={most} {unit}");
    Err(Problem::invalid(field, detail, format!("Ask for {limit}.")).with_limit(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field_of(spec: JobSpec) -> Option<String> {
        check(&spec, &PipelineConfig::default()).err().and_then(|problem| problem.field)
    }

    #[test]
    fn a_number_at_its_limit_is_taken_and_one_past_it_is_refused_by_name() {
        let config = PipelineConfig::default();
        let calibrate = |change: fn(&mut CalibrateSpec, u32), value| {
            let mut spec = CalibrateSpec::default();
            change(&mut spec, value);
            field_of(JobSpec::Calibrate(spec))
        };
        let chains = |value| calibrate(|spec, value| spec.chains = value, value);
        assert_eq!(chains(0).as_deref(), Some("/chains"));
        assert_eq!(chains(config.chains_max), None);
        assert_eq!(chains(config.chains_max + 1).as_deref(), Some("/chains"));
        let holdout = |value| calibrate(|spec, value| spec.holdout_races = value, value);
        assert_eq!(holdout(config.holdout_races_max), None);
        assert_eq!(holdout(config.holdout_races_max + 1).as_deref(), Some("/holdout_races"));
        let forecast = |value| calibrate(|spec, value| spec.forecast_scenarios = value, value);
        assert_eq!(forecast(0).as_deref(), Some("/forecast_scenarios"));
        assert_eq!(forecast(config.forecast_scenarios_max), None);
        assert_eq!(forecast(config.forecast_scenarios_max + 1).as_deref(), Some("/forecast_scenarios"));
    }

    #[test]
    fn the_number_of_scenarios_has_both_limits() {
        let config = PipelineConfig::default();
        let scenarios =
            |n_scenarios| check_scenarios(&ScenarioSpec { n_scenarios, ..ScenarioSpec::default() }, &config).err();
        let none = scenarios(0).unwrap();
        assert_eq!(none.field.as_deref(), Some("/scenarios/n_scenarios"));
        assert_eq!(none.limit.as_deref(), Some("1..=200000 scenarios"));
        assert!(scenarios(1).is_none() && scenarios(config.n_scenarios_max).is_none());
        assert!(scenarios(config.n_scenarios_max + 1).is_some());
    }

    #[test]
    fn a_half_life_and_a_tail_share_are_real_numbers_in_range() {
        for half_life_races in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let history = HistorySpec { half_life_races, ..HistorySpec::default() };
            let spec = JobSpec::Calibrate(CalibrateSpec { history, ..CalibrateSpec::default() });
            assert_eq!(field_of(spec).as_deref(), Some("/history/half_life_races"), "{half_life_races}");
        }
    }
}
