//! What a team may use: told with every submission (RateLimit and RateLimit-Policy, IETF draft httpapi-ratelimit-headers-10), and
//! refused with what would free it.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{caller::Reader, error::ApiError, limits::ApiConfig, state::ApiState};
use crate::{
    domain::problem::Problem,
    jobs::quota::{self, Quota, QuotaDefaults},
};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Window of the CPU quota, in seconds.
const DAY_S: u32 = 86_400;
/// Pause before a client with too many jobs tries again, in seconds.
const RETRY_S: u64 = 10;

/// Routes of quotas.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// What the team may use, and how much of it is used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({ "live_jobs": 3, "live_jobs_max": 1000, "cpu_s_today": 412.5, "cpu_s_per_day_max": 3600, "day_ends_in_s": 30211 })))]
struct QuotaView {
    /// Jobs that have not ended.
    live_jobs: u32,
    /// Most of them.
    live_jobs_max: u32,
    /// CPU time of attempts that have ended today (UTC), in seconds.
    cpu_s_today: f64,
    /// CPU time that jobs which have not ended are expected to use still, in seconds; absent where there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_s_promised: Option<f64>,
    /// Most CPU-seconds per day; absent where there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_s_per_day_max: Option<u32>,
    /// Until the next day begins, in seconds.
    day_ends_in_s: u64,
}

/// What may the team use?
#[utoipa::path(get, path = "/v1/quota", tag = "team", responses((status = 200, body = QuotaView)))]
async fn show(State(state): State<ApiState>, Reader(principal): Reader) -> Result<Json<QuotaView>, ApiError> {
    let quota = quota::quota(state.db(), &principal.team, defaults(state.config())).await?;
    Ok(Json(QuotaView {
        live_jobs: quota.live_jobs,
        live_jobs_max: quota.live_jobs_max,
        cpu_s_today: quota.cpu_us as f64 / 1e6,
        cpu_s_promised: quota.cpu_s_max.map(|_| quota.promised_cpu_us as f64 / 1e6),
        cpu_s_per_day_max: quota.cpu_s_max,
        day_ends_in_s: quota.day_ends_in_s,
    }))
}

/// What teams may use for which the operator has set nothing else.
pub fn defaults(config: &ApiConfig) -> QuotaDefaults {
    QuotaDefaults {
        live_jobs_max: config.live_jobs_per_team_max,
        cpu_s_per_day_max: Some(config.cpu_s_per_team_and_day_max).filter(|most| *most > 0),
    }
}

/// Why a team that has used up a quota may submit nothing: `over-quota` with the limit, and with Retry-After.
pub fn refusal(quota: &Quota) -> ApiError {
    let (detail, action, limit, retry_s) = match quota.cpu_s_max.filter(|_| !quota.has_too_many_jobs()) {
        Some(most) => (
            format!("The tasks of your team have used {:.0} CPU-seconds today, of {most}.", quota.cpu_us as f64 / 1e6),
            "Retry after the time in Retry-After, when the next day (UTC) begins, or ask the operator for more.",
            format!("{most} CPU-seconds per team and day"),
            quota.day_ends_in_s,
        ),
        None => (
            format!("{} jobs of your team are queued or running.", quota.live_jobs),
            "Retry after the time in Retry-After, or cancel a job: the quota is free when a job has ended.",
            format!("{} unfinished jobs per team", quota.live_jobs_max),
            RETRY_S,
        ),
    };
    refused(quota, detail, action, limit, retry_s)
}

/// Why a job that is expected to use so much CPU time, in microseconds, is not taken today.
pub fn too_costly(quota: &Quota, expected_us: i64) -> ApiError {
    let seconds = |us: i64| us as f64 / 1e6;
    let most = quota.cpu_s_max.unwrap_or(0);
    let detail = format!(
        "Past jobs say that this one takes {:.0} CPU-seconds. Of {most} a day your team has used {:.0}, and its live jobs are \
         expected to use {:.0} more.",
        seconds(expected_us),
        seconds(quota.cpu_us),
        seconds(quota.promised_cpu_us),
    );
    let action = "Ask for less in one job, cancel a live one, retry when the next day (UTC) begins, or ask the operator for more.";
    // What is promised is given back where a job is cheaper than expected.
    let retry_s = if quota.promised_cpu_us > 0 { RETRY_S } else { quota.day_ends_in_s };
    refused(quota, detail, action, format!("{most} CPU-seconds per team and day"), retry_s)
}

fn refused(quota: &Quota, detail: String, action: &str, limit: String, retry_s: u64) -> ApiError {
    let problem = Problem::new("over-quota", "The team has used up a quota", detail, action).with_limit(limit);
    ApiError::new(problem).retry_after(retry_s).with_headers(headers(quota))
}

/// Adds to the answer of a submission what is left after it.
pub fn told(mut response: Response, quota: &Quota) -> Response {
    response.headers_mut().extend(headers(quota));
    response
}

fn headers(quota: &Quota) -> HeaderMap {
    let jobs_left = quota.live_jobs_max.saturating_sub(quota.live_jobs);
    let mut policies = format!("\"live-jobs\";q={};qu=\"jobs\"", quota.live_jobs_max);
    let mut limits = format!("\"live-jobs\";r={jobs_left}");
    if let Some((most, left)) = quota.cpu_s_max.zip(quota.cpu_s_left()) {
        policies += &format!(", \"cpu-seconds\";q={most};qu=\"cpu-seconds\";w={DAY_S}");
        limits += &format!(", \"cpu-seconds\";r={left};t={}", quota.day_ends_in_s);
    }
    let mut headers = HeaderMap::new();
    for (name, value) in [(POLICY, policies), (LIMIT, limits)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        live_jobs: 2,
        live_jobs_max: 10,
        cpu_us: 1_500_000,
        promised_cpu_us: 0,
        cpu_s_max: Some(60),
        day_ends_in_s: 3_600,
    };

    fn written(quota: &Quota) -> [String; 2] {
        let headers = headers(quota);
        [POLICY, LIMIT].map(|name| headers[name].to_str().unwrap().to_owned())
    }

    #[test]
    fn the_fields_are_lists_of_structured_items_as_the_draft_writes_them() {
        let policies = "\"live-jobs\";q=10;qu=\"jobs\", \"cpu-seconds\";q=60;qu=\"cpu-seconds\";w=86400";
        assert_eq!(written(&QUOTA), [policies, "\"live-jobs\";r=8, \"cpu-seconds\";r=58;t=3600"]);
        let unlimited = Quota { cpu_s_max: None, live_jobs: 11, ..QUOTA };
        assert_eq!(written(&unlimited), ["\"live-jobs\";q=10;qu=\"jobs\"", "\"live-jobs\";r=0"]);
    }

    #[test]
    fn a_refusal_says_what_would_free_the_quota() {
        let jobs = refusal(&Quota { live_jobs: 10, ..QUOTA });
        assert!(jobs.problem().action.contains("cancel a job"));
        assert_eq!(jobs.problem().limit.as_deref(), Some("10 unfinished jobs per team"));
        let cpu = refusal(&Quota { cpu_us: 60_000_000, ..QUOTA });
        assert!(cpu.problem().action.contains("the next day"));
        assert_eq!(cpu.problem().limit.as_deref(), Some("60 CPU-seconds per team and day"));
        let costly = too_costly(&Quota { promised_cpu_us: 50_000_000, ..QUOTA }, 20_000_000);
        assert!(costly.problem().detail.contains("takes 20 CPU-seconds"), "{}", costly.problem().detail);
        assert!(costly.problem().action.contains("Ask for less"));
    }
}
