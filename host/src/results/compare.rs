//! Two runs side by side: what was different about them, and what that made of the result. Works on results as they are stored,
//! so that runs of different versions of paddock can be compared.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::flat::{self, Leaves};
use crate::domain::hex::hex;

/// Differences of one kind that a comparison lists; the rest is counted.
pub const DIFFERENCES_MAX: usize = 500;

/// What is not the same when a run is repeated: counters and times of a search, and the id under which a model was stored.
const NOT_OF_THE_RESULT: [&str; 5] = ["/elapsed_ms", "/nodes", "/leaves", "/pruned", "/model/id"];
/// What stands beside the result: candidates that ran with it, and what it was held against.
const BESIDE: [&str; 2] = ["/shadow/", "/replay/"];
/// Where the costs are.
const RUN: &str = "/run/";
/// Where the lineups are, which are compared as sets of drivers and not by their rank.
const LINEUPS: [&str; 2] = ["/portfolio/lineups", "/portfolio/exposure"];

/// One of two runs.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Its plan, as it was stored.
    pub plan: &'a Value,
    /// Its result, where it has one.
    pub result: Option<&'a Value>,
}

/// Two runs side by side. `this` is the job of the path, `other` the one that it is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Comparison {
    /// Whether both have a result and the results are the same to the last bit, apart from what they cost.
    pub identical: bool,
    /// SHA-256 of each result, apart from what it cost.
    pub result_hash: ResultHashes,
    /// What was asked for differently, by JSON pointer into the specification.
    pub request: Listed<Difference>,
    /// Plugin versions that differ, by their part in the job.
    pub plugins: Vec<Difference>,
    /// Races, slate and model that differ, as their content hashes or ids.
    pub inputs: Listed<Difference>,
    /// Seeds that differ, by JSON pointer into the plan.
    pub seeds: Listed<Difference>,
    /// Numbers of the results that differ.
    pub figures: Listed<Figure>,
    /// Everything else in the results that differs.
    pub details: Listed<Difference>,
    /// The lineups, where both chose some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lineups: Option<LineupComparison>,
    /// What the runs cost.
    pub costs: Listed<Figure>,
}

/// What the results are known by; null where a job has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResultHashes {
    /// Of this job.
    pub this: Option<String>,
    /// Of the other job.
    pub other: Option<String>,
}

/// A list that may have been cut.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Listed<T> {
    /// The first of them, at most 500.
    pub items: Vec<T>,
    /// How many more there are.
    pub left_out: usize,
}

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Difference {
    /// JSON pointer or name.
    #[schema(examples("/scenarios/n_scenarios"))]
    pub place: String,
    /// Of this job; null where it has none.
    #[schema(value_type = Object)]
    pub this: Value,
    /// Of the other job; null where it has none.
    #[schema(value_type = Object)]
    pub other: Value,
}

/// A number of both runs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Figure {
    /// JSON pointer into the result, with names in place of numbers where list elements have one.
    #[schema(examples("/simulation/drivers/Ada Lane/win"))]
    pub place: String,
    /// Of this job.
    pub this: f64,
    /// Of the other job.
    pub other: f64,
    /// `other - this`.
    pub difference: f64,
}

/// Lineups as sets of drivers.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LineupComparison {
    /// In both portfolios.
    pub shared: Vec<SharedLineup>,
    /// In this one only.
    pub only_this: Vec<Vec<String>>,
    /// In the other one only.
    pub only_other: Vec<Vec<String>>,
    /// Drivers that are in another share of the lineups, largest change first.
    pub exposure: Vec<ExposureChange>,
}

/// A lineup that both portfolios have.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SharedLineup {
    /// Its drivers, by name.
    pub drivers: Vec<String>,
    /// Its objective in this job, in points.
    pub this: f64,
    /// Its objective in the other job, in points.
    pub other: f64,
    /// `other - this`.
    pub difference: f64,
}

/// How much of each portfolio a driver is in.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExposureChange {
    /// Driver.
    pub driver: String,
    /// Share of this job's lineups with the driver, in [0, 1].
    pub this: f64,
    /// Share of the other job's lineups, in [0, 1].
    pub other: f64,
    /// `other - this`.
    pub difference: f64,
}

