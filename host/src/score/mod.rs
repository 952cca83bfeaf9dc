//! Scores: how good a forecast was, whether chains converged, and what a race is worth in a contest.

pub mod contest;
pub mod convergence;
pub mod forecast;
pub mod paired;
