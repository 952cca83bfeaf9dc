//! The built-in calibrator: a Bayesian hierarchical Plackett-Luce model of the order in which cars drop out.
