//! What solves the small integer programs: microlp, which is Rust and always there, or HiGHS with the feature `highs`, which is faster
//! on large ones and needs CMake and a C++ compiler to build.

#[cfg(feature = "highs")]
pub(super) use good_lp::{highs as solver, solvers::highs::HighsProblem as Model};
#[cfg(not(feature = "highs"))]
pub(super) use good_lp::{microlp as solver, solvers::microlp::MicroLpProblem as Model};
