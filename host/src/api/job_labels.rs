//! What people find their jobs by: a name and tags, as a request gives them.

use serde_json::{Map, Value};

use super::{error::ApiError, limits::ApiConfig};
use crate::domain::problem::Problem;

/// Whether `name` can name a job or a slate.
pub fn is_name(name: &str, config: &ApiConfig) -> bool {
    is_label(name, config.name_chars_max)
}

fn is_label(text: &str, chars_max: usize) -> bool {
    (1..=chars_max).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Takes `name` out of a request; `None` where it is absent or null.
///
/// # Errors
/// `invalid-input` at `/name`.
pub fn take_name(fields: &mut Map<String, Value>, config: &ApiConfig) -> Result<Option<String>, ApiError> {
    let Some(value) = fields.remove("name").filter(|value| !value.is_null()) else { return Ok(None) };
    let name = value.as_str().map(str::trim).filter(|name| is_name(name, config));
    name.map(|name| Some(name.to_owned())).ok_or_else(|| {
        let range = format!("1..={} printable characters", config.name_chars_max);
        Problem::invalid(
            "/name",
            "The name is not a text that can be shown.",
            format!("Send {range}, or leave it out."),
        )
        .with_limit(range)
        .into()
    })
}

/// Takes `tags` out of a request, each once; empty where they are absent or null.
///
/// # Errors
/// `invalid-input` at `/tags`, or at the first tag that is none.
pub fn take_tags(fields: &mut Map<String, Value>, config: &ApiConfig) -> Result<Vec<String>, ApiError> {
    let Some(value) = fields.remove("tags").filter(|value| !value.is_null()) else { return Ok(Vec::new()) };
    let listed = value.as_array().filter(|listed| listed.len() <= config.tags_per_job_max);
    let listed = listed.ok_or_else(|| {
        let range = format!("0..={} tags", config.tags_per_job_max);
        Problem::invalid("/tags", "The tags are no list, or too many.", format!("Send a list of {range}."))
            .with_limit(range)
    })?;
    let mut tags = Vec::new();
    for (index, value) in listed.iter().enumerate() {
        let tag = value.as_str().map(str::trim).filter(|tag| is_label(tag, config.tag_chars_max));
        let tag = tag.ok_or_else(|| not_a_tag(index, config))?.to_owned();
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

fn not_a_tag(index: usize, config: &ApiConfig) -> Problem {
    let range = format!("1..={} printable characters", config.tag_chars_max);
    let place = format!("/tags/{index}");
    Problem::invalid(place, "The tag is not a text that can be shown.", format!("Send {range}.")).with_limit(range)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tags(value: Value) -> Result<Vec<String>, ApiError> {
        let mut fields = Map::from_iter([("tags".to_owned(), value)]);
        take_tags(&mut fields, &ApiConfig::default())
    }

    #[test]
    fn tags_are_kept_in_order_and_once() {
        assert_eq!(tags(json!(["b", " a ", "b"])).unwrap(), ["b", "a"]);
        assert_eq!(tags(json!([])).unwrap(), [""; 0]);
        assert_eq!(tags(Value::Null).unwrap(), [""; 0]);
    }

    #[test]
    fn tags_keep_to_their_limits() {
        let ApiConfig { tags_per_job_max, tag_chars_max, .. } = ApiConfig::default();
        let many = |count: usize| json!((0..count).map(|number| format!("tag {number}")).collect::<Vec<_>>());
        let long = |chars: usize| json!(["ok", "ü".repeat(chars)]);
        assert!(tags(many(tags_per_job_max)).is_ok() && tags(long(tag_chars_max)).is_ok());
        let cases = [
            (many(tags_per_job_max + 1), "/tags"),
            (long(tag_chars_max + 1), "/tags/1"),
            (json!("a"), "/tags"),
            (json!([""]), "/tags/0"),
            (json!(["a", 7]), "/tags/1"),
            (json!(["a\nb"]), "/tags/0"),
        ];
        for (value, place) in cases {
            let error = tags(value.clone()).unwrap_err();
            assert_eq!((error.code(), error.problem().field.as_deref()), ("invalid-input", Some(place)), "{value}");
        }
    }
}
