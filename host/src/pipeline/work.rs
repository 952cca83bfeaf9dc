//! The work that a plan asks of each plugin, in units that costs grow with. What a job cost is written down by the same units as the
//! next one is estimated by.

use super::{
    outputs::LeftOut,
    pinned::{PinnedPlugin, PinnedSpec, SimulationPlan},
    simulate::draws,
    stages::{BLOCK_SCENARIOS, FIT, OPTIMIZE, SIMULATE, race_iterations},
};
use crate::{domain::spec::JobSpec, jobs::costs::Spent, results::ComponentCost};

/// Iterations of all chains, times the races that each learns from: a step over twice the races takes twice the work.
const RACE_ITERATIONS: &str = "race_iterations";
/// Scenarios, drawn or judged.
const SCENARIOS: &str = "scenarios";
/// Lineups to choose.
const LINEUPS: &str = "lineups";

/// What a plan asks of a plugin in a stage.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// The plugin.
    pub plugin: &'a PinnedPlugin,
    /// Name of the stage.
    pub stage: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// Units that are done once, whatever happens.
    once: f64,
    /// Units that are done again as far as they are vetoed.
    vetoable: f64,
}

impl Work<'_> {
    /// The units that the plan asks for.
    #[must_use]
    pub const fn asked(&self) -> f64 {
        self.once + self.vetoable
    }

    /// The units that are done where so many scenarios are drawn for each that would be if none were vetoed.
    #[must_use]
    pub const fn units(&self, redraws: f64) -> f64 {
        self.once + self.vetoable * redraws
    }
}

/// The work of a job's plugins, in the order of the stages. Each plugin is there once in each of its stages.
#[must_use]
pub fn works<'a>(spec: &'a PinnedSpec) -> Vec<Work<'a>> {
    let mut works: Vec<Work<'a>> = Vec::new();
    let mut push = |work: Work<'a>| {
        let is_same = |known: &&mut Work<'_>| known.stage == work.stage && known.plugin.label == work.plugin.label;
        match works.iter_mut().find(is_same) {
            Some(known) => {
                known.once += work.once;
                known.vetoable += work.vetoable;
            }
            None if work.asked() > 0.0 => works.push(work),
            None => {}
        }
    };
    if let Some(plugin) = &spec.calibrator {
        push(Work { plugin, stage: FIT, unit: RACE_ITERATIONS, once: race_iterations(spec), vetoable: 0.0 });
    }
    let forecast = spec.forecasts.iter().map(|plan| f64::from(plan.scenarios)).sum();
    let vetoable = scenario_draws(spec);
    push(Work { plugin: &spec.generator, stage: SIMULATE, unit: SCENARIOS, once: forecast, vetoable });
    for plugin in &spec.constraints {
        push(Work { plugin, stage: SIMULATE, unit: SCENARIOS, once: 0.0, vetoable });
    }
    if let JobSpec::Optimize(request) = &spec.request {
        // Each further seed has its best lineup chosen again.
        let once = f64::from(request.lineups) + f64::from(request.sensitivity_seeds);
        for plugin in &spec.lineup_constraints {
            push(Work { plugin, stage: OPTIMIZE, unit: LINEUPS, once, vetoable: 0.0 });
        }
    }
    works
}

/// Scenarios that a job's simulations draw where none is vetoed.
#[must_use]
pub fn scenario_draws(spec: &PinnedSpec) -> f64 {
    let of_plan = |plan: &SimulationPlan| {
        let (full, rest) = (plan.scenarios / BLOCK_SCENARIOS, plan.scenarios % BLOCK_SCENARIOS);
        let block = |wanted| if wanted > 0 { draws(wanted, !spec.constraints.is_empty()) } else { 0.0 };
        f64::from(full) * block(BLOCK_SCENARIOS) + block(rest)
    };
    spec.simulations.iter().map(of_plan).sum()
}

/// What the stages of a job have come to, as far as its costs go by it.
pub struct Spending<'a> {
    /// Cost of each plugin in each stage, by its name.
    pub costs: &'a [(String, ComponentCost)],
    /// Scenarios that the simulations drew.
    pub generated: f64,
    /// Constraints that failed: they have not done their work, and say nothing of what it costs.
    pub left_out: &'a [LeftOut],
}

