//! How long things take: a running estimate that a few odd values do not spoil and that follows a lasting change.

/// Share of a new value in the estimate once there are enough: about the last sixteen count. Chosen by experiment, see the tests.
const SHARE_MIN: f64 = 1.0 / 16.0;
/// Values further than this many standard deviations from the mean count as if they were this far.
const DEVIATIONS_MAX: f64 = 3.0;
/// Standard deviation of the logarithm before there is a second value: within a factor of 1.9 in four of five cases.
const SPREAD_START: f64 = 0.5;
/// Smallest standard deviation that outliers are judged by: values that were all the same so far must still be able to move.
const SPREAD_MIN: f64 = 0.1;
/// Values of its own that a team needs before they weigh as much as everybody's.
const OWN_JOBS: f64 = 3.0;

/// A time as the mean and variance of its natural logarithm, in ln seconds: times spread by factors. The estimate is the
/// geometric mean, which is the median where the logarithm is normal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    pub(super) log_mean: f64,
    pub(super) log_variance: f64,
    /// Values that it was learned from.
    pub(super) jobs: u32,
}

impl Pace {
    /// Nothing but one value.
    pub(super) fn first(seconds: f64) -> Self {
        Self { log_mean: seconds.ln(), log_variance: SPREAD_START * SPREAD_START, jobs: 1 }
    }

    /// With one more value: an exponentially weighted mean and variance (West 1979) of values pulled in to three deviations
    /// (Huber 1964).
    pub(super) fn learn(self, seconds: f64) -> Self {
        let share = (1.0 / (f64::from(self.jobs) + 1.0)).max(SHARE_MIN);
        let most = DEVIATIONS_MAX * self.spread().max(SPREAD_MIN);
        let deviation = (seconds.ln() - self.log_mean).clamp(-most, most);
        Self {
            log_mean: self.log_mean + share * deviation,
            log_variance: (1.0 - share) * (self.log_variance + share * deviation * deviation),
            jobs: self.jobs.saturating_add(1),
        }
    }

    /// A team's own estimate, drawn towards everybody's as long as it stands on few jobs: the mixture's mean and variance.
    pub(super) fn drawn_to(self, everybody: Self) -> Self {
        let own = f64::from(self.jobs) / (f64::from(self.jobs) + OWN_JOBS);
        let apart = self.log_mean - everybody.log_mean;
        Self {
            log_mean: own * self.log_mean + (1.0 - own) * everybody.log_mean,
            log_variance: own * self.log_variance
                + (1.0 - own) * everybody.log_variance
                + own * (1.0 - own) * apart * apart,
            jobs: self.jobs,
        }
    }

    /// For `factor` times as much work.
    pub(super) fn times(self, factor: f64) -> Self {
        Self { log_mean: self.log_mean + factor.ln(), ..self }
    }

    /// The estimate once `share` (0..=1) of the work has been seen to go at `seconds`.
    pub(super) fn seen(self, seconds: f64, share: f64) -> Self {
        let rest = 1.0 - share.clamp(0.0, 1.0);
        Self {
            log_mean: rest * self.log_mean + (1.0 - rest) * seconds.ln(),
            log_variance: self.log_variance * rest * rest,
            ..self
        }
    }

    /// Standard deviation of the logarithm.
    pub(super) fn spread(self) -> f64 {
        self.log_variance.sqrt()
    }

    /// The time in seconds that is `deviations` standard deviations from the estimate; 0 for the estimate.
    pub(super) fn seconds(self, deviations: f64) -> f64 {
        (self.log_mean + deviations * self.spread()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times around `seconds` that spread by `spread`, a fixed sequence with mean 0 and variance 1 in the logarithm.
    fn learned(from: Option<Pace>, seconds: f64, spread: f64, count: usize) -> Pace {
        let steps = [-1.5, 0.4, 1.1, -0.6, 1.4, -0.9, 0.1, 0.0];
        let values = (0..count).map(|index| seconds * f64::exp(spread * steps[index % steps.len()]));
        values.fold(from, |pace, value| Some(pace.map_or(Pace::first(value), |pace| pace.learn(value)))).unwrap()
    }

    fn within(found: f64, low: f64, high: f64) {
        assert!((low..=high).contains(&found), "{found} is not in {low}..={high}");
    }

    #[test]
    fn the_estimate_finds_the_middle_and_the_spread() {
        let pace = learned(None, 10.0, 0.3, 64);
        within(pace.seconds(0.0), 9.0, 11.0);
        within(pace.spread(), 0.2, 0.4);
    }

    #[test]
    fn one_odd_value_moves_it_little_and_a_lasting_change_is_followed() {
        let before = learned(None, 10.0, 0.1, 64);
        let once = before.learn(1_000.0);
        within(once.seconds(0.0), before.seconds(0.0), 10.6);
        let after = learned(Some(before), 100.0, 0.1, 32);
        within(after.seconds(0.0), 60.0, 110.0);
    }

    #[test]
    fn values_that_are_all_the_same_do_not_freeze_it() {
        let frozen = (0..100).fold(Pace::first(1.0), |pace, _| pace.learn(1.0));
        assert!(frozen.spread() < 0.1);
        within(learned(Some(frozen), 4.0, 0.0, 64).seconds(0.0), 3.0, 4.1);
    }

    #[test]
    fn a_team_with_few_jobs_is_drawn_to_everybody_and_is_less_certain() {
        let everybody = learned(None, 10.0, 0.1, 64);
        let few = Pace::first(40.0).drawn_to(everybody);
        within(few.seconds(0.0), 11.0, 20.0);
        assert!(few.spread() > everybody.spread());
        within(learned(None, 40.0, 0.1, 64).drawn_to(everybody).seconds(0.0), 36.0, 40.0);
    }

    #[test]
    fn what_is_seen_of_a_job_itself_counts_more_the_more_there_is_of_it() {
        let pace = learned(None, 10.0, 0.3, 64);
        within(pace.seen(40.0, 0.1).seconds(0.0), 10.0, 13.0);
        within(pace.seen(40.0, 0.9).seconds(0.0), 33.0, 40.0);
        assert!(pace.seen(40.0, 0.9).spread() < 0.1);
    }

    #[test]
    fn more_work_takes_proportionally_longer() {
        let pace = Pace::first(2.0).times(3.0);
        assert!((pace.seconds(0.0) - 6.0).abs() < 1e-9);
        assert!((pace.seconds(1.0) / pace.seconds(0.0) - SPREAD_START.exp()).abs() < 1e-9);
    }
}
