//! Step-size adaptation by dual averaging (Hoffman & Gelman 2014, section 3.2, equation 6).

use crate::{Refusal, state};

/// Shrinkage of log step size towards `mu`: larger adapts more gently. The paper's value.
const GAMMA: f64 = 0.05;
/// Iterations by which early, unreliable statistics are damped. The paper's value.
const T_0: f64 = 10.0;
/// Decay of the averaging weights, in (0.5, 1]: 0.75 forgets the start of a window. The paper's value.
const KAPPA: f64 = 0.75;

/// Steers the step size towards a target acceptance statistic.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DualAveraging {
    /// Acceptance statistic to reach, in (0, 1).
    target: f64,
    /// Log step size that the iterates are shrunk to.
    mu: f64,
    iteration: f64,
    /// Running average of `target - accept`.
    error: f64,
    log_step: f64,
    /// Weighted average of the iterates: the step size to keep when adaptation ends.
    log_step_average: f64,
}

impl DualAveraging {
    /// Starts around `step`. The paper aims at ten times the initial step, to test large and cheap values first.
    pub fn new(target: f64, step: f64) -> Self {
        let log_step = libm::log(step);
        Self {
            target,
            mu: log_step + libm::log(10.0),
            iteration: 0.0,
            error: 0.0,
            log_step,
            log_step_average: log_step,
        }
    }

    /// Learns from one transition's mean acceptance probability, in [0, 1].
    pub fn update(&mut self, accept: f64) {
        self.iteration += 1.0;
        let weight = 1.0 / (self.iteration + T_0);
        self.error = (1.0 - weight) * self.error + weight * (self.target - accept);
        self.log_step = self.mu - libm::sqrt(self.iteration) / GAMMA * self.error;
        let decay = libm::pow(self.iteration, -KAPPA);
        self.log_step_average = decay * self.log_step + (1.0 - decay) * self.log_step_average;
    }

    /// The step size to explore with.
    pub fn step(&self) -> f64 {
        libm::exp(self.log_step)
    }

    /// The step size to keep.
    pub fn final_step(&self) -> f64 {
        libm::exp(self.log_step_average)
    }

    pub fn save(&self, out: &mut state::Writer) {
        for value in [self.target, self.mu, self.iteration, self.error, self.log_step, self.log_step_average] {
            out.f64(value);
        }
    }

    pub fn load(from: &mut state::Reader<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            target: from.f64()?,
            mu: from.f64()?,
            iteration: from.f64()?,
            error: from.f64()?,
            log_step: from.f64()?,
            log_step_average: from.f64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With acceptance a known decreasing function of the step, the fixed point is where the function meets the target.
    #[test]
    fn the_step_settles_where_acceptance_meets_the_target() {
        let mut averaging = DualAveraging::new(0.8, 1.0);
        for _ in 0..2000 {
            let accept = libm::exp(-averaging.step());
            averaging.update(accept);
        }
        assert!((averaging.final_step() - -libm::log(0.8)).abs() < 0.01);
    }
}
