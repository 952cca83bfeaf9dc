//! The posterior that the chains explore: priors, parametrisation, and the chain rule between the sampler's coordinates and the
//! likelihood's tables.
//!
//! Every effect is non-centred: `effect = sd * z`, `z ~ N(0, 1)`. A driver's own effect is confounded with the team's, so its
//! data alone say little, which is where the centred form has its funnel (Betancourt & Girolami 2015). The standard deviations
//! have log-normal priors: unlike half-normal ones they keep `log sd(driver)` from drifting towards minus infinity when the teams
//! could explain everything, which is what ruined the mixing of that one parameter.

use std::ops::Range;

use attrition_model::{GROUP_COUNT, Layout};
use paddock_sdk::Rng;
use paddock_sdk::kernels::{axpy, dot};
use paddock_sdk::nuts::Density;

use crate::likelihood::{Likelihood, Tables};
use crate::races::Races;

/// The blocks of effects that have a standard deviation of their own, in the order of the layout.
pub const BLOCK_COUNT: usize = 3;
const TRACK_TYPE_COUNT: usize = 6;

/// Coordinates: log standard deviations, the mean start effect, its deviation per track type, then z of each block.
const LOG_SD: Range<usize> = 0..BLOCK_COUNT;
const START_MEAN: usize = BLOCK_COUNT;
const START_DEVIATION: Range<usize> = START_MEAN + 1..START_MEAN + 1 + TRACK_TYPE_COUNT;
const EFFECTS_FROM: usize = START_DEVIATION.end;

/// Prior scales, in units of worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// Medians of the standard deviations: driver, team, driver x group; > 0.
    pub sd_median: [f64; BLOCK_COUNT],
    /// Standard deviation of the logarithm of each of those; > 0.
    pub log_sd_spread: f64,
    /// Standard deviation of the mean start effect; > 0.
    pub start_mean_sd: f64,
    /// Standard deviation of a track type's start effect around the mean; > 0.
    pub start_type_sd: f64,
}

/// The log posterior and its gradient, as [`Density`].
#[derive(Debug, Clone)]
pub struct AttritionPosterior {
    likelihood: Likelihood,
    prior: Prior,
    layout: Layout,
    worth: Tables,
    slope: Tables,
}

impl AttritionPosterior {
    /// The posterior of `races` under `prior`.
    pub fn new(races: Races, prior: Prior) -> Self {
        let layout = Layout { driver_count: races.driver_count, team_count: races.team_count };
        let worth = Tables::new(&races);
        Self { slope: worth.clone(), worth, likelihood: Likelihood::new(races), prior, layout }
    }

    /// The layout of [`AttritionPosterior::write_draw`].
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Coordinates of each block's z.
    fn blocks(&self) -> [Range<usize>; BLOCK_COUNT] {
        let driver = EFFECTS_FROM..EFFECTS_FROM + self.layout.driver_count;
        let team = driver.end..driver.end + self.layout.team_count;
        let driver_group = team.end..team.end + self.layout.driver_count * GROUP_COUNT;
        [driver, team, driver_group]
    }

    fn start_effects(&self, position: &[f64]) -> [f64; TRACK_TYPE_COUNT] {
        let mean = self.prior.start_mean_sd * position[START_MEAN];
        std::array::from_fn(|kind| mean + self.prior.start_type_sd * position[START_DEVIATION.start + kind])
    }

    /// Appends the draw at `position` to `out`, in the layout's columns.
    pub fn write_draw(&self, position: &[f64], out: &mut Vec<f64>) {
        out.extend_from_slice(&position[LOG_SD]);
        out.extend_from_slice(&self.start_effects(position));
        for (block, range) in self.blocks().into_iter().enumerate() {
            let sd = libm::exp(position[block]);
            out.extend(position[range].iter().map(|z| sd * z));
        }
    }

    /// A guess at the posterior variance of each coordinate: the prior's precision plus what the races would say if all cars
    /// were equal, where a row carries about one unit of information on its worth. Only a start for adaptation.
    pub fn variance_guess(&self) -> Vec<f64> {
        let counts = self.likelihood.races().weighted_counts();
        let mut variance = vec![0.05; EFFECTS_FROM];
        let blocks = [counts.driver, counts.team, counts.driver_group];
        for (counts, sd) in blocks.iter().zip(self.prior.sd_median) {
            variance.extend(counts.iter().map(|count| 1.0 / (1.0 + count * sd * sd)));
        }
        variance
    }

