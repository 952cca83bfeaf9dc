//! Health: is the process alive, and can it do its work? Readiness really uses every dependency.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{error::ApiError, params::Query, state::ApiState};
use crate::{domain::problem::Problem, plugins::PluginRuntime};

/// Routes that need no key.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(livez)).routes(routes!(readyz)).routes(routes!(health))
}

/// How one dependency answered.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Check {
    /// `database`, `artifacts` or `plugins`.
    name: &'static str,
    /// Whether it did what was asked of it.
    is_ok: bool,
    /// How long that took, in milliseconds.
    duration_ms: f64,
}

/// Health of the service.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthReport {
    /// `ok`; every other answer is a problem.
    #[schema(examples("ok"))]
    status: &'static str,
    /// Version of the service.
    version: &'static str,
    /// One per dependency, with `?verbose`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<Check>,
}

impl HealthReport {
    const fn ok(checks: Vec<Check>) -> Self {
        Self { status: "ok", version: env!("CARGO_PKG_VERSION"), checks }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ReadyQuery {
    /// List the dependencies; any value, or none, will do.
    verbose: Option<String>,
}

/// Is the process alive?
///
/// Answers without asking anything: where this fails, restart the process.
#[utoipa::path(get, path = "/livez", tag = "health", security(()), responses((status = 200, body = HealthReport)))]
async fn livez() -> Json<HealthReport> {
    Json(HealthReport::ok(Vec::new()))
}

/// Can the service do its work?
///
/// Takes the database's write lock, writes and reads an artifact, runs a plugin. Each has less than a second.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), params(ReadyQuery), responses((status = 200, body = HealthReport)))]
async fn readyz(State(state): State<ApiState>, query: Query<ReadyQuery>) -> Result<Json<HealthReport>, ApiError> {
    report(&state, query.0.verbose.is_some()).await
}

/// The same as `/readyz`.
#[utoipa::path(get, path = "/health", tag = "health", security(()), params(ReadyQuery), responses((status = 200, body = HealthReport)))]
async fn health(State(state): State<ApiState>, query: Query<ReadyQuery>) -> Result<Json<HealthReport>, ApiError> {
    report(&state, query.0.verbose.is_some()).await
}

async fn report(state: &ApiState, is_verbose: bool) -> Result<Json<HealthReport>, ApiError> {
    if state.is_draining() {
        return Err(not_ready("The server is shutting down.".to_owned()));
    }
    let checks = run_checks(state).await;
    let failed: Vec<&str> = checks.iter().filter(|check| !check.is_ok).map(|check| check.name).collect();
    if failed.is_empty() {
        return Ok(Json(HealthReport::ok(if is_verbose { checks } else { Vec::new() })));
    }
    Err(not_ready(format!("These do not work: {}.", failed.join(", "))))
}

fn not_ready(detail: String) -> ApiError {
    let action = "Send requests to another instance, or retry later; the server's log has the cause.";
    ApiError::new(Problem::new("not-ready", "The service is not ready", detail, action)).retry_after(5)
}

/// All dependencies at once, so that the slowest bounds the answer and not the sum.
async fn run_checks(state: &ApiState) -> Vec<Check> {
    let limit = Duration::from_millis(state.config().ready_timeout_ms);
    let (database, artifacts, plugins) = tokio::join!(
        check("database", limit, state.db().check()),
        check("artifacts", limit, state.artifacts().check()),
        check("plugins", limit, plugin_engine(state.plugins().clone())),
    );
    vec![database, artifacts, plugins]
}

/// Guests run on a thread of their own, never on the async runtime.
async fn plugin_engine(plugins: PluginRuntime) -> Result<(), String> {
    match tokio::task::spawn_blocking(move || plugins.check()).await {
        Ok(checked) => checked.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

async fn check<E: Display>(name: &'static str, limit: Duration, probe: impl Future<Output = Result<(), E>>) -> Check {
    let started = Instant::now();
    let outcome = tokio::time::timeout(limit, probe).await;
    let is_ok = match outcome {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(check = name, cause = %error, "a dependency failed its readiness check");
            false
        }
        Err(_) => {
            tracing::error!(
                check = name,
                limit_ms = limit.as_millis() as u64,
                "a dependency did not answer its readiness check in time"
            );
            false
        }
    };
    Check { name, is_ok, duration_ms: started.elapsed().as_secs_f64() * 1e3 }
}
