//! Reads a plugin's parameters. The host has already validated them against the schema and filled in its top-level defaults,
//! so this only turns the text into a type.

use serde::de::DeserializeOwned;

use crate::Refusal;

/// Parses `params` into `P`.
///
/// # Errors
/// [`Refusal::InvalidParams`] with serde's message, which names the field.
pub fn parse<P: DeserializeOwned>(params: &str) -> Result<P, Refusal> {
    serde_json::from_str(params).map_err(|error| Refusal::InvalidParams(error.to_string()))
}
