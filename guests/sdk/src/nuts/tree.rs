//! One NUTS trajectory: doubling trees of leapfrog steps, multinomial selection and the generalised U-turn criterion. Adaptation
//! is decided elsewhere; a trajectory only reports how well its step size did.

use super::Density;
use crate::Rng;
use crate::kernels::{axpy, axpy_scaled, dot, dot3};

/// Energy error beyond which a trajectory counts as divergent. Stan's value.
const DIVERGENCE: f64 = 1000.0;

/// A position with its log density and gradient.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub position: Vec<f64>,
    pub gradient: Vec<f64>,
    pub log_density: f64,
}

impl Point {
    pub fn evaluate(density: &mut impl Density, position: Vec<f64>) -> Self {
        let mut gradient = vec![0.0; position.len()];
        let log_density = density.log_density(&position, &mut gradient);
        Self { position, gradient, log_density }
    }

    pub fn is_finite(&self) -> bool {
        self.log_density.is_finite() && self.gradient.iter().all(|slope| slope.is_finite())
    }
}

/// A point in phase space.
#[derive(Debug, Clone)]
struct State {
    point: Point,
    momentum: Vec<f64>,
}

/// Momentum at a subtree's edge and its velocity ("sharp" in Betancourt's notation), `M^-1 p`.
#[derive(Debug, Clone)]
struct Edge {
    momentum: Vec<f64>,
    velocity: Vec<f64>,
}

/// A finished subtree, seen in the direction it grew.
struct Subtree {
    first: Edge,
    last: Edge,
    /// Sum of all momenta.
    momentum_sum: Vec<f64>,
    proposal: Point,
    /// Log of the summed weights `exp(H_0 - H)`.
    log_weight: f64,
}

/// What a trajectory did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    /// Mean of min(1, exp(H_0 - H)) over the new states.
    pub accept: f64,
    pub is_divergent: bool,
    pub gradients: u64,
    pub depth: u32,
}

/// How to move: step size and inverse mass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Motion<'a> {
    pub step: f64,
    /// Diagonal of the inverse mass matrix.
    pub inverse_mass: &'a [f64],
    pub depth_max: u32,
}

struct Trajectory<'a, D> {
    density: &'a mut D,
    rng: &'a mut Rng,
    motion: Motion<'a>,
    /// The end of the trajectory that is growing.
    frontier: State,
    /// Signed step size.
    signed_step: f64,
    initial_energy: f64,
    accept_sum: f64,
    gradients: u64,
    is_divergent: bool,
}

/// Draws a momentum, simulates one trajectory from `current` and replaces it by the selected point.
pub(super) fn transition<D: Density>(
    density: &mut D,
    rng: &mut Rng,
    motion: Motion<'_>,
    current: &mut Point,
) -> Outcome {
    let start = State { point: current.clone(), momentum: draw_momentum(rng, motion.inverse_mass) };
    let start_edge = edge(&start.momentum, motion.inverse_mass);
    let mut trajectory = Trajectory {
        density,
        rng,
        motion,
        initial_energy: energy(&start, motion.inverse_mass),
        frontier: start.clone(),
        signed_step: motion.step,
        accept_sum: 0.0,
        gradients: 0,
        is_divergent: false,
    };
    // Index 0 is the backward end, 1 the forward end.
    let mut ends = [start.clone(), start];
    let mut edges = [start_edge.clone(), start_edge.clone()];
    let mut momentum_sum = start_edge.momentum;
    let mut log_weight = 0.0;
    let mut depth = 0;
    while depth < motion.depth_max {
        let forward = usize::from(trajectory.rng.bernoulli(0.5));
        let Some(grown) = trajectory.grow(&mut ends, forward, depth) else {
            break;
        };
        depth += 1;
        if trajectory.rng.uniform() < libm::exp(grown.log_weight - log_weight) {
            *current = grown.proposal;
        }
        log_weight = log_sum_exp(log_weight, grown.log_weight);
        let old = [edges[1 - forward].clone(), edges[forward].clone()];
        let goes_on = continues_across(&old[0], &old[1], &momentum_sum, &grown.first, &grown.last, &grown.momentum_sum);
        axpy(1.0, &grown.momentum_sum, &mut momentum_sum);
        edges[forward] = grown.last;
        if !goes_on {
            break;
        }
    }
    Outcome {
        accept: if trajectory.gradients == 0 { 0.0 } else { trajectory.accept_sum / trajectory.gradients as f64 },
        is_divergent: trajectory.is_divergent,
        gradients: trajectory.gradients,
        depth,
    }
}

