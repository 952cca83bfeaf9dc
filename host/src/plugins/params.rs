//! A plugin's parameter schema: what of JSON Schema it may use, defaults, and validation of what users send.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value};

use crate::domain::problem::Problem;

use super::{limits::PluginLimits, log::clean_text};

/// Schema nodes that are followed while looking for cycles, references resolved.
const NODES_MAX: usize = 20_000;
/// Depth to which schemas nest, references resolved.
const DEPTH_MAX: usize = 64;
/// Faults of one parameter object that are told at once.
const FAULTS_SHOWN: usize = 5;
/// Patterns of a schema: as many as a person writes.
const PATTERNS_MAX: usize = 64;
/// Size of a compiled pattern, in bytes. All patterns of a schema together stay below a plugin's own memory.
const PATTERN_BYTES: usize = 1 << 20;

/// A schema that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFault {
    /// What is there.
    pub found: String,
    /// What should be there.
    pub expected: String,
}

/// A checked and compiled schema of an object.
#[derive(Debug)]
pub struct ParamsSchema {
    value: Value,
    validator: Validator,
}

impl ParamsSchema {
    /// Parses and compiles a schema.
    ///
    /// References must be JSON pointers into the schema itself, without cycles: nothing is fetched, and validation ends.
    /// Patterns run on an engine without backtracking.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, limits: &PluginLimits) -> Result<Self, SchemaFault> {
        let most = limits.params_schema_bytes_max;
        if text.len() > most {
            return Err(fault(&format!("{} bytes", text.len()), &format!("at most {most} bytes")));
        }
        let value: Value =
            serde_json::from_str(text).map_err(|error| fault(&error.to_string(), "JSON of an object schema"))?;
        if value.get("type").and_then(Value::as_str) != Some("object") {
            return Err(fault("a schema of something else", "\"type\": \"object\" at the top"));
        }
        if value.get("properties").is_some_and(|properties| !properties.is_object()) {
            return Err(fault("`properties` that is no object", "an object of schemas"));
        }
        Walk { root: &value, nodes: 0, patterns: 0 }.visit(&value, 0)?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES))
            .build(&value)
            .map_err(|error| fault(&error.to_string(), "a valid JSON Schema (draft 2020-12)"))?;
        let schema = Self { value, validator };
        schema.check_defaults()?;
        Ok(schema)
    }

    /// The schema as JSON.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// Fills in top-level defaults and validates.
    ///
    /// # Errors
    /// The faults with their places, at most five.
    pub fn complete(&self, params: &Map<String, Value>, limits: &PluginLimits) -> Result<Map<String, Value>, Problem> {
        let completed = Value::Object(self.with_defaults(params));
        let bytes = completed.to_string().len();
        let most = limits.params_bytes_max;
        if bytes > most {
            let detail = format!("the parameters have {bytes} bytes as JSON, the limit is {most}");
            return Err(Problem::invalid("/params", detail, "Send fewer or shorter parameters.")
                .with_limit(format!("params_bytes_max = {most}")));
        }
        let faults: Vec<(String, String)> = self
            .validator
            .iter_errors(&completed)
            .take(FAULTS_SHOWN)
            .map(|error| (format!("/params{}", error.instance_path().as_str()), error.to_string()))
            .collect();
        match (faults.first(), completed) {
            (None, Value::Object(params)) => Ok(params),
            (first, _) => Err(invalid_params(first.map_or("/params", |fault| fault.0.as_str()), &faults)),
        }
    }

    fn with_defaults(&self, params: &Map<String, Value>) -> Map<String, Value> {
        let mut completed = params.clone();
        for (name, default) in self.defaults() {
            completed.entry(name.clone()).or_insert_with(|| default.clone());
        }
        completed
    }

    fn defaults(&self) -> impl Iterator<Item = (&String, &Value)> {
        let properties = self.value.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().filter_map(|(name, schema)| Some((name, schema.get("default")?)))
    }

    /// A default that its own schema refuses would make every call fail.
    fn check_defaults(&self) -> Result<(), SchemaFault> {
        let defaults: Map<_, _> = self.defaults().map(|(name, value)| (name.clone(), value.clone())).collect();
        let instance = Value::Object(defaults);
        let is_about_a_default = |error: &jsonschema::ValidationError<'_>| !error.instance_path().as_str().is_empty();
        match self.validator.iter_errors(&instance).find(is_about_a_default) {
            None => Ok(()),
            Some(error) => Err(fault(&error.to_string(), "defaults that the schema allows")),
        }
    }
}

fn invalid_params(field: &str, faults: &[(String, String)]) -> Problem {
    let listed: Vec<String> =
        faults.iter().map(|(place, message)| format!("{place}: {}", clean_text(message, 200))).collect();
    Problem::new(
        "invalid-params",
        "The plugin's parameters are not valid",
        listed.join("; "),
        "Change the named parameters; the plugin's description has their schema.",
    )
    .at(field)
}

fn fault(found: &str, expected: &str) -> SchemaFault {
    SchemaFault { found: clean_text(found, 200).into_owned(), expected: expected.to_owned() }
}

