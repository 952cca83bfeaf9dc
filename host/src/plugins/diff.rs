//! How two versions of a plugin differ: what they ask of the host, and what they promise to those who use them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::capabilities::{Capabilities, Tier};
use crate::domain::plugin::{PluginDescription, VetoReason, World};

/// What is compared of a version.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What it says of itself.
    pub description: &'a PluginDescription,
    /// What it asks of the host.
    pub capabilities: &'a Capabilities,
    /// Content hash of the component.
    pub hash: &'a str,
    /// Size of the component in bytes.
    pub size_bytes: u64,
    /// Fuel that its tests took on the bundled race, where they were run.
    pub test_fuel: Option<u64>,
}

/// How two versions differ; `from` is the older one of a promotion.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PluginDiff {
    /// The one version.
    #[schema(examples("1.2.0"))]
    pub from: String,
    /// The other version.
    #[schema(examples("1.3.0"))]
    pub to: String,
    /// Whether they have the same bytes.
    pub is_identical: bool,
    /// Whether a job that named `from` may be refused, or mean something else, with `to`.
    pub is_breaking: bool,
    /// Every difference as a sentence for people, the breaking ones first.
    #[schema(examples(json!(["parameter `k` removed", "now of the tier `wasi`"])))]
    pub summary: Vec<String>,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub world: Option<Change<World>>,
    /// What its imports make it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Change<Tier>>,
    /// Interfaces that only one of them imports.
    pub imports: NamesDiff,
    /// Parameters that only one of them has, or that differ.
    pub params: ParamsDiff,
    /// Veto reasons, by code.
    pub veto_reasons: ReasonsDiff,
    /// Posterior layout that it writes or reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posterior_layout: Option<Change<Option<String>>>,
    /// What it judges: `scenarios`, `lineups`.
    pub judges: NamesDiff,
    /// Size of the component, in bytes.
    pub size_bytes: Growth,
    /// Fuel of the tests on the bundled race; absent where one of them was never tested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_fuel: Option<Growth>,
}

/// What something was, and what it is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Change<T> {
    /// In `from`.
    pub from: T,
    /// In `to`.
    pub to: T,
}

/// NamesDiff that only one version has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct NamesDiff {
    /// Only in `to`.
    pub added: Vec<String>,
    /// Only in `from`.
    pub removed: Vec<String>,
}

/// Parameters that differ.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct ParamsDiff {
    /// Only in `to`.
    pub added: Vec<PluginParam>,
    /// Only in `from`.
    pub removed: Vec<PluginParam>,
    /// In both, with another schema or default.
    pub changed: Vec<ParamChange>,
}

/// A parameter of one version.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PluginParam {
    /// Its name.
    pub name: String,
    /// Whether it must be given.
    pub is_required: bool,
    /// Its default; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub default: Option<Value>,
}

/// A keyword of a parameter's schema that differs; null where one version has it not.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ParamChange {
    /// The parameter.
    pub name: String,
    /// The keyword: `default`, `type`, `maximum`, `required` ...
    pub keyword: String,
    /// In `from`.
    #[schema(value_type = Object)]
    pub from: Value,
    /// In `to`.
    #[schema(value_type = Object)]
    pub to: Value,
}

/// Veto reasons that differ.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct ReasonsDiff {
    /// Only in `to`.
    pub added: Vec<String>,
    /// Only in `from`.
    pub removed: Vec<String>,
    /// In both, with another meaning or kind.
    pub changed: Vec<String>,
}

/// A number and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Growth {
    /// In `from`.
    pub from: u64,
    /// In `to`.
    pub to: u64,
    /// How much more that is, in percent; absent where `from` is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
}

/// Compares two versions.
#[must_use]
pub fn diff(from: Facts<'_>, to: Facts<'_>) -> PluginDiff {
    let (was, is) = (from.description, to.description);
    let mut diff = PluginDiff {
        from: was.version.clone(),
        to: is.version.clone(),
        is_identical: from.hash == to.hash,
        is_breaking: false,
        summary: Vec::new(),
        world: change(&was.world, &is.world),
        tier: change(&from.capabilities.tier, &to.capabilities.tier),
        imports: names(&from.capabilities.imports, &to.capabilities.imports),
        params: params(&was.params_schema, &is.params_schema),
        veto_reasons: reasons(&was.veto_reasons, &is.veto_reasons),
        posterior_layout: change(&was.posterior_layout, &is.posterior_layout),
        judges: names(&judged(was), &judged(is)),
        size_bytes: Growth::of(from.size_bytes, to.size_bytes),
        test_fuel: from.test_fuel.zip(to.test_fuel).map(|(from, to)| Growth::of(from, to)),
    };
    let (breaking, other) = sentences(&diff);
    diff.is_breaking = !breaking.is_empty();
    diff.summary = breaking.into_iter().chain(other).collect();
    diff
}

impl Growth {
    fn of(from: u64, to: u64) -> Self {
        let percent = (from > 0).then(|| (to as f64 / from as f64 - 1.0) * 100.0);
        Self { from, to, percent: percent.map(|percent| (percent * 10.0).round() / 10.0) }
    }
}