impl Spending<'_> {
    /// What the plugins have cost in each of their stages, for the history of their versions.
    #[must_use]
    pub fn spent(&self, spec: &PinnedSpec) -> Vec<Spent> {
        let asked = scenario_draws(spec);
        // A block of another version does not say.
        let redraws = if asked > 0.0 && self.generated > 0.0 { self.generated / asked } else { 1.0 };
        works(spec).iter().filter_map(|work| self.spent_on(work, redraws)).collect()
    }

    fn spent_on(&self, work: &Work<'_>, redraws: f64) -> Option<Spent> {
        let label = &work.plugin.label;
        if self.left_out.iter().any(|left_out| left_out.plugin == *label) {
            return None;
        }
        let (_, cost) = self.costs.iter().find(|(stage, cost)| stage == work.stage && cost.plugin == *label)?;
        Some(Spent {
            stage: work.stage.to_owned(),
            component: work.plugin.id.as_ref()?.as_str().to_owned(),
            unit: work.unit.to_owned(),
            units: work.units(redraws),
            asked: work.asked(),
            usage: cost.usage,
        })
    }
}

#[cfg(test)]
pub mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        domain::{
            ids::{PluginId, RaceId},
            plugin::Usage,
        },
        pipeline::stages::REPORT,
    };

    fn plugin(name: &str, params: Value) -> Value {
        json!({ "id": PluginId::random(), "label": name, "hash": name, "world": "constraint", "params": params, "layout": null,
            "veto_reasons": [], "on_failure": "fail_closed" })
    }

    /// An optimize job that fits two chains of 30 iterations to four races, and draws 200 scenarios for a forecast, and keeps 1,000
    /// and 500.
    pub fn plan() -> PinnedSpec {
        let race = json!({ "id": RaceId::random(), "key": "2030-03", "hash": "" });
        let draw = |purpose: &str, scenarios: u32| json!({ "purpose": purpose, "race": race, "scenarios": scenarios, "seed": 1 });
        let slate = crate::domain::ids::SlateId::random();
        let rule = plugin("rule@1.0.0", json!({}));
        let plan = json!({
            "request": { "kind": "optimize", "slate": slate, "lineups": 3, "sensitivity_seeds": 2, "objective": { "type": "mean" } },
            "model": null, "calibrator": plugin("fit@1.0.0", json!({ "warmup": 10, "draws": 20 })),
            "generator": plugin("draw@1.0.0", json!({})), "constraints": [rule.clone(), rule], "lineup_constraints": [plugin("rule@2.0.0", json!({}))],
            "history": [], "slate": { "id": slate, "hash": "" },
            "fits": [{ "races": { "start": 0, "end": 4 }, "half_life_races": 1.0, "chains": 2, "seed": 1 }],
            "forecasts": [{ "fit": 0, "race": race, "scenarios": 200, "seed": 1 }],
            "simulations": [draw("choice", 1_000), draw("validation", 500)],
        });
        serde_json::from_value(plan).unwrap()
    }

    #[test]
    fn work_is_counted_by_what_it_grows_with_and_a_plugin_that_is_used_twice_once() {
        let plan = plan();
        let counted = |work: &Work<'_>| (work.plugin.label.clone(), work.unit, work.asked(), work.units(1.5));
        let found: Vec<_> = works(&plan).iter().map(counted).collect();
        // Two blocks, of 1,000 and 500 scenarios, with their surplus.
        let draws = 1_500.0 * 1.02 + 4.0 * 32.0;
        assert_eq!(scenario_draws(&plan), draws);
        let expected = [
            ("fit@1.0.0", RACE_ITERATIONS, 240.0, 240.0),
            ("draw@1.0.0", SCENARIOS, 200.0 + draws, 200.0 + draws * 1.5),
            ("rule@1.0.0", SCENARIOS, 2.0 * draws, 3.0 * draws),
            ("rule@2.0.0", LINEUPS, 5.0, 5.0),
        ];
        assert_eq!(found, expected.map(|(label, unit, asked, units)| (label.to_owned(), unit, asked, units)));
    }

    #[test]
    fn what_was_spent_goes_to_the_stage_that_it_was_spent_in_and_what_failed_is_left_out() {
        let plan = plan();
        let cost = |stage: &str, plugin: &str, fuel| {
            (stage.to_owned(), ComponentCost { plugin: plugin.to_owned(), usage: Usage { fuel, ..Usage::default() } })
        };
        let costs = [
            cost(FIT, "fit@1.0.0", 5),
            cost(SIMULATE, "draw@1.0.0", 7),
            cost(SIMULATE, "rule@1.0.0", 9),
            cost(OPTIMIZE, "optimizer", 0),
            cost(REPORT, "rule@2.0.0", 1),
        ];
        let left_out = [LeftOut { plugin: "rule@1.0.0".to_owned(), reason: String::new() }];
        let spending = Spending { costs: &costs, generated: 2.0 * scenario_draws(&plan), left_out: &left_out };
        let found = spending.spent(&plan).into_iter();
        let found: Vec<_> = found.map(|spent| (spent.stage, spent.asked, spent.units, spent.usage.fuel)).collect();
        assert_eq!(found, [(FIT.to_owned(), 240.0, 240.0, 5), (SIMULATE.to_owned(), 1_858.0, 3_516.0, 7)]);
    }
}
