//! The attrition-order Plackett-Luce model, as the built-in calibrator writes it and the built-in generator reads it: the layout
//! of a draw, the linear predictor and the simulation of an order. It does not fit anything.
//!
//! The finishing order is built from the back: among the cars still in, car i is the next to drop to the worst open position
//! with probability `exp(-w_i) / sum_j exp(-w_j)`. Bad luck strikes one car at a time and skill shows in who survives, which
//! fits real races better than the usual order of picking winners first. `w` is called the worth:
//!
//! `w = driver + team + start[track type] * covariate(start) + driver_group[driver, group(track type)]`

mod layout;
mod order;
mod predictor;

pub use layout::{LAYOUT, Layout, Posterior};
pub use order::{finish_from_worth, knockout_times};
pub use predictor::{Draw, GROUP_COUNT, start_covariate, track_group};
