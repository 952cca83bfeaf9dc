//! The calibrator against independent sources of truth: the model's definition, finite differences, its own priors, itself.

mod likelihood;
mod made_up;
mod resume;
mod simulation_based;
