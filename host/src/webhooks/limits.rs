//! The settings and limits of webhooks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Characters of a response that are kept for whoever looks for a mistake.
pub(super) const RESPONSE_CHARS_MAX: usize = 1_000;
/// Bytes of a response that are read; what follows is not looked at.
pub(super) const RESPONSE_BYTES_MAX: usize = 4_096;
/// Characters of an error that are kept.
pub(super) const ERROR_CHARS_MAX: usize = 300;
/// A lease outlives the longest attempt by this, so that a slow answer's body and a slow database are not mistaken for a dead
/// sender.
const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// Rows that one statement of the upkeep removes, so that no other writer waits long for it.
pub(super) const PRUNED_AT_ONCE_MAX: i64 = 1_000;

/// Settings of webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhooksConfig {
    /// Whether a webhook's URL may be `http:`. The signature still proves the sender; everybody on the way can read.
    pub allow_http: bool,
    /// Whether a webhook may lead to loopback, private and other special addresses: for inner networks whose teams are trusted.
    pub allow_private: bool,
    /// Webhooks of one team.
    pub webhooks_per_team_max: u32,
    /// Longest URL of a webhook, in characters.
    pub url_chars_max: usize,
    /// Secrets of one webhook that are valid at the same time.
    pub secrets_per_webhook_max: u32,
    /// How long the secret before stays valid where a rotation does not say, in seconds.
    pub rotation_overlap_s: u64,
    /// The longest that a rotation may say, in seconds.
    pub rotation_overlap_s_max: u64,
    /// Requests of this process that may be under way at the same time; at least 1.
    pub in_flight_max: usize,
    /// Requests to one webhook that may be under way at the same time, over all processes; at least 1. A slow receiver delays
    /// itself only.
    pub in_flight_per_webhook_max: u32,
    /// Longest time from looking up the receiver's address to the head of its answer, in milliseconds.
    pub timeout_ms: u64,
    /// Pauses between the attempts, in seconds; after the last one a delivery is dead. The default is the schedule that the
    /// Standard Webhooks specification gives as an example: ten attempts in three days.
    pub retry_delays_s: Vec<u64>,
    /// Longest pause that a receiver may ask for with `Retry-After`, in seconds.
    pub retry_after_s_max: u64,
    /// A webhook is disabled when its receiver has failed for this long without a success in between, in seconds.
    pub disable_after_s: u64,
    /// Pause between two looks for what is due when no hint comes, in milliseconds.
    pub poll_ms: u64,
    /// Pause between two rounds that free the deliveries of dead senders and remove what is too old, in milliseconds.
    pub upkeep_ms: u64,
    /// How long delivered events stay in the list, in seconds.
    pub delivered_kept_s: u64,
    /// How long dead letters stay in the list, in seconds.
    pub dead_kept_s: u64,
}

impl Default for WebhooksConfig {
    fn default() -> Self {
        const MINUTE_S: u64 = 60;
        const HOUR_S: u64 = 60 * MINUTE_S;
        const DAY_S: u64 = 24 * HOUR_S;
        Self {
            allow_http: false,
            allow_private: false,
            webhooks_per_team_max: 20,
            url_chars_max: 2_000,
            secrets_per_webhook_max: 4,
            rotation_overlap_s: DAY_S,
            rotation_overlap_s_max: 7 * DAY_S,
            in_flight_max: 64,
            in_flight_per_webhook_max: 8,
            timeout_ms: 15_000,
            retry_delays_s: vec![
                5,
                5 * MINUTE_S,
                30 * MINUTE_S,
                2 * HOUR_S,
                5 * HOUR_S,
                10 * HOUR_S,
                14 * HOUR_S,
                20 * HOUR_S,
                24 * HOUR_S,
            ],
            retry_after_s_max: HOUR_S,
            disable_after_s: 5 * DAY_S,
            poll_ms: 1_000,
            upkeep_ms: 5_000,
            delivered_kept_s: 7 * DAY_S,
            dead_kept_s: 30 * DAY_S,
        }
    }
}

impl WebhooksConfig {
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(super) fn lease_us(&self) -> i64 {
        microseconds(self.timeout() + LEASE_MARGIN)
    }
}

/// The longest time that the database counts with, in microseconds: 36,000 years, so that a sum with the clock does not overflow.
const TIME_US_MAX: i64 = 1 << 60;

/// A time as the database counts.
pub(super) fn microseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX).min(TIME_US_MAX)
}

/// Seconds as the database counts.
pub(super) fn seconds_us(seconds: u64) -> i64 {
    microseconds(Duration::from_secs(seconds))
}

/// The first characters of a text from outside, without what a database's text cannot hold.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    text.chars().filter(|letter| *letter != '\0').take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_schedule_is_the_specifications_and_ends_after_three_days() {
        let config = WebhooksConfig::default();
        let total_s: u64 = config.retry_delays_s.iter().sum();
        assert_eq!((config.retry_delays_s.len(), total_s), (9, 75 * 3600 + 35 * 60 + 5));
        assert!(config.disable_after_s > total_s, "a webhook gets at least one whole schedule");
    }

    #[test]
    fn an_unknown_setting_is_an_error() {
        let parsed: Result<WebhooksConfig, _> = serde_json::from_str(r#"{"allow_privat": true}"#);
        assert!(parsed.unwrap_err().to_string().contains("allow_privat"));
    }

    #[test]
    fn a_kept_text_is_cut_and_has_no_nul() {
        assert_eq!(cut("a\0bcd", 3), "abc");
    }
}