/// Compares two runs.
#[must_use]
pub fn compare(this: Side<'_>, other: Side<'_>) -> Comparison {
    let result_hash = ResultHashes { this: this.result.map(hash), other: other.result.map(hash) };
    let figures = results_of(this, other, |place| !place.starts_with(RUN) && !is_of_lineups(place));
    let costs =
        results_of(this, other, |place| place.starts_with("/run/stages/") || place.starts_with("/run/components/"));
    Comparison {
        identical: result_hash.this.is_some() && result_hash.this == result_hash.other,
        request: listed(differences(&flat::by_number(request(this.plan)), &flat::by_number(request(other.plan)))),
        plugins: differences(&plugins(this.plan), &plugins(other.plan)),
        inputs: listed(differences(&inputs(this.plan), &inputs(other.plan))),
        seeds: listed(differences(&seeds(this.plan), &seeds(other.plan))),
        figures: listed(figures.iter().filter_map(figure).filter(|figure| figure.difference != 0.0).collect()),
        details: listed(
            figures
                .into_iter()
                .filter(|(_, this, other)| this != other && !are_numbers(this, other))
                .map(difference)
                .collect(),
        ),
        lineups: lineups(this, other),
        costs: listed(costs.iter().filter_map(figure).collect()),
        result_hash,
    }
}

fn listed<T>(mut items: Vec<T>) -> Listed<T> {
    let left_out = items.len().saturating_sub(DIFFERENCES_MAX);
    items.truncate(DIFFERENCES_MAX);
    Listed { items, left_out }
}

/// SHA-256 over the pointers and values of what makes a result, or a part of one: what is not the same when a run is repeated is
/// left out.
#[must_use]
pub fn hash(result: &Value) -> String {
    let mut digest = Sha256::new();
    for (place, value) in flat::by_number(result) {
        if !place.starts_with(RUN) && is_of_the_result(&place) {
            digest.update(format!("{place}\n{value}\n"));
        }
    }
    hex(digest.finalize())
}

fn is_of_the_result(place: &str) -> bool {
    !BESIDE.iter().any(|start| place.starts_with(start))
        && !NOT_OF_THE_RESULT.iter().any(|ending| place.ends_with(ending))
}

fn is_of_lineups(place: &str) -> bool {
    LINEUPS.iter().any(|start| place.starts_with(start))
}

/// What the client asked for: a plan carries it, and a plan that does not is what was asked for.
fn request(plan: &Value) -> &Value {
    plan.get("request").unwrap_or(plan)
}

/// Plugins by their part, as `name@version (hash)`.
fn plugins(plan: &Value) -> Leaves {
    let mut found = Leaves::new();
    for part in ["calibrator", "generator"] {
        found.extend(plan.get(part).and_then(pinned).map(|pinned| (part.to_owned(), pinned)));
    }
    for part in ["constraints", "lineup_constraints"] {
        for plugin in plan.get(part).and_then(Value::as_array).into_iter().flatten() {
            let label = plugin.get("label").and_then(Value::as_str).unwrap_or_default();
            let name = label.split('@').next().unwrap_or_default();
            found.extend(pinned(plugin).map(|pinned| (format!("{part} {name}"), pinned)));
        }
    }
    found
}

fn pinned(plugin: &Value) -> Option<Value> {
    let (label, hash) = (plugin.get("label")?.as_str()?, plugin.get("hash")?.as_str()?);
    Some(Value::String(format!("{label} ({hash})")))
}

/// Content hashes of what was read, by name.
fn inputs(plan: &Value) -> Leaves {
    let mut found = Leaves::new();
    let races = |list: &str, inside: &str| {
        let list = plan.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
        list.into_iter().filter_map(move |item| item.pointer(inside).cloned()).collect::<Vec<_>>()
    };
    for race in races("history", "").into_iter().chain(races("simulations", "/race")).chain(races("forecasts", "/race"))
    {
        if let (Some(key), Some(hash)) = (race.get("key").and_then(Value::as_str), race.get("hash")) {
            found.insert(format!("race {key}"), hash.clone());
        }
    }
    found.extend(plan.pointer("/slate/hash").map(|hash| ("slate".to_owned(), hash.clone())));
    found.extend(plan.pointer("/model/stored").map(|id| ("model".to_owned(), id.clone())));
    found
}

fn seeds(plan: &Value) -> Leaves {
    let mut leaves = flat::by_number(plan);
    leaves.retain(|place, _| place.ends_with("/seed"));
    leaves
}

/// What is not the same in both.
fn differences(this: &Leaves, other: &Leaves) -> Vec<Difference> {
    side_by_side(this, other).into_iter().filter(|(_, this, other)| this != other).map(difference).collect()
}

type SideBySide = (String, Value, Value);

