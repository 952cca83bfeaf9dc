//! When to try again.

use std::time::Duration;

use super::limits::WebhooksConfig;

/// Part of a pause that is added at random, so that deliveries that failed together do not come back together.
const JITTER: f64 = 0.2;

/// The pause before the attempt that follows `attempts` failed ones; `None` where that was the last. `roll` is uniform in 0..1.
pub(super) fn pause_after(config: &WebhooksConfig, attempts: u32, roll: f64) -> Option<Duration> {
    let index = usize::try_from(attempts.saturating_sub(1)).ok()?;
    let seconds = *config.retry_delays_s.get(index)?;
    let spread = 1.0 + JITTER * roll.clamp(0.0, 1.0);
    Some(Duration::try_from_secs_f64(seconds as f64 * spread).unwrap_or(Duration::MAX))
}

/// The pause that a receiver is given where it asks for one.
pub(super) fn granted(config: &WebhooksConfig, asked: Duration) -> Duration {
    asked.min(Duration::from_secs(config.retry_after_s_max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhooks::limits::microseconds;

    #[test]
    fn pauses_follow_the_schedule_and_end_with_it() {
        let config = WebhooksConfig::default();
        let pauses: Vec<_> = (1..=10).map(|attempts| pause_after(&config, attempts, 0.0)).collect();
        let wanted = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
        assert!(pauses.iter().take(9).map(|pause| pause.unwrap().as_secs()).eq(wanted));
        assert_eq!(pauses[9], None);
    }

    #[test]
    fn a_pause_is_spread_by_a_fifth_and_never_shortened() {
        let config = WebhooksConfig::default();
        assert_eq!(pause_after(&config, 2, 1.0).unwrap().as_secs(), 360);
        assert_eq!(pause_after(&config, 2, 0.5).unwrap().as_secs(), 330);
    }

    #[test]
    fn a_pause_without_end_is_a_long_one() {
        let config = WebhooksConfig { retry_delays_s: vec![u64::MAX], ..WebhooksConfig::default() };
        assert_eq!(microseconds(pause_after(&config, 1, 1.0).unwrap()), 1 << 60);
    }

    #[test]
    fn a_receiver_gets_the_pause_it_asks_for_up_to_the_limit() {
        let config = WebhooksConfig { retry_after_s_max: 60, ..WebhooksConfig::default() };
        assert_eq!(granted(&config, Duration::from_secs(60)).as_secs(), 60);
        assert_eq!(granted(&config, Duration::from_secs(61)).as_secs(), 60);
    }
}