/// Follows every subschema and reference once per path, so that a cycle runs into the depth limit.
struct Walk<'a> {
    root: &'a Value,
    nodes: usize,
    patterns: usize,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, node: &'a Value, depth: usize) -> Result<(), SchemaFault> {
        self.nodes += 1;
        if self.nodes > NODES_MAX || depth > DEPTH_MAX {
            let expected =
                format!("no cycles, at most {DEPTH_MAX} levels and {NODES_MAX} nodes with references resolved");
            return Err(fault("a schema that refers to itself or is too large", &expected));
        }
        match node {
            Value::Object(members) => members.iter().try_for_each(|(key, member)| self.member(key, member, depth)),
            Value::Array(items) => items.iter().try_for_each(|item| self.visit(item, depth + 1)),
            _ => Ok(()),
        }
    }

    fn member(&mut self, key: &str, member: &'a Value, depth: usize) -> Result<(), SchemaFault> {
        match (key, member) {
            ("$ref", Value::String(target)) => {
                let pointer = target.strip_prefix('#').filter(|rest| rest.is_empty() || rest.starts_with('/'));
                match pointer.and_then(|pointer| self.root.pointer(pointer)) {
                    Some(target) => self.visit(target, depth + 1),
                    None => Err(fault(target, "references into the schema itself, such as \"#/$defs/name\"")),
                }
            }
            (
                "$dynamicRef" | "$recursiveRef" | "$id" | "$anchor" | "$dynamicAnchor" | "$vocabulary",
                Value::String(_),
            ) => Err(fault(key, "a schema without its own base, anchors or vocabularies")),
            ("pattern", Value::String(_)) => self.count_patterns(1),
            ("patternProperties", Value::Object(members)) => {
                self.count_patterns(members.len())?;
                self.visit(member, depth + 1)
            }
            _ => self.visit(member, depth + 1),
        }
    }

    fn count_patterns(&mut self, patterns: usize) -> Result<(), SchemaFault> {
        self.patterns += patterns;
        if self.patterns <= PATTERNS_MAX {
            return Ok(());
        }
        Err(fault(
            &format!("more than {PATTERNS_MAX} patterns"),
            &format!("at most {PATTERNS_MAX} patterns, references resolved"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(schema: &Value) -> Result<ParamsSchema, SchemaFault> {
        ParamsSchema::parse(&schema.to_string(), &PluginLimits::default())
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn top_level_defaults_are_filled_in_and_given_values_stay() {
        let schema = parse(&json!({"type": "object", "properties": {
            "iterations": {"type": "integer", "default": 500}, "note": {"type": "string"}}}))
        .unwrap();
        let limits = PluginLimits::default();
        assert_eq!(schema.complete(&Map::new(), &limits).unwrap(), object(json!({"iterations": 500})));
        let given = object(json!({"iterations": 7, "note": "x"}));
        assert_eq!(schema.complete(&given, &limits).unwrap(), given);
    }

    #[test]
    fn a_bad_parameter_is_named_with_its_place() {
        let schema = parse(&json!({"type": "object", "additionalProperties": false, "properties": {
            "share": {"type": "number", "minimum": 0, "maximum": 1}}}))
        .unwrap();
        let problem = schema.complete(&object(json!({"share": 2})), &PluginLimits::default()).unwrap_err();
        assert_eq!((problem.code.as_str(), problem.field.as_deref()), ("invalid-params", Some("/params/share")));
        let unknown = schema.complete(&object(json!({"sahre": 1})), &PluginLimits::default()).unwrap_err();
        assert!(unknown.detail.contains("sahre"), "{unknown}");
    }

    #[test]
    fn parameters_at_the_size_limit_pass_and_one_byte_more_does_not() {
        let schema = parse(&json!({"type": "object"})).unwrap();
        let limits = PluginLimits { params_bytes_max: 20, ..PluginLimits::default() };
        let of_length = |length: usize| object(json!({"note": "x".repeat(length)}));
        // {"note":""} has 11 bytes.
        assert!(schema.complete(&of_length(9), &limits).is_ok());
        let problem = schema.complete(&of_length(10), &limits).unwrap_err();
        assert_eq!(problem.limit.as_deref(), Some("params_bytes_max = 20"));
    }

    #[test]
    fn schemas_that_fetch_loop_or_describe_something_else_are_refused() {
        let refused = [
            json!({"type": "array"}),
            json!(true),
            json!({"type": "object", "$ref": "https://example.org/schema.json"}),
            json!({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}),
            json!({"type": "object", "allOf": [{"$ref": "#"}]}),
            json!({"type": "object", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
            json!({"type": "object", "$id": "https://example.org/", "properties": {}}),
            json!({"type": "object", "properties": {"a": {"type": "no-such-type"}}}),
            json!({"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}}),
            json!({"type": "object", "properties": {"a": {"pattern": "(a*)*\\1"}}}),
        ];
        for schema in refused {
            assert!(parse(&schema).is_err(), "{schema}");
        }
    }

    #[test]
    fn patterns_are_limited_in_number_wherever_they_are() {
        let with_patterns = |properties: usize, keys: usize| {
            let properties: Map<_, _> =
                (0..properties).map(|index| (format!("p{index}"), json!({"pattern": "^a"}))).collect();
            let keys: Map<_, _> = (0..keys).map(|index| (format!("^{index}"), json!({}))).collect();
            parse(&json!({"type": "object", "properties": properties, "patternProperties": keys}))
        };
        assert!(with_patterns(60, 4).is_ok());
        assert!(with_patterns(60, 5).unwrap_err().found.contains("64 patterns"));
    }

    #[test]
    fn a_local_reference_is_followed() {
        let schema = parse(&json!({"type": "object", "$defs": {"share": {"type": "number", "maximum": 1}},
            "properties": {"a": {"$ref": "#/$defs/share"}}}))
        .unwrap();
        assert!(schema.complete(&object(json!({"a": 2})), &PluginLimits::default()).is_err());
        assert!(schema.complete(&object(json!({"a": 1})), &PluginLimits::default()).is_ok());
    }
}
