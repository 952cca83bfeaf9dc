//! Models: a fitted posterior and how it was fitted.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One block of a posterior layout; takes `product(shape)` consecutive columns of a draw, row-major.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Parameter {
    /// Unique within the layout.
    pub name: String,
    /// Sizes of each axis, slowest first; empty for a scalar.
    pub shape: Vec<u32>,
    /// Whether its effective sample size is gated on.
    pub is_main: bool,
}

impl Parameter {
    /// Number of columns the block takes.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.shape.iter().map(|&size| size as usize).product()
    }
}

/// Draws of a posterior.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Posterior {
    /// Name and version of the layout, for example `attrition-plackett-luce/1`.
    pub layout: String,
    /// The blocks of a draw in order.
    pub parameters: Vec<Parameter>,
    /// Driver names of the history, in index order.
    pub drivers: Vec<String>,
    /// Team names of the history, in index order.
    pub teams: Vec<String>,
    /// Number of chains; draws are grouped by chain and every chain has as many.
    pub chains: usize,
    /// Number of draws over all chains.
    pub draws: usize,
    /// Shape `[draws][columns]`, row-major, finite.
    pub values: Vec<f64>,
}

impl Posterior {
    /// Columns of a draw.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.parameters.iter().map(Parameter::columns).sum()
    }
}
