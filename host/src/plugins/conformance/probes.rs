//! Parameters that are made up from a plugin's schema: what it should be opened with, values at the schema's bounds, and what the
//! schema should refuse.

use serde_json::{Map, Value, json};

use crate::plugins::plugin::LoadedPlugin;

/// A name that no plugin declares.
const UNKNOWN_NAME: &str = "no_such_parameter";

/// Parameters with what is special about them.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// For people, for example `max_per_team = 32`.
    pub label: String,
    /// The parameters; what is absent has its default.
    pub params: Map<String, Value>,
}

/// What the suite opens the plugin with: the schema's defaults, or its first example where it has one.
///
/// # Errors
/// What is wrong with them.
pub fn usual_params(plugin: &LoadedPlugin) -> Result<Map<String, Value>, String> {
    let example = plugin.schema().value().get("examples").and_then(|examples| examples.get(0));
    let params = example.and_then(Value::as_object).cloned().unwrap_or_default();
    plugin.validate_params(&params).map_err(|problem| problem.detail)
}

/// Values at the bounds of each top-level parameter, the others as usual; only those that the schema takes, at most `count`.
pub fn at_bounds(plugin: &LoadedPlugin, usual: &Map<String, Value>, count: usize) -> Vec<Probe> {
    let probes = properties(plugin).flat_map(|(name, schema)| {
        let values = bounds_of(plugin, schema);
        values.into_iter().map(move |value| with(usual, name, value))
    });
    probes.filter(|probe| plugin.validate_params(&probe.params).is_ok()).take(count).collect()
}

/// The first thing outside of what it declares that the schema takes all the same.
pub fn let_through(plugin: &LoadedPlugin, usual: &Map<String, Value>) -> Option<String> {
    let takes = |name: &str, value: &Value| plugin.validate_params(&with(usual, name, value.clone()).params).is_ok();
    let of_all_types = [json!(null), json!(true), json!(-1e300), json!("\u{0}"), json!([[]]), json!({"\u{0}": null})];
    if takes(UNKNOWN_NAME, &json!(1)) {
        return Some(format!(
            "a parameter that it does not declare (`{UNKNOWN_NAME}`), so a misspelt name goes unnoticed"
        ));
    }
    let vague = properties(plugin).find(|(name, _)| of_all_types.iter().all(|value| takes(name, value)));
    vague.map(|(name, _)| format!("values of any type as `{name}`"))
}

fn with(usual: &Map<String, Value>, name: &str, value: Value) -> Probe {
    let mut params = usual.clone();
    let label = format!("{name} = {value}");
    params.insert(name.to_owned(), value);
    Probe { label, params }
}

fn properties(plugin: &LoadedPlugin) -> impl Iterator<Item = (&str, &Value)> {
    let properties = plugin.schema().value().get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema))
}

/// Least and greatest number, every listed value, both booleans; nothing for other schemas.
fn bounds_of(plugin: &LoadedPlugin, schema: &Value) -> Vec<Value> {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    let schema = target.and_then(|pointer| plugin.schema().value().pointer(pointer)).unwrap_or(schema);
    let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten().cloned();
    let numbers = ["minimum", "maximum"].into_iter().filter_map(|key| schema.get(key).cloned());
    let is_boolean = schema.get("type").and_then(Value::as_str) == Some("boolean");
    let booleans = [false, true].into_iter().filter(|_| is_boolean).map(Value::Bool);
    listed.chain(numbers).chain(booleans).collect()
}
