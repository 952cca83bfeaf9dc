//! The HTTP surface: one file per resource. It reads and writes rows; it never calls a worker, and no worker calls it.
//!
//! Every route but health and the API description needs a key, and every id is checked for its owner.

mod admin;
mod audit;
mod body;
mod caller;
mod changes;
mod connections;
mod contests;
mod error;
mod event_stream;
mod gate;
mod health;
mod idempotency;
mod import;
mod job_attempts;
mod job_changes;
mod job_compare;
mod job_events;
mod job_labels;
mod job_lineups;
mod job_list;
mod job_making;
mod job_plan;
mod job_record;
mod job_removal;
mod job_requests;
mod job_views;
mod jobs;
mod limits;
mod me;
mod models;
mod openapi;
mod page;
mod params;
mod planner;
mod plugin_aliases;
mod plugin_care;
mod plugin_costs;
mod plugin_diff;
mod plugin_shadows;
mod plugin_upload;
mod plugin_views;
mod plugins;
mod prefer;
mod quota;
mod races;
mod respond;
mod schedule_bodies;
mod schedules;
mod slate_race;
mod slates;
mod state;
mod time;
mod webhook_deliveries;
mod webhook_views;
mod webhooks;

#[cfg(test)]
mod tests;

use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

use self::connections::BoundedListener;
pub use self::{
    error::ApiError,
    job_plan::plan_job,
    limits::ApiConfig,
    planner::{PlannedJob, Planner},
    quota::defaults as quota_defaults,
    state::{ApiParts, ApiState},
};

/// How much of it a process serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// All of it.
    Everything,
    /// `/livez`, `/readyz` and `/health`.
    Health,
}

/// The routes of the service with everything around them, ready to be served.
pub fn router(state: ApiState) -> Router {
    let (routes, document) = routes(&state).split_for_parts();
    finish(routes.merge(openapi::routes(document))).with_state(state)
}

/// What surrounds every route, also the ones that do not exist.
fn finish<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .fallback(respond::no_such_route)
        .method_not_allowed_fallback(respond::method_not_allowed)
        .layer(CatchPanicLayer::custom(respond::panicked))
        .layer(middleware::from_fn(respond::complete))
}

/// Serves the API until `shutdown` is ready, then lets the requests under way finish.
///
/// # Errors
/// Where the listener fails for good.
pub async fn serve(
    listener: tokio::net::TcpListener,
    surface: Surface,
    state: ApiState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let listener = BoundedListener::new(listener, state.config());
    let router = match surface {
        Surface::Everything => router(state),
        Surface::Health => finish(health::routes().split_for_parts().0).with_state(state),
    };
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

fn routes(state: &ApiState) -> OpenApiRouter<ApiState> {
    openapi::described().merge(health::routes()).merge(protected(state))
}

/// The routes that need a key. Outermost last: a request is authenticated before anything of it is read.
fn protected(state: &ApiState) -> OpenApiRouter<ApiState> {
    let quick = OpenApiRouter::new()
        .merge(me::routes())
        .merge(quota::routes())
        .merge(admin::routes())
        .merge(jobs::routes())
        .merge(job_list::routes())
        .merge(job_changes::routes())
        .merge(job_removal::routes())
        .merge(job_attempts::routes())
        .merge(job_compare::routes())
        .merge(job_lineups::routes())
        .merge(job_record::routes())
        .merge(job_events::routes())
        .merge(event_stream::routes())
        .merge(schedules::routes())
        .merge(contests::routes())
        .merge(races::routes())
        .merge(slates::routes())
        .merge(models::routes())
        .merge(plugins::routes())
        .merge(plugin_aliases::routes())
        .merge(plugin_care::routes())
        .merge(plugin_costs::routes())
        .merge(plugin_shadows::routes())
        .merge(plugin_diff::routes())
        .merge(webhooks::routes())
        .merge(webhook_deliveries::routes())
        .route_layer(middleware::from_fn_with_state(state.clone(), gate::limit_time));
    let uploads =
        plugins::upload_routes().route_layer(middleware::from_fn_with_state(state.clone(), gate::limit_upload_time));
    quick
        .merge(uploads)
        .route_layer(middleware::from_fn_with_state(state.clone(), caller::authenticate))
        .route_layer(middleware::from_fn_with_state(state.clone(), gate::limit_in_flight))
}
