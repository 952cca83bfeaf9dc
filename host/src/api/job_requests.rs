//! What a client sends to submit a job: a specification, and what belongs to the job and not to its specification.

use std::ops::RangeInclusive;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    body::{decode, parse},
    error::ApiError,
    job_labels::{take_name, take_tags},
    limits::ApiConfig,
};
use crate::domain::{problem::Problem, spec::JobSpec};

/// Priorities that a job may have.
const PRIORITIES: RangeInclusive<i64> = -100..=100;

/// A job to be made: the fields of the specification of its `kind`, and these.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(examples(json!({
    "kind": "optimize",
    "name": "Sunday, main slate",
    "tags": ["sunday", "main"],
    "deadline_s": 600,
    "slate": "slate_0123456789abcdef0123456789abcdef",
    "scenarios": { "n_scenarios": 10000, "seed": 7 },
    "objective": { "type": "upper_cvar", "alpha": 0.05 },
    "lineups": 20,
    "min_differences": 2
})))]
pub struct JobRequest {
    /// A name for people.
    pub name: Option<String>,
    /// What the team files it under; found again by `GET /v1/jobs?tag=`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The longest the job may run, from its first task on, in seconds.
    pub deadline_s: Option<u64>,
    /// Orders the team's own jobs, -100..=100: higher ones begin first. 0 where absent; no job begins before another team's share.
    pub priority: Option<i64>,
    /// What the job shall do.
    #[serde(flatten)]
    pub spec: JobSpec,
}

impl JobRequest {
    /// Reads a request and checks what does not depend on the kind.
    ///
    /// # Errors
    /// `malformed-json`, or `invalid-input` with the JSON pointer of the mistake.
    pub fn read(bytes: &[u8], config: &ApiConfig) -> Result<Self, ApiError> {
        let Value::Object(mut fields) = parse(bytes)? else {
            return Err(Problem::invalid(
                "",
                "The body is not a JSON object.",
                "Send an object with `kind` and the fields of that kind.",
            )
            .into());
        };
        let name = take_name(&mut fields, config)?;
        let tags = take_tags(&mut fields, config)?;
        let deadline_s = take_deadline(&mut fields, config)?;
        let priority = take_priority(&mut fields)?;
        let kind = fields.remove("kind");
        let spec = decode_spec(kind.as_ref().and_then(Value::as_str), Value::Object(fields))?;
        Ok(Self { name, tags, deadline_s: Some(deadline_s), priority: Some(priority), spec })
    }
}

/// By hand and not by serde's tagged enum, which forgets where a mistake is.
fn decode_spec(kind: Option<&str>, fields: Value) -> Result<JobSpec, ApiError> {
    match kind {
        Some("calibrate") => decode(fields).map(JobSpec::Calibrate),
        Some("simulate") => decode(fields).map(JobSpec::Simulate),
        Some("optimize") => decode(fields).map(|spec| JobSpec::Optimize(Box::new(spec))),
        Some("evaluate") => decode(fields).map(JobSpec::Evaluate),
        other => {
            let given = other.map_or_else(
                || "No kind of job was given.".to_owned(),
                |name| format!("`{name}` is not a kind of job."),
            );
            Err(Problem::invalid("/kind", given, "Send `calibrate`, `simulate`, `optimize` or `evaluate`.").into())
        }
    }
}

fn take_deadline(fields: &mut Map<String, Value>, config: &ApiConfig) -> Result<u64, ApiError> {
    let Some(value) = fields.remove("deadline_s").filter(|value| !value.is_null()) else {
        return Ok(config.job_deadline_s_default);
    };
    let range = 1..=config.job_deadline_s_max;
    value.as_u64().filter(|seconds| range.contains(seconds)).ok_or_else(|| {
        let limit = format!("1..={} s", config.job_deadline_s_max);
        Problem::invalid(
            "/deadline_s",
            format!("{value} is not a deadline."),
            format!("Send a whole number in {limit}."),
        )
        .with_limit(limit)
        .into()
    })
}

fn take_priority(fields: &mut Map<String, Value>) -> Result<i64, ApiError> {
    let Some(value) = fields.remove("priority").filter(|value| !value.is_null()) else { return Ok(0) };
    value.as_i64().filter(|priority| PRIORITIES.contains(priority)).ok_or_else(|| {
        let limit = format!("{}..={}", PRIORITIES.start(), PRIORITIES.end());
        let todo = format!("Send a whole number in {limit}.");
        Problem::invalid("/priority", format!("{value} is not a priority."), todo).with_limit(limit).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<JobRequest, ApiError> {
        JobRequest::read(text.as_bytes(), &ApiConfig::default())
    }

    #[test]
    fn what_belongs_to_the_job_is_taken_out_of_the_specification() {
        let request = read(r#"{"kind": "calibrate", "name": " Monday ", "deadline_s": 60, "chains": 2}"#).unwrap();
        assert_eq!((request.name.as_deref(), request.deadline_s), (Some("Monday"), Some(60)));
        let JobSpec::Calibrate(spec) = request.spec else { panic!("{:?}", request.spec) };
        assert_eq!(spec.chains, 2);
    }

    #[test]
    fn every_mistake_names_its_place() {
        let long = format!(r#"{{"kind": "calibrate", "name": "{}"}}"#, "x".repeat(121));
        let cases = [
            ("[]", ""),
            (r#"{"chains": 2}"#, "/kind"),
            (r#"{"kind": "dance"}"#, "/kind"),
            (r#"{"kind": "calibrate", "deadline_s": 0}"#, "/deadline_s"),
            (r#"{"kind": "calibrate", "deadline_s": 86401}"#, "/deadline_s"),
            (r#"{"kind": "calibrate", "priority": 101}"#, "/priority"),
            (r#"{"kind": "calibrate", "priority": -101}"#, "/priority"),
            (r#"{"kind": "calibrate", "priority": "high"}"#, "/priority"),
            (r#"{"kind": "calibrate", "name": ""}"#, "/name"),
            (&long, "/name"),
            (r#"{"kind": "calibrate", "chain": 2}"#, "/chain"),
            (r#"{"kind": "calibrate", "history": {"trailing_races": -1}}"#, "/history/trailing_races"),
            (r#"{"kind": "optimize"}"#, "/slate"),
        ];
        for (text, field) in cases {
            let error = read(text).unwrap_err();
            assert_eq!((error.code(), error.problem().field.as_deref()), ("invalid-input", Some(field)), "{text}");
        }
        assert_eq!(read("{").unwrap_err().code(), "malformed-json");
    }
}
