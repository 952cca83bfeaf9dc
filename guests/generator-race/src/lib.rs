//! The built-in scenario generator: whole races from an attrition-order posterior. It draws who finishes where, who retires, how
//! far each car gets, who leads and who is credited with fastest laps; it does not judge whether a race is plausible.
//!
//! Scenario k is a function of the model, the race, the parameters, the seed and k: its random stream is keyed by (seed, k), and
//! its posterior draw is chosen by k ([`draws`]). The statistical model of each part is described where it lives: the order
//! in `attrition-model`, then [`distance`], [`leading`], [`fastest`], their shape per track type in [`shape`].
//! Whole-race totals hold by construction ([`shares`]), not by repair.

mod counts;
mod distance;
mod draws;
mod fastest;
mod field;
mod generate;
mod keys;
mod leading;
mod noise;
mod params;
pub mod scenario;
pub mod shape;
mod shares;

pub use generate::RaceGenerator;
pub use params::shape_for;

paddock_sdk::export_generator!(RaceGenerator);