/// Everything that either has, null where one has it not.
fn side_by_side(this: &Leaves, other: &Leaves) -> Vec<SideBySide> {
    let places: BTreeSet<&String> = this.keys().chain(other.keys()).collect();
    let of = |leaves: &Leaves, place: &String| leaves.get(place).cloned().unwrap_or(Value::Null);
    places.into_iter().map(|place| (place.clone(), of(this, place), of(other, place))).collect()
}

fn difference((place, this, other): SideBySide) -> Difference {
    Difference { place, this, other }
}

/// Both results side by side, where both are there.
fn results_of(this: Side<'_>, other: Side<'_>, wanted: impl Fn(&str) -> bool) -> Vec<SideBySide> {
    let (Some(this), Some(other)) = (this.result, other.result) else { return Vec::new() };
    let leaves = |result| {
        let mut leaves = flat::by_name(result);
        leaves.retain(|place, _| wanted(place) && is_of_the_result(place));
        leaves
    };
    side_by_side(&leaves(this), &leaves(other))
}

fn are_numbers(this: &Value, other: &Value) -> bool {
    this.is_number() && other.is_number()
}

fn figure((place, this, other): &SideBySide) -> Option<Figure> {
    let (this, other) = (this.as_f64()?, other.as_f64()?);
    Some(Figure { place: place.clone(), this, other, difference: other - this })
}

/// Values of a portfolio's lineups, by their drivers.
fn portfolio(result: &Value) -> Option<BTreeMap<Vec<String>, f64>> {
    let lineups = result.pointer("/portfolio/lineups")?.as_array()?;
    let read = |lineup: &Value| {
        let drivers = lineup.get("drivers")?.as_array()?.iter();
        let mut drivers: Vec<String> =
            drivers.map(|driver| Some(driver.get("driver")?.as_str()?.to_owned())).collect::<Option<_>>()?;
        drivers.sort();
        Some((drivers, lineup.get("value")?.as_f64()?))
    };
    lineups.iter().map(read).collect()
}

fn lineups(this: Side<'_>, other: Side<'_>) -> Option<LineupComparison> {
    let (this, other) = (portfolio(this.result?)?, portfolio(other.result?)?);
    let shared = this.iter().filter_map(|(drivers, &value)| {
        let other = *other.get(drivers)?;
        Some(SharedLineup { drivers: drivers.clone(), this: value, other, difference: other - value })
    });
    let missing = |from: &BTreeMap<Vec<String>, f64>, in_: &BTreeMap<Vec<String>, f64>| {
        from.keys().filter(|drivers| !in_.contains_key(*drivers)).cloned().collect()
    };
    Some(LineupComparison {
        shared: shared.collect(),
        only_this: missing(&this, &other),
        only_other: missing(&other, &this),
        exposure: exposure(&this, &other),
    })
}

