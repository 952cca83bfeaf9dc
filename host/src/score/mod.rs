//! Scores: how good a forecast was and whether chains converged.

pub mod convergence;
pub mod forecast;
