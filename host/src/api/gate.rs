//! Bounds on handling: how many requests at once, and for how long each.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{error::ApiError, state::ApiState};
use crate::domain::problem::Problem;

/// Refuses the request at once where too many are being handled: a queue in front of a busy server only hides that it is busy.
pub async fn limit_in_flight(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let Ok(_permit) = state.in_flight().clone().try_acquire_owned() else {
        return overloaded(state.config().requests_in_flight_max).into_response();
    };
    next.run(request).await
}

fn overloaded(requests_max: usize) -> ApiError {
    ApiError::new(
        Problem::new(
            "overloaded",
            "The server is busy",
            "It handles as many requests as it may.",
            "Retry after the time in Retry-After.",
        )
        .with_limit(format!("{requests_max} requests at the same time")),
    )
    .retry_after(1)
}

/// Stops waiting for the handler after the configured time.
pub async fn limit_time(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    within(state.config().request_timeout_s, request, next).await
}

/// The same for uploads of plugins, which are compiled before the answer.
pub async fn limit_upload_time(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    within(state.config().upload_timeout_s, request, next).await
}

async fn within(seconds: u64, request: Request, next: Next) -> Response {
    match tokio::time::timeout(Duration::from_secs(seconds), next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(
            Problem::new(
                "timeout",
                "The request took too long",
                format!("There was no answer within {seconds} s; the body may have been sent too slowly."),
                "Retry later; submit long work as a job.",
            )
            .with_limit(format!("{seconds} s")),
        )
        .retry_after(5)
        .into_response(),
    }
}
