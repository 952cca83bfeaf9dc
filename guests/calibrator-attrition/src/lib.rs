//! The built-in calibrator: a Bayesian hierarchical Plackett-Luce model of the order in which cars drop out, sampled with NUTS.
//! The model's form and the layout of its draws are `attrition-model`'s; this crate has the priors, the likelihood's gradient and
//! the chain.

mod chain;
pub mod likelihood;
mod params;
pub mod posterior;
mod races;

pub use chain::AttritionChain;
pub use params::Params;
pub use races::Races;

paddock_sdk::export_calibrator!(AttritionChain);