impl<D: Density> Trajectory<'_, D> {
    /// Grows a subtree of 2^depth states from one end, and leaves that end moved.
    fn grow(&mut self, ends: &mut [State; 2], forward: usize, depth: u32) -> Option<Subtree> {
        self.signed_step = if forward == 1 { self.motion.step } else { -self.motion.step };
        std::mem::swap(&mut self.frontier, &mut ends[forward]);
        let grown = self.build(depth);
        std::mem::swap(&mut self.frontier, &mut ends[forward]);
        grown
    }

    /// `None` when the subtree diverged or turned back on itself: it must not be sampled from.
    fn build(&mut self, depth: u32) -> Option<Subtree> {
        if depth == 0 {
            return self.leaf();
        }
        let mut near = self.build(depth - 1)?;
        let far = self.build(depth - 1)?;
        let log_weight = log_sum_exp(near.log_weight, far.log_weight);
        if self.rng.uniform() < libm::exp(far.log_weight - log_weight) {
            near.proposal = far.proposal;
        }
        let goes_on =
            continues_across(&near.first, &near.last, &near.momentum_sum, &far.first, &far.last, &far.momentum_sum);
        axpy(1.0, &far.momentum_sum, &mut near.momentum_sum);
        goes_on.then_some(Subtree { last: far.last, log_weight, ..near })
    }

    /// One leapfrog step.
    fn leaf(&mut self) -> Option<Subtree> {
        let state = &mut self.frontier;
        let step = self.signed_step;
        axpy(0.5 * step, &state.point.gradient, &mut state.momentum);
        axpy_scaled(step, &state.momentum, self.motion.inverse_mass, &mut state.point.position);
        state.point.log_density = self.density.log_density(&state.point.position, &mut state.point.gradient);
        axpy(0.5 * step, &state.point.gradient, &mut state.momentum);
        self.gradients += 1;
        let gain = self.initial_energy - energy(state, self.motion.inverse_mass);
        let log_weight = if gain.is_nan() { f64::NEG_INFINITY } else { gain };
        self.accept_sum += libm::exp(log_weight.min(0.0));
        if log_weight < -DIVERGENCE {
            self.is_divergent = true;
            return None;
        }
        let edge = edge(&state.momentum, self.motion.inverse_mass);
        Some(Subtree {
            momentum_sum: edge.momentum.clone(),
            first: edge.clone(),
            last: edge,
            proposal: state.point.clone(),
            log_weight,
        })
    }
}

/// The generalised criterion over the union of two adjoining subtrees, and over each with the neighbour's nearest state, which
/// catches a U-turn hidden in the seam. Arguments are in order along the trajectory, either way round.
fn continues_across(
    near_first: &Edge,
    near_last: &Edge,
    near_sum: &[f64],
    far_first: &Edge,
    far_last: &Edge,
    far_sum: &[f64],
) -> bool {
    let across = |from: &Edge, to: &Edge, left: &[f64], right: &[f64]| {
        dot(&from.velocity, left) + dot(&from.velocity, right) > 0.0
            && dot(&to.velocity, left) + dot(&to.velocity, right) > 0.0
    };
    across(near_first, far_last, near_sum, far_sum)
        && across(near_first, far_first, near_sum, &far_first.momentum)
        && across(near_last, far_last, &near_last.momentum, far_sum)
}

fn draw_momentum(rng: &mut Rng, inverse_mass: &[f64]) -> Vec<f64> {
    inverse_mass.iter().map(|&inverse| rng.normal() / libm::sqrt(inverse)).collect()
}

fn edge(momentum: &[f64], inverse_mass: &[f64]) -> Edge {
    let mut velocity = vec![0.0; momentum.len()];
    axpy_scaled(1.0, momentum, inverse_mass, &mut velocity);
    Edge { momentum: momentum.to_vec(), velocity }
}

fn energy(state: &State, inverse_mass: &[f64]) -> f64 {
    0.5 * dot3(&state.momentum, &state.momentum, inverse_mass) - state.point.log_density
}

fn log_sum_exp(a: f64, b: f64) -> f64 {
    let larger = a.max(b);
    larger + libm::log1p(libm::exp(a.min(b) - larger))
}

/// Finds a step size whose single leapfrog step is accepted with probability near 0.8 (Hoffman & Gelman 2014, algorithm 4, with
/// Stan's threshold). Costs a few gradients, returned as the second value.
pub(super) fn first_step(density: &mut impl Density, rng: &mut Rng, motion: Motion<'_>, current: &Point) -> (f64, u64) {
    let mut step = motion.step;
    let mut grows = None;
    let mut gradients = 0;
    // 2^±50 around the start is beyond any useful step; the bound only stops a flat or broken density.
    while gradients < 50 {
        let momentum = draw_momentum(rng, motion.inverse_mass);
        let start = State { point: current.clone(), momentum };
        let initial_energy = energy(&start, motion.inverse_mass);
        let mut trajectory = Trajectory {
            density: &mut *density,
            rng: &mut *rng,
            motion,
            frontier: start,
            signed_step: step,
            initial_energy,
            accept_sum: 0.0,
            gradients: 0,
            is_divergent: false,
        };
        trajectory.leaf();
        gradients += 1;
        let is_accepted = trajectory.accept_sum > 0.8;
        if *grows.get_or_insert(is_accepted) != is_accepted {
            break;
        }
        step *= if is_accepted { 2.0 } else { 0.5 };
    }
    (step, gradients)
}
