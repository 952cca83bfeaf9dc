//! Changing what a job is filed under, and whether it stays. What it does cannot change: its plan is what its result stands for.

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    audit::audit,
    body::{JsonBytes, parse},
    caller::Submitter,
    error::ApiError,
    job_labels::{take_name, take_tags},
    job_views::JobView,
    jobs::find,
    limits::ApiConfig,
    params::Id,
    respond::RequestId,
    state::ApiState,
};
use crate::{
    auth::Action,
    domain::{ids::JobId, problem::Problem},
    jobs::tags::{self, JobChanges},
};

/// Routes that change jobs.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(change))
}

/// What is to be different; what is absent stays.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({ "name": "Sunday, main slate", "tags": ["sunday", "main"] })))]
pub struct JobPatch {
    /// A name for people; null takes it away.
    name: Option<String>,
    /// All of its tags; an empty list takes them away.
    tags: Option<Vec<String>>,
    /// Whether it stays however old it gets, with its events and artifacts.
    keep: Option<bool>,
}

/// Rename a job, file it under other tags, pin it or release it.
///
/// Works in every state. It is a merge patch (RFC 7396): only what is sent changes.
#[utoipa::path(
    patch, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = JobId, Path)), request_body = JobPatch,
    responses((status = 200, description = "The job as it is now.", body = JobView))
)]
async fn change(
    State(state): State<ApiState>,
    Submitter(principal): Submitter,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Id(id): Id<JobId>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Json<JobView>, ApiError> {
    find(&state, &principal, &id).await?;
    let changes = read_changes(&bytes, state.config())?;
    tags::change(state.db(), &id, &changes).await?;
    audit(&state, &principal, Action::JobChanged, &id, &request_id).await;
    let row = find(&state, &principal, &id).await?;
    JobView::of(&state, row).await.map(Json)
}

fn read_changes(bytes: &[u8], config: &ApiConfig) -> Result<JobChanges, ApiError> {
    let Value::Object(mut fields) = parse(bytes)? else {
        let action = "Send an object with `name`, `tags` or `keep`.";
        return Err(Problem::invalid("", "The body is not a JSON object.", action).into());
    };
    let has = |fields: &Map<String, Value>, field: &str| fields.contains_key(field);
    let (names, retags) = (has(&fields, "name"), has(&fields, "tags"));
    let name = take_name(&mut fields, config)?;
    let tags = take_tags(&mut fields, config)?;
    let keep = fields.remove("keep").map(decode_keep).transpose()?;
    if let Some(unknown) = fields.keys().next() {
        let detail = format!("`{unknown}` is nothing of a job that can change.");
        return Err(Problem::invalid(format!("/{unknown}"), detail, "Send `name`, `tags` or `keep`.").into());
    }
    Ok(JobChanges { name: names.then_some(name), tags: retags.then_some(tags), keep })
}

fn decode_keep(value: Value) -> Result<bool, Problem> {
    let keep = value.as_bool();
    keep.ok_or_else(|| Problem::invalid("/keep", format!("{value} is neither true nor false."), "Send true or false."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<JobChanges, ApiError> {
        read_changes(text.as_bytes(), &ApiConfig::default())
    }

    #[test]
    fn null_takes_away_and_absence_leaves_alone() {
        assert_eq!(read("{}").unwrap(), JobChanges::default());
        assert_eq!(read(r#"{"name": null}"#).unwrap().name, Some(None));
        assert_eq!(read(r#"{"name": " x "}"#).unwrap().name, Some(Some("x".to_owned())));
        assert_eq!(read(r#"{"tags": []}"#).unwrap(), JobChanges { tags: Some(Vec::new()), ..JobChanges::default() });
    }

    #[test]
    fn a_change_of_anything_else_names_it() {
        for (text, field) in
            [("[]", ""), (r#"{"spec": {}}"#, "/spec"), (r#"{"tags": 1}"#, "/tags"), (r#"{"keep": 1}"#, "/keep")]
        {
            assert_eq!(read(text).unwrap_err().problem().field.as_deref(), Some(field), "{text}");
        }
    }
}
