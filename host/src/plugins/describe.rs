//! Checks what a plugin says of itself before anybody reads it.

use std::collections::HashSet;

use crate::domain::plugin::{PluginDescription, World};

use super::{limits::PluginLimits, log::clean_text, params::ParamsSchema, rejection::Rejection};

const NAME_BYTES_MAX: usize = 64;
const VERSION_BYTES_MAX: usize = 64;
const SUMMARY_CHARS_MAX: usize = 280;
const LAYOUT_BYTES_MAX: usize = 128;
const VETO_REASONS_MAX: usize = 255;

/// A description as the guest returned it, the schema still as text.
#[derive(Debug, Clone, PartialEq)]
pub struct RawDescription {
    /// Everything but the schema; its own `params_schema` is null.
    pub description: PluginDescription,
    /// The schema's text.
    pub params_schema: String,
}

/// Checks every field, parses the schema and compiles it.
///
/// # Errors
/// The first field that breaks a rule.
pub fn check_description(
    raw: RawDescription,
    limits: &PluginLimits,
) -> Result<(PluginDescription, ParamsSchema), Rejection> {
    let mut description = raw.description;
    check_key("name", &description.name)?;
    check_version(&description.version)?;
    check_summary("summary", &description.summary)?;
    check_reasons(&description)?;
    check_layout_name(&description)?;
    check_judging(&description)?;
    let schema = ParamsSchema::parse(&raw.params_schema, limits)
        .map_err(|fault| bad("params-schema", &fault.found, &fault.expected))?;
    description.params_schema = schema.value().clone();
    Ok((description, schema))
}

fn check_key(field: &str, key: &str) -> Result<(), Rejection> {
    let is_key = (1..=NAME_BYTES_MAX).contains(&key.len())
        && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if is_key { Ok(()) } else { Err(bad(field, key, "[a-z0-9-]{1,64}")) }
}

fn check_version(version: &str) -> Result<(), Rejection> {
    if version.len() <= VERSION_BYTES_MAX && semver::Version::parse(version).is_ok() {
        Ok(())
    } else {
        Err(bad("version", version, "a semantic version such as 1.2.0, at most 64 bytes"))
    }
}

fn check_summary(field: &str, summary: &str) -> Result<(), Rejection> {
    let is_clean = clean_text(summary, summary.len()) == summary;
    if !summary.trim().is_empty() && is_clean && summary.chars().count() <= SUMMARY_CHARS_MAX {
        Ok(())
    } else {
        Err(bad(field, summary, "one printable sentence of 1..=280 characters"))
    }
}

fn check_reasons(description: &PluginDescription) -> Result<(), Rejection> {
    let reasons = &description.veto_reasons;
    let most = if description.world == World::Constraint { VETO_REASONS_MAX } else { 0 };
    if reasons.len() > most {
        return Err(bad(
            "veto-reasons",
            &format!("{} reasons", reasons.len()),
            &format!("at most {most} in this world"),
        ));
    }
    let mut codes = HashSet::new();
    for (index, reason) in reasons.iter().enumerate() {
        check_key(&format!("veto-reasons[{index}].code"), &reason.code)?;
        check_summary(&format!("veto-reasons[{index}].summary"), &reason.summary)?;
        if !codes.insert(&reason.code) {
            return Err(bad(&format!("veto-reasons[{index}].code"), &reason.code, "a code used once"));
        }
    }
    Ok(())
}

fn check_layout_name(description: &PluginDescription) -> Result<(), Rejection> {
    let layout = description.posterior_layout.as_deref();
    match (description.world, layout) {
        (World::Constraint, None) => Ok(()),
        (World::Constraint, Some(layout)) => Err(bad("posterior-layout", layout, "none for a constraint")),
        (_, None) => Err(bad("posterior-layout", "none", "the layout that it writes or reads")),
        (_, Some(layout)) => {
            let is_name =
                (1..=LAYOUT_BYTES_MAX).contains(&layout.len()) && layout.bytes().all(|byte| byte.is_ascii_graphic());
            if is_name { Ok(()) } else { Err(bad("posterior-layout", layout, "1..=128 printable ASCII characters")) }
        }
    }
}

fn check_judging(description: &PluginDescription) -> Result<(), Rejection> {
    let judges = description.judges_scenarios || description.judges_lineups;
    match (description.world, judges) {
        (World::Constraint, false) => {
            Err(bad("judges-scenarios, judges-lineups", "both false", "at least one true for a constraint"))
        }
        (World::Calibrator | World::Generator, true) => {
            Err(bad("judges-scenarios, judges-lineups", "true", "both false outside of the constraint world"))
        }
        _ => Ok(()),
    }
}

fn bad(field: &str, found: &str, expected: &str) -> Rejection {
    Rejection::BadDescription {
        field: field.to_owned(),
        found: format!("`{}`", clean_text(found, 120)),
        expected: expected.to_owned(),
    }
}
