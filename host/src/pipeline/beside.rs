//! The plan of a comparison: what the job does, with a candidate in place of its calibrator or generator, and nothing stored.

use super::pinned::{ForecastPlan, PinnedPlugin, PinnedSpec};
use crate::results::ShadowPart;

/// A job as it would be with the candidate of its calibrator or generator.
pub struct Beside {
    /// The plan: its fits and forecasts only, and no model to store.
    pub spec: PinnedSpec,
    /// Whether the fits are the candidate's; else they are those of the job.
    pub has_fits: bool,
    /// Which fits of the job the candidate's are, in order.
    pub fits: Vec<usize>,
}

impl Beside {
    /// The comparison that a job's plan asks for, if it does; the plan has one such candidate at most.
    #[must_use]
    pub fn of(spec: &PinnedSpec) -> Option<Self> {
        let calibrator = spec.calibrator.as_ref().and_then(|calibrator| calibrator.shadow.as_deref());
        let mut beside =
            Self { spec: without_simulations(spec), has_fits: false, fits: (0..spec.fits.len()).collect() };
        if let Some(candidate) = calibrator {
            beside.has_fits = true;
            beside.spec.calibrator = Some(candidate.clone());
            beside.keep_fits_that_are_scored();
        } else {
            beside.spec.generator = spec.generator.shadow.as_deref()?.clone();
        }
        Some(beside)
    }

    /// A fit that nothing is forecast from tells how sampling goes, which one of them does as well.
    fn keep_fits_that_are_scored(&mut self) {
        let is_scored = |fit: &usize| self.spec.forecasts.iter().any(|forecast| forecast.fit == *fit);
        self.fits.retain(is_scored);
        if self.fits.is_empty() {
            self.fits.push(0);
        }
        let fits = self.fits.iter().filter_map(|&fit| self.spec.fits.get(fit).cloned());
        self.spec.fits = fits.collect();
        for forecast in &mut self.spec.forecasts {
            forecast.fit = self.fits.iter().position(|&fit| fit == forecast.fit).unwrap_or(0);
        }
    }
}

fn without_simulations(spec: &PinnedSpec) -> PinnedSpec {
    let forecasts: Vec<ForecastPlan> = spec.forecasts.clone();
    PinnedSpec {
        model: None,
        constraints: Vec::new(),
        lineup_constraints: Vec::new(),
        slate: None,
        simulations: Vec::new(),
        forecasts,
        ..spec.clone()
    }
}

/// A candidate and what it runs beside.
#[derive(Debug, Clone, Copy)]
pub struct Shadow<'a> {
    /// Which plugin of the job.
    pub part: ShadowPart,
    /// Its place among those of the part.
    pub index: usize,
    /// The plugin that makes the result.
    pub promoted: &'a PinnedPlugin,
    /// The candidate.
    pub candidate: &'a PinnedPlugin,
}

/// All candidates of a job.
#[must_use]
pub fn shadows(spec: &PinnedSpec) -> Vec<Shadow<'_>> {
    let numbered = |part: ShadowPart, index: usize, promoted| (part, index, promoted);
    let mut all = Vec::new();
    all.extend(spec.calibrator.iter().map(|plugin| numbered(ShadowPart::Calibrator, 0, plugin)));
    all.push(numbered(ShadowPart::Generator, 0, &spec.generator));
    let scenarios = spec.constraints.iter().enumerate();
    all.extend(scenarios.map(|(index, plugin)| numbered(ShadowPart::Constraint, index, plugin)));
    let lineups = spec.lineup_constraints.iter().enumerate();
    all.extend(lineups.map(|(index, plugin)| numbered(ShadowPart::LineupConstraint, index, plugin)));
    let found = all.into_iter().filter_map(|(part, index, promoted): (_, _, &PinnedPlugin)| {
        Some(Shadow { part, index, promoted, candidate: promoted.shadow.as_deref()? })
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plugin(name: &str, shadow: Option<&str>) -> serde_json::Value {
        let shadow = shadow.map(|name| plugin(name, None));
        json!({ "label": name, "hash": "", "world": "constraint", "params": {}, "layout": null, "veto_reasons": [],
            "on_failure": "fail_closed", "shadow": shadow })
    }

    /// Two fits, of which the second is forecast from; each plugin with or without a candidate.
    fn plan(calibrator: Option<&str>, generator: Option<&str>, constraint: Option<&str>) -> PinnedSpec {
        let race = json!({ "id": crate::domain::ids::RaceId::random(), "key": "2030-03", "hash": "" });
        let fit =
            |end: usize| json!({ "races": { "start": 0, "end": end }, "half_life_races": 1.0, "chains": 2, "seed": 1 });
        let plan = json!({
            "request": { "kind": "calibrate" }, "model": null, "calibrator": plugin("c@1.0.0", calibrator),
            "generator": plugin("g@1.0.0", generator), "constraints": [plugin("r@1.0.0", constraint)],
            "lineup_constraints": [], "history": [], "slate": null, "fits": [fit(3), fit(2)],
            "forecasts": [{ "fit": 1, "race": race, "scenarios": 10, "seed": 5 }], "simulations": [],
        });
        serde_json::from_value(plan).unwrap()
    }

    #[test]
    fn a_calibrators_candidate_makes_the_fits_that_are_scored_and_nothing_is_stored() {
        let beside = Beside::of(&plan(Some("c@2.0.0"), None, None)).unwrap();
        assert!(beside.has_fits && beside.spec.model.is_none() && beside.spec.constraints.is_empty());
        assert_eq!(beside.spec.calibrator.as_ref().unwrap().label, "c@2.0.0");
        assert_eq!((beside.fits, beside.spec.fits.len()), (vec![1], 1));
        assert_eq!((beside.spec.fits[0].races.clone(), beside.spec.forecasts[0].fit), (0..2, 0));
        let mut unscored = plan(Some("c@2.0.0"), None, None);
        unscored.forecasts.clear();
        assert_eq!(Beside::of(&unscored).unwrap().fits, [0]);
    }

    #[test]
    fn a_generators_candidate_forecasts_from_the_fits_of_the_job() {
        let beside = Beside::of(&plan(None, Some("g@2.0.0"), None)).unwrap();
        assert_eq!((beside.has_fits, beside.spec.generator.label.as_str()), (false, "g@2.0.0"));
        assert_eq!((beside.spec.fits.len(), beside.spec.forecasts[0].fit), (2, 1));
    }

    #[test]
    fn a_constraints_candidate_needs_no_plan_of_its_own() {
        let plan = plan(None, None, Some("r@2.0.0"));
        assert!(Beside::of(&plan).is_none());
        let found = shadows(&plan);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].part, found[0].candidate.label.as_str()), (ShadowPart::Constraint, "r@2.0.0"));
    }
}
