//! The calibrator's parameters: their schema, defaults and bounds. The schema is written from the same table that the bounds are
//! checked against, so the two cannot drift apart.

use std::fmt::Write as _;

use paddock_sdk::nuts::Config;
use paddock_sdk::{Refusal, params};
use serde::Deserialize;

use crate::posterior::Prior;

/// One parameter: name, whether it is an integer, default, least, most, and what it is for.
type Row = (&'static str, bool, f64, f64, f64, &'static str);

const TABLE: [Row; 10] = [
    ("warmup", true, 300.0, 50.0, 10_000.0, "Iterations that adapt the sampler and are not kept"),
    ("draws", true, 300.0, 10.0, 20_000.0, "Iterations to keep per chain"),
    ("depth_max", true, 10.0, 3.0, 12.0, "A trajectory takes at most 2^depth_max gradients"),
    ("target_accept", false, 0.8, 0.5, 0.99, "Mean acceptance to aim for; raise it when transitions diverge"),
    ("sd_driver", false, 0.2, 0.01, 5.0, "Prior median of the standard deviation between drivers"),
    ("sd_team", false, 0.5, 0.01, 5.0, "Prior median of the standard deviation between teams"),
    (
        "sd_driver_group",
        false,
        0.2,
        0.01,
        5.0,
        "Prior median of the standard deviation of a driver between track groups",
    ),
    ("log_sd_spread", false, 0.5, 0.05, 2.0, "Prior standard deviation of the logarithm of those three"),
    ("sd_start", false, 1.0, 0.01, 10.0, "Prior standard deviation of the mean effect of the start position"),
    ("sd_start_type", false, 0.5, 0.01, 10.0, "Prior standard deviation of the start effect between track types"),
];

/// The parameters, within their bounds.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    pub warmup: u32,
    pub draws: u32,
    pub depth_max: u32,
    pub target_accept: f64,
    pub sd_driver: f64,
    pub sd_team: f64,
    pub sd_driver_group: f64,
    pub log_sd_spread: f64,
    pub sd_start: f64,
    pub sd_start_type: f64,
}

impl Default for Params {
    fn default() -> Self {
        let value = |row: usize| TABLE[row].2;
        Self {
            warmup: value(0) as u32,
            draws: value(1) as u32,
            depth_max: value(2) as u32,
            target_accept: value(3),
            sd_driver: value(4),
            sd_team: value(5),
            sd_driver_group: value(6),
            log_sd_spread: value(7),
            sd_start: value(8),
            sd_start_type: value(9),
        }
    }
}

impl Params {
    /// Parses and checks `text`.
    ///
    /// # Errors
    /// [`Refusal::InvalidParams`], naming the parameter and its limits.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let parsed: Self = params::parse(text)?;
        for (value, (name, _, _, least, most, _)) in parsed.values().into_iter().zip(TABLE) {
            if !(least..=most).contains(&value) {
                return Err(Refusal::InvalidParams(format!("{name} is {value}; it must be in {least}..={most}")));
            }
        }
        Ok(parsed)
    }

    fn values(&self) -> [f64; TABLE.len()] {
        [
            f64::from(self.warmup),
            f64::from(self.draws),
            f64::from(self.depth_max),
            self.target_accept,
            self.sd_driver,
            self.sd_team,
            self.sd_driver_group,
            self.log_sd_spread,
            self.sd_start,
            self.sd_start_type,
        ]
    }

    /// Iterations of the whole chain.
    pub fn iterations(&self) -> u32 {
        self.warmup + self.draws
    }

    /// The sampler's part.
    pub fn sampler(&self) -> Config {
        Config { warmup: self.warmup, depth_max: self.depth_max, target_accept: self.target_accept }
    }

    /// The prior's part.
    pub fn prior(&self) -> Prior {
        Prior {
            sd_median: [self.sd_driver, self.sd_team, self.sd_driver_group],
            log_sd_spread: self.log_sd_spread,
            start_mean_sd: self.sd_start,
            start_type_sd: self.sd_start_type,
        }
    }
}

/// The JSON Schema of the parameters.
pub fn schema() -> String {
    let mut properties = String::new();
    for (row, (name, is_integer, default, least, most, purpose)) in TABLE.into_iter().enumerate() {
        let comma = if row == 0 { "" } else { "," };
        let kind = if is_integer { "integer" } else { "number" };
        // Writing to a String cannot fail.
        let _ = write!(
            properties,
            r#"{comma}"{name}":{{"type":"{kind}","default":{default},"minimum":{least},"maximum":{most},"description":"{purpose}."}}"#
        );
    }
    format!(
        r#"{{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"properties":{{{properties}}}}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_lists_every_field_with_its_default() {
        let schema: serde_json::Value = serde_json::from_str(&schema()).expect("valid JSON");
        let properties = schema["properties"].as_object().expect("an object");
        let defaults: serde_json::Map<_, _> =
            properties.iter().map(|(name, property)| (name.clone(), property["default"].clone())).collect();
        let text = serde_json::Value::Object(defaults).to_string();
        assert_eq!(properties.len(), TABLE.len());
        assert_eq!(Params::parse(&text), Ok(Params::default()));
    }

    #[test]
    fn a_value_outside_its_bounds_is_refused_by_name() {
        for (text, name) in [(r#"{"warmup":49}"#, "warmup"), (r#"{"target_accept":0.995}"#, "target_accept")] {
            let Err(Refusal::InvalidParams(why)) = Params::parse(text) else { panic!("{text} was accepted") };
            assert!(why.contains(name), "{why}");
        }
        assert!(Params::parse(r#"{"warmup":50}"#).is_ok());
        assert!(Params::parse(r#"{"wramup":100}"#).is_err());
    }
}