fn exposure(this: &BTreeMap<Vec<String>, f64>, other: &BTreeMap<Vec<String>, f64>) -> Vec<ExposureChange> {
    let share = |lineups: &BTreeMap<Vec<String>, f64>, driver: &String| {
        lineups.keys().filter(|drivers| drivers.contains(driver)).count() as f64 / lineups.len().max(1) as f64
    };
    let drivers: BTreeSet<&String> = this.keys().chain(other.keys()).flatten().collect();
    let changes = drivers.into_iter().map(|driver| {
        let (this, other) = (share(this, driver), share(other, driver));
        ExposureChange { driver: driver.clone(), this, other, difference: other - this }
    });
    let mut changes: Vec<_> = changes.filter(|change| change.difference != 0.0).collect();
    changes.sort_by(|a, b| b.difference.abs().total_cmp(&a.difference.abs()));
    changes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan() -> Value {
        json!({
            "request": { "kind": "optimize", "lineups": 2, "scenarios": { "seed": 1 } },
            "calibrator": null,
            "generator": { "label": "generator-race@1.0.0", "hash": "aa", "params": {} },
            "constraints": [{ "label": "physics@1.0.0", "hash": "bb", "params": {} }],
            "history": [{ "id": "race_1", "key": "2025-10", "hash": "cc" }],
            "simulations": [{ "race": { "id": "race_2", "key": "2025-11", "hash": "dd" }, "seed": 5 }],
            "slate": { "id": "slate_1", "hash": "ee" },
            "model": { "stored": "model_1" },
        })
    }

    fn lineup(drivers: &[&str], value: f64, nodes: u64) -> Value {
        let drivers: Vec<_> = drivers.iter().map(|driver| json!({ "driver": driver })).collect();
        json!({ "drivers": drivers, "value": value, "certificate": { "nodes": nodes, "elapsed_ms": nodes } })
    }

    fn result(lineups: &[Value], win: f64, cpu_ms: f64) -> Value {
        json!({
            "model": { "id": cpu_ms.to_string(), "artifact": "ff" },
            "simulation": { "drivers": [{ "driver": "Ada", "win": win }, { "driver": "Bo", "win": 0.25 }] },
            "portfolio": { "lineups": lineups, "contest": "c" },
            "run": { "seed": 1, "components": [{ "plugin": "optimizer", "usage": { "cpu_ms": cpu_ms } }] },
        })
    }

    fn places(differences: &[Difference]) -> Vec<&str> {
        differences.iter().map(|difference| difference.place.as_str()).collect()
    }

    #[test]
    fn a_repeated_run_is_identical_whatever_it_cost() {
        let plan = plan();
        let (this, other) =
            (result(&[lineup(&["Ada"], 1.0, 7)], 0.5, 10.0), result(&[lineup(&["Ada"], 1.0, 9)], 0.5, 30.0));
        let found = compare(Side { plan: &plan, result: Some(&this) }, Side { plan: &plan, result: Some(&other) });
        assert!(found.identical, "{found:?}");
        assert_eq!(found.result_hash.this, found.result_hash.other);
        assert!(found.figures.items.is_empty() && found.details.items.is_empty() && found.request.items.is_empty());
        assert_eq!(found.costs.items.len(), 1);
        assert_eq!((found.costs.items[0].this, found.costs.items[0].difference), (10.0, 20.0));
    }

    #[test]
    fn every_part_of_a_plan_that_differs_is_named() {
        let this = plan();
        let mut other = plan();
        other["request"]["lineups"] = json!(3);
        other["generator"]["hash"] = json!("a1");
        other["constraints"] = json!([{ "label": "limit@2.0.0", "hash": "b1" }]);
        other["history"][0]["hash"] = json!("c1");
        other["simulations"][0]["seed"] = json!(6);
        other["slate"]["hash"] = json!("e1");
        other["model"] = json!({ "fitted": "model_2" });
        let found = compare(Side { plan: &this, result: None }, Side { plan: &other, result: None });
        assert!(!found.identical && found.lineups.is_none());
        assert_eq!(places(&found.request.items), ["/lineups"]);
        assert_eq!(places(&found.plugins), ["constraints limit", "constraints physics", "generator"]);
        assert_eq!(found.plugins[0].this, Value::Null);
        assert_eq!(places(&found.inputs.items), ["model", "race 2025-10", "slate"]);
        assert_eq!(places(&found.seeds.items), ["/simulations/0/seed"]);
    }

    #[test]
    fn numbers_and_lineups_stand_side_by_side() {
        let plan = plan();
        let this = result(&[lineup(&["Ada", "Bo"], 10.0, 1), lineup(&["Bo", "Cy"], 9.0, 1)], 0.5, 1.0);
        let other = result(&[lineup(&["Di", "Bo"], 12.0, 1), lineup(&["Bo", "Ada"], 11.5, 1)], 0.625, 1.0);
        let found = compare(Side { plan: &plan, result: Some(&this) }, Side { plan: &plan, result: Some(&other) });
        assert!(!found.identical);
        let figures: Vec<_> =
            found.figures.items.iter().map(|figure| (figure.place.as_str(), figure.difference)).collect();
        assert_eq!(figures, [("/simulation/drivers/Ada/win", 0.125)]);
        let lineups = found.lineups.unwrap();
        assert_eq!((lineups.shared.len(), lineups.shared[0].difference), (1, 1.5));
        assert_eq!(
            (lineups.only_this, lineups.only_other),
            (vec![vec!["Bo".to_owned(), "Cy".to_owned()]], vec![vec!["Bo".to_owned(), "Di".to_owned()]])
        );
        let exposure: Vec<_> =
            lineups.exposure.iter().map(|change| (change.driver.as_str(), change.difference)).collect();
        assert_eq!(exposure, [("Cy", -0.5), ("Di", 0.5)]);
    }

    #[test]
    fn a_list_is_cut_at_its_limit_and_says_so() {
        let of = |count: usize| listed(vec![0; count]);
        assert_eq!((of(DIFFERENCES_MAX).items.len(), of(DIFFERENCES_MAX).left_out), (DIFFERENCES_MAX, 0));
        assert_eq!((of(DIFFERENCES_MAX + 1).items.len(), of(DIFFERENCES_MAX + 1).left_out), (DIFFERENCES_MAX, 1));
    }
}