    /// A random starting point for a chain, more spread out than the posterior so that chains which agree mean something.
    pub fn starting_point(&self, variance_guess: &[f64], rng: &mut Rng) -> Vec<f64> {
        let mut position: Vec<f64> =
            variance_guess.iter().map(|variance| 1.5 * libm::sqrt(*variance) * rng.normal()).collect();
        for (block, median) in self.prior.sd_median.iter().enumerate() {
            position[block] += libm::log(*median);
        }
        position
    }

    /// Fills the worth tables from `position`.
    fn fill_worth(&mut self, position: &[f64], sd: [f64; BLOCK_COUNT]) {
        let [driver, team, driver_group] = self.blocks();
        let own_form = position[driver_group].as_chunks::<GROUP_COUNT>().0;
        let worth = self.worth.driver_group.as_chunks_mut::<GROUP_COUNT>().0;
        for ((worth, z), own_form) in worth.iter_mut().zip(&position[driver]).zip(own_form) {
            let effect = sd[0] * z;
            for group in 0..GROUP_COUNT {
                worth[group] = effect + sd[2] * own_form[group];
            }
        }
        for (worth, z) in self.worth.team.iter_mut().zip(&position[team]) {
            *worth = sd[1] * z;
        }
        self.worth.start = self.start_effects(position);
    }

    /// Carries the likelihood's slopes over to the coordinates; `gradient` is overwritten.
    fn pull_back(&self, sd: [f64; BLOCK_COUNT], gradient: &mut [f64]) {
        let [driver, team, driver_group] = self.blocks();
        let slope = self.slope.driver_group.as_chunks::<GROUP_COUNT>().0;
        for (gradient, slope) in gradient[driver].iter_mut().zip(slope) {
            *gradient = sd[0] * slope.iter().sum::<f64>();
        }
        for (gradient, slope) in gradient[team].iter_mut().zip(&self.slope.team) {
            *gradient = sd[1] * slope;
        }
        for (gradient, slope) in gradient[driver_group].iter_mut().zip(&self.slope.driver_group) {
            *gradient = sd[2] * slope;
        }
        gradient[START_MEAN] = self.prior.start_mean_sd * self.slope.start.iter().sum::<f64>();
        for (gradient, slope) in gradient[START_DEVIATION].iter_mut().zip(self.slope.start) {
            *gradient = self.prior.start_type_sd * slope;
        }
    }

    /// Adds the prior of the log standard deviations, and their share of the likelihood: `d effect / d log sd = effect`.
    fn finish_log_sds(&self, position: &[f64], gradient: &mut [f64]) -> f64 {
        let mut log_prior = 0.0;
        for (block, range) in self.blocks().into_iter().enumerate() {
            let off = (position[block] - libm::log(self.prior.sd_median[block])) / self.prior.log_sd_spread;
            log_prior -= 0.5 * off * off;
            gradient[block] = dot(&gradient[range.clone()], &position[range]) - off / self.prior.log_sd_spread;
        }
        log_prior
    }
}

impl Density for AttritionPosterior {
    fn dimension(&self) -> usize {
        self.blocks()[BLOCK_COUNT - 1].end
    }

    fn log_density(&mut self, position: &[f64], gradient: &mut [f64]) -> f64 {
        let sd = std::array::from_fn(|block| libm::exp(position[block]));
        self.fill_worth(position, sd);
        let log_likelihood = self.likelihood.evaluate(&mut self.worth, &mut self.slope);
        self.pull_back(sd, gradient);
        // Before the standard normal prior of z is added, `gradient` holds the likelihood's part alone.
        let log_prior = self.finish_log_sds(position, gradient);
        let standard = &position[START_MEAN..];
        axpy(-1.0, standard, &mut gradient[START_MEAN..]);
        log_likelihood + log_prior - 0.5 * dot(standard, standard)
    }
}
