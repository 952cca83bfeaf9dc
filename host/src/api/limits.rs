//! What the HTTP surface accepts at most. Every number is a key of the configuration file.

use serde::Deserialize;

/// Limits of the HTTP surface.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Largest JSON body, in bytes.
    pub json_bytes_max: usize,
    /// Largest CSV body (race results, entry lists, slates), in bytes.
    pub csv_bytes_max: usize,
    /// Largest plugin upload, in bytes.
    pub plugin_bytes_max: usize,
    /// Longest time from the end of a request's head to the start of its response, in seconds. Work that takes longer is a job.
    pub request_timeout_s: u64,
    /// The same for an upload of a plugin, which is compiled before the answer, in seconds.
    pub upload_timeout_s: u64,
    /// Longest time each dependency has to answer `/readyz`, in milliseconds.
    pub ready_timeout_ms: u64,
    /// Connections open at the same time; further ones wait to be accepted.
    pub connections_max: usize,
    /// Longest time that nothing may move on a connection, in seconds. Longer than any request may take, or it would end one
    /// that is being worked on.
    pub connection_idle_s: u64,
    /// Requests handled at the same time; one more is answered 503 at once. Health checks are not counted.
    pub requests_in_flight_max: usize,
    /// Items of a list's page where the request does not say.
    pub page_items_default: u32,
    /// Most items of a list's page.
    pub page_items_max: u32,
    /// Longest deadline that a job may have, in seconds.
    pub job_deadline_s_max: u64,
    /// Deadline of a job that asks for none, in seconds.
    pub job_deadline_s_default: u64,
    /// Longest name of a job or slate, in characters.
    pub name_chars_max: usize,
    /// Tags of one job.
    pub tags_per_job_max: usize,
    /// Longest tag of a job, in characters.
    pub tag_chars_max: usize,
    /// Longest `Idempotency-Key`, in characters.
    pub idempotency_key_chars_max: usize,
    /// How long an `Idempotency-Key` stands for its request, in seconds.
    pub idempotency_valid_s: u64,
    /// Jobs of one team that have not ended; one more is answered 429.
    pub live_jobs_per_team_max: u32,
    /// CPU-seconds that the tasks of one team may use per day (UTC); a submission after that is answered 429. 0 means no limit.
    pub cpu_s_per_team_and_day_max: u32,
    /// Schedules of one team; one more is answered 429.
    pub schedules_per_team_max: u32,
    /// Shortest pause between two fire times of a schedule, in seconds.
    pub schedule_interval_s_min: u64,
    /// Streams of events open at the same time; one more is answered 503.
    pub event_streams_max: usize,
    /// Longest time that `Prefer: wait` makes a request wait, in seconds. Shorter than any request may take.
    pub wait_s_max: u64,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            json_bytes_max: 1 << 20,
            csv_bytes_max: 16 << 20,
            plugin_bytes_max: 32 << 20,
            request_timeout_s: 30,
            upload_timeout_s: 120,
            ready_timeout_ms: 900,
            connections_max: 1024,
            connection_idle_s: 150,
            requests_in_flight_max: 256,
            page_items_default: 50,
            page_items_max: 200,
            job_deadline_s_max: 24 * 3600,
            job_deadline_s_default: 3600,
            name_chars_max: 120,
            tags_per_job_max: 16,
            tag_chars_max: 60,
            idempotency_key_chars_max: 255,
            idempotency_valid_s: 24 * 3600,
            live_jobs_per_team_max: 1_000,
            cpu_s_per_team_and_day_max: 0,
            schedules_per_team_max: 100,
            schedule_interval_s_min: 300,
            event_streams_max: 256,
            wait_s_max: 20,
        }
    }
}
