//! A chain: the state between transitions, its adaptation and its checkpoint.

use super::Density;
use super::adaptation::{Schedule, Variances};
use super::dual_averaging::DualAveraging;
use super::tree::{Motion, Outcome, Point, first_step, transition};
use crate::{Refusal, Rng, state};

/// How to sample. Part of a fit's inputs, so not part of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// Iterations that adapt and are not kept.
    pub warmup: u32,
    /// Trajectories have at most 2^depth_max steps; 1..=12 is sensible.
    pub depth_max: u32,
    /// Mean acceptance that the step size aims for, in (0, 1); higher takes smaller steps.
    pub target_accept: f64,
}

/// What one transition did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition {
    /// Whether the trajectory left the region where its steps follow the density: a sign of a posterior it cannot explore.
    pub is_divergent: bool,
    /// Doublings of the trajectory.
    pub depth: u32,
    /// Mean acceptance probability over the trajectory.
    pub accept: f64,
}

/// One Markov chain over a [`Density`], which the caller keeps and passes to each call.
#[derive(Debug, Clone)]
pub struct Chain {
    config: Config,
    schedule: Schedule,
    rng: Rng,
    current: Point,
    inverse_mass: Vec<f64>,
    variances: Variances,
    averaging: DualAveraging,
    iterations: u32,
    gradients: u64,
}

impl Chain {
    /// Starts at `position` with an inverse mass of `inverse_mass` per parameter (a guess at the posterior variances).
    ///
    /// # Errors
    /// [`Refusal::UnsupportedInput`] when the density is not finite there.
    pub fn start(
        density: &mut impl Density,
        config: Config,
        mut rng: Rng,
        position: Vec<f64>,
        inverse_mass: Vec<f64>,
    ) -> Result<Self, Refusal> {
        let current = Point::evaluate(density, position);
        if !current.is_finite() {
            return Err(Refusal::UnsupportedInput("the posterior density is not finite at the starting point".into()));
        }
        let motion = Motion { step: 0.5, inverse_mass: &inverse_mass, depth_max: config.depth_max };
        let (step, tried) = first_step(density, &mut rng, motion, &current);
        Ok(Self {
            schedule: Schedule::new(config.warmup),
            variances: Variances::new(current.position.len()),
            averaging: DualAveraging::new(config.target_accept, step),
            config,
            rng,
            current,
            inverse_mass,
            iterations: 0,
            gradients: tried + 1,
        })
    }

    /// Runs one iteration.
    pub fn advance(&mut self, density: &mut impl Density) -> Transition {
        let is_warming_up = self.is_warming_up();
        let step = if is_warming_up { self.averaging.step() } else { self.averaging.final_step() };
        let motion = Motion { step, inverse_mass: &self.inverse_mass, depth_max: self.config.depth_max };
        let Outcome { accept, is_divergent, gradients, depth } =
            transition(density, &mut self.rng, motion, &mut self.current);
        self.iterations += 1;
        self.gradients += gradients;
        if is_warming_up {
            self.adapt(density, accept);
        }
        Transition { is_divergent, depth, accept }
    }

    fn adapt(&mut self, density: &mut impl Density, accept: f64) {
        self.averaging.update(accept);
        if self.schedule.is_slow(self.iterations) {
            self.variances.add(&self.current.position);
        }
        if self.schedule.closes_window(self.iterations) {
            self.inverse_mass = self.variances.inverse_mass(1e-3);
            self.variances = Variances::new(self.current.position.len());
            let motion = Motion {
                step: self.averaging.final_step(),
                inverse_mass: &self.inverse_mass,
                depth_max: self.config.depth_max,
            };
            let (step, tried) = first_step(density, &mut self.rng, motion, &self.current);
            self.gradients += tried;
            self.averaging = DualAveraging::new(self.config.target_accept, step);
        }
    }

    /// Whether the next iteration still adapts.
    pub fn is_warming_up(&self) -> bool {
        self.iterations < self.config.warmup
    }

    /// The current position.
    pub fn position(&self) -> &[f64] {
        &self.current.position
    }

    /// Log density at the current position.
    pub fn log_density(&self) -> f64 {
        self.current.log_density
    }

    /// Iterations run, warm-up included.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Gradients evaluated.
    pub fn gradients(&self) -> u64 {
        self.gradients
    }

    /// The step size that the next iteration uses.
    pub fn step(&self) -> f64 {
        if self.is_warming_up() { self.averaging.step() } else { self.averaging.final_step() }
    }

    /// Writes the whole state for a checkpoint.
    pub fn save(&self, out: &mut state::Writer) {
        self.rng.save(out);
        out.f64_list(&self.current.position);
        out.f64_list(&self.current.gradient);
        out.f64(self.current.log_density);
        out.f64_list(&self.inverse_mass);
        self.variances.save(out);
        self.averaging.save(out);
        out.u32(self.iterations);
        out.u64(self.gradients);
    }

    /// Reads what [`Chain::save`] wrote, for a density of `dimension` parameters and the same `config`.
    ///
    /// # Errors
    /// [`Refusal::ForeignCheckpoint`] when the bytes do not fit.
    pub fn load(config: Config, dimension: usize, from: &mut state::Reader<'_>) -> Result<Self, Refusal> {
        let rng = Rng::load(from)?;
        let current = Point {
            position: from.f64_list_of(dimension)?,
            gradient: from.f64_list_of(dimension)?,
            log_density: from.f64()?,
        };
        Ok(Self {
            schedule: Schedule::new(config.warmup),
            config,
            rng,
            current,
            inverse_mass: from.f64_list_of(dimension)?,
            variances: Variances::load(from, dimension)?,
            averaging: DualAveraging::load(from)?,
            iterations: from.u32()?,
            gradients: from.u64()?,
        })
    }
}
