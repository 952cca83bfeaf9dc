//! A resumable No-U-Turn sampler. One call is one transition, and the whole state between calls serialises to bytes, so a host can
//! stop a chain after any iteration and continue it to bit-identical draws. It knows nothing of priors or data: that is the
//! [`Density`]'s business.
//!
//! The algorithm is NUTS (Hoffman & Gelman 2014) with multinomial sampling along the trajectory and the generalised U-turn
//! criterion (Betancourt 2017, "A conceptual introduction to Hamiltonian Monte Carlo", appendix A.4), including the checks across
//! adjoining subtrees that Stan added in 2.21. Step size and mass matrix adapt as in Stan.

mod adaptation;
mod chain;
mod dual_averaging;
mod tree;

pub use chain::{Chain, Config, Transition};

/// A log density that a chain samples from, up to a constant.
pub trait Density {
    /// Number of unconstrained parameters, at least 1.
    fn dimension(&self) -> usize;

    /// Returns the log density at `position` and writes its gradient; both slices have length `dimension()`. A result that is
    /// not finite marks the position as impossible.
    fn log_density(&mut self, position: &[f64], gradient: &mut [f64]) -> f64;
}
