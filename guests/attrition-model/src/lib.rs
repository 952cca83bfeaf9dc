//! The attrition-order Plackett-Luce model that the built-in calibrator fits and the built-in generator simulates.