fn change<T: PartialEq + Clone>(from: &T, to: &T) -> Option<Change<T>> {
    (from != to).then(|| Change { from: from.clone(), to: to.clone() })
}

fn names(from: &[String], to: &[String]) -> NamesDiff {
    let only = |these: &[String], others: &[String]| {
        these.iter().filter(|name| !others.contains(name)).cloned().collect::<Vec<_>>()
    };
    NamesDiff { added: only(to, from), removed: only(from, to) }
}

fn judged(description: &PluginDescription) -> Vec<String> {
    let each = [("scenarios", description.judges_scenarios), ("lineups", description.judges_lineups)];
    each.into_iter().filter(|(_, does)| *does).map(|(what, _)| what.to_owned()).collect()
}

fn params(from: &Value, to: &Value) -> ParamsDiff {
    let (was, is) = (properties(from), properties(to));
    let mut found = ParamsDiff::default();
    for (name, schema) in &is {
        match was.get(name) {
            None => found.added.push(param(name, schema, to)),
            Some(before) => found.changed.extend(keywords(name, (before, from), (schema, to))),
        }
    }
    let removed = was.iter().filter(|(name, _)| !is.contains_key(*name));
    found.removed = removed.map(|(name, schema)| param(name, schema, from)).collect();
    found
}

/// The top-level properties, in the order of their names.
fn properties(schema: &Value) -> BTreeMap<&String, &Value> {
    schema.get("properties").and_then(Value::as_object).map(|found| found.iter().collect()).unwrap_or_default()
}

fn is_required(name: &str, schema: &Value) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|required| required == name))
}

fn param(name: &str, schema: &Value, of: &Value) -> PluginParam {
    PluginParam { name: name.to_owned(), is_required: is_required(name, of), default: schema.get("default").cloned() }
}

/// Keywords of one parameter that differ, `required` among them; prose is not compared.
fn keywords(name: &str, from: (&Value, &Value), to: (&Value, &Value)) -> Vec<ParamChange> {
    const PROSE: [&str; 3] = ["description", "title", "examples"];
    let all = |(schema, of): (&Value, &Value)| {
        let mut all: Map<String, Value> = schema.as_object().cloned().unwrap_or_default();
        all.retain(|keyword, _| !PROSE.contains(&keyword.as_str()));
        all.insert("required".to_owned(), Value::Bool(is_required(name, of)));
        all
    };
    let (was, is) = (all(from), all(to));
    let mut keywords: Vec<&String> = was.keys().chain(is.keys()).collect();
    keywords.sort();
    keywords.dedup();
    let of = |all: &Map<String, Value>, keyword: &String| all.get(keyword).cloned().unwrap_or(Value::Null);
    let changes = keywords.into_iter().map(|keyword| ParamChange {
        name: name.to_owned(),
        keyword: keyword.clone(),
        from: of(&was, keyword),
        to: of(&is, keyword),
    });
    changes.filter(|change| change.from != change.to).collect()
}

fn reasons(from: &[VetoReason], to: &[VetoReason]) -> ReasonsDiff {
    let of = |reasons: &[VetoReason], code: &str| reasons.iter().find(|reason| reason.code == code).cloned();
    let only = |these: &[VetoReason], others: &[VetoReason]| {
        these.iter().filter(|reason| of(others, &reason.code).is_none()).map(|reason| reason.code.clone()).collect()
    };
    let changed = to.iter().filter(|reason| of(from, &reason.code).is_some_and(|before| before != **reason));
    ReasonsDiff {
        added: only(to, from),
        removed: only(from, to),
        changed: changed.map(|reason| reason.code.clone()).collect(),
    }
}

/// The differences in words: those that may break a job, and the others.
fn sentences(diff: &PluginDiff) -> (Vec<String>, Vec<String>) {
    let (mut breaking, mut other) = (Vec::new(), Vec::new());
    if let Some(Change { from, to }) = &diff.world {
        breaking.push(format!("was a {}, is a {}", from.as_str(), to.as_str()));
    }
    if let Some(Change { from, to }) = &diff.posterior_layout {
        let name = |layout: &Option<String>| layout.clone().unwrap_or_else(|| "none".to_owned());
        breaking.push(format!("posterior layout `{}` became `{}`", name(from), name(to)));
    }
    breaking.extend(diff.judges.removed.iter().map(|what| format!("judges {what} no more")));
    for param in &diff.params.removed {
        breaking.push(format!("parameter `{}` removed", param.name));
    }
    for param in &diff.params.added {
        let told = format!("parameter `{}` added", param.name);
        match &param.default {
            Some(default) => other.push(format!("{told}, {default} by default")),
            None if param.is_required => breaking.push(format!("{told}, which must be given")),
            None => other.push(told),
        }
    }
    for ParamChange { name, keyword, from, to } in &diff.params.changed {
        breaking.push(format!("`{keyword}` of parameter `{name}`: {from} became {to}"));
    }
    breaking.extend(diff.veto_reasons.removed.iter().map(|code| format!("veto reason `{code}` removed")));
    other.extend(diff.veto_reasons.added.iter().map(|code| format!("veto reason `{code}` added")));
    other.extend(diff.veto_reasons.changed.iter().map(|code| format!("veto reason `{code}` changed")));
    other.extend(diff.judges.added.iter().map(|what| format!("now judges {what}")));
    match diff.tier.as_ref().map(|tier| tier.to) {
        Some(Tier::Wasi) => other.push("now imports the WASI tier".to_owned()),
        Some(Tier::Plain) => other.push("imports the WASI tier no more".to_owned()),
        None => {}
    }
    other.extend(diff.imports.added.iter().map(|name| format!("now imports `{name}`")));
    other.extend(diff.imports.removed.iter().map(|name| format!("imports `{name}` no more")));
    for (what, growth) in [("size", Some(diff.size_bytes)), ("fuel", diff.test_fuel)] {
        let percent = growth.and_then(|growth| growth.percent).filter(|percent| percent.abs() >= 1.0);
        other.extend(percent.map(|percent| format!("{what} {percent:+.0} %")));
    }
    (breaking, other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn described(schema: Value, reasons: &[(&str, bool)]) -> PluginDescription {
        let reason = |&(code, is_hard): &(&str, bool)| VetoReason {
            code: code.to_owned(),
            summary: "A reason.".to_owned(),
            is_hard,
        };
        PluginDescription {
            world: World::Constraint,
            name: "rule".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "A rule.".to_owned(),
            params_schema: schema,
            veto_reasons: reasons.iter().map(reason).collect(),
            posterior_layout: None,
            judges_scenarios: true,
            judges_lineups: false,
        }
    }

    fn schema(properties: Value, required: &[&str]) -> Value {
        json!({ "type": "object", "properties": properties, "required": required })
    }

    fn compared(from: &PluginDescription, to: &PluginDescription, tiers: [Tier; 2], fuel: [u64; 2]) -> PluginDiff {
        let asks = tiers.map(|tier| Capabilities { tier, imports: Vec::new() });
        let facts = |description, side: usize| Facts {
            description,
            capabilities: &asks[side],
            hash: if side == 0 { "a" } else { "b" },
            size_bytes: 1_000,
            test_fuel: Some(fuel[side]),
        };
        diff(facts(from, 0), facts(to, 1))
    }

    #[test]
    fn what_breaks_a_job_is_told_first_and_the_rest_after_it() {
        let from = described(
            schema(json!({ "k": { "type": "integer" }, "share": { "default": 0.5 } }), &["k"]),
            &[("late", true), ("slow", true)],
        );
        let to = described(
            schema(json!({ "share": { "default": 0.25 }, "mode": { "default": "x" } }), &[]),
            &[("late", false), ("wet", true)],
        );
        let found = compared(&from, &to, [Tier::Plain, Tier::Wasi], [100, 140]);
        assert!(found.is_breaking && !found.is_identical);
        assert_eq!(
            found.summary,
            [
                "parameter `k` removed",
                "`default` of parameter `share`: 0.5 became 0.25",
                "veto reason `slow` removed",
                "parameter `mode` added, \"x\" by default",
                "veto reason `wet` added",
                "veto reason `late` changed",
                "now imports the WASI tier",
                "fuel +40 %",
            ]
        );
        assert_eq!(found.test_fuel, Some(Growth { from: 100, to: 140, percent: Some(40.0) }));
    }

    #[test]
    fn a_parameter_that_must_be_given_breaks_and_an_optional_one_does_not() {
        let from = described(schema(json!({}), &[]), &[]);
        let optional = compared(&from, &described(schema(json!({ "k": {} }), &[]), &[]), [Tier::Plain; 2], [1, 1]);
        assert!(!optional.is_breaking);
        assert_eq!(optional.summary, ["parameter `k` added"]);
        let needed = compared(&from, &described(schema(json!({ "k": {} }), &["k"]), &[]), [Tier::Plain; 2], [1, 1]);
        assert!(needed.is_breaking);
    }

    #[test]
    fn other_prose_alone_is_no_difference() {
        let of = |text: &str| described(schema(json!({ "k": { "description": text } }), &[]), &[]);
        let found = compared(&of("one"), &of("two"), [Tier::Plain; 2], [0, 5]);
        assert!(found.summary.is_empty(), "{:?}", found.summary);
    }

    #[test]
    fn another_world_or_layout_breaks() {
        let from = described(json!({}), &[]);
        let mut to = from.clone();
        (to.world, to.posterior_layout, to.judges_scenarios) = (World::Generator, Some("l/1".to_owned()), false);
        let found = compared(&from, &to, [Tier::Plain; 2], [1, 1]);
        let expected =
            ["was a constraint, is a generator", "posterior layout `none` became `l/1`", "judges scenarios no more"];
        assert_eq!(found.summary, expected);
    }
}
