//! The optimizer core: exact search for the lineups with the best tail, and proof that they are. No input or output here.
//!
//! A lineup's score in a scenario is the sum of its entries' points. [`best_lineup`] maximises an
//! [`Objective`](crate::domain::spec::Objective) of these scores over every lineup that the [`SearchSpace`] allows;
//! [`portfolio`] picks several that differ, and [`joint_portfolio`] several that are best together. Both
//! enumerate the whole feasible set and cut only what a proven bound excludes, so their answers come with a [`Certificate`], do not
//! depend on the number of threads, and break ties by the lexicographically first lineup.
//!
//! A contest's payout is one more worth of a portfolio: `field` draws the opponents, `standing` says what one more lineup would win
//! among them, `steps` searches for it.
//!
//! How a search goes: `space` and `rules` check the input and sort it, `grid` turns points into whole numbers, `climb` finds a
//! good lineup, `bound` tabulates bounds by small subsets with the floors that `threshold` chooses, `walk` goes through all
//! lineups with them, and `pass` evaluates by `goal` what they leave over, on all cores. `session` is how it is followed, stopped
//! and gone on with.

mod answer;
mod bound;
mod climb;
mod conflict;
mod course;
mod cover;
mod exposure;
mod field;
mod goal;
mod grid;
mod infeasible;
mod joint;
mod kernels;
mod ledger;
mod matrix;
mod partial;
mod pass;
mod portfolio;
mod rules;
mod score;
mod search;
mod session;
mod solver;
mod space;
mod standing;
mod steps;
mod threshold;
mod validate;
mod value;
#[cfg(target_arch = "x86_64")]
mod vectors;
mod walk;

#[cfg(test)]
mod extremes;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod oracle_joint;
#[cfg(test)]
mod oracle_resume;

pub use answer::{Certificate, JudgeFailure, Proof, SearchFailure, Solved};
pub use cover::Worth;
pub use exposure::{Exposure, check_exposures};
pub use field::sample_field;
pub use infeasible::Infeasible;
pub use joint::{JointLineup, JointPortfolio, JointRequest, joint_portfolio};
pub use matrix::{InvalidScores, POINTS_MAX, ScoreMatrix};
pub use portfolio::{LineupJudge, PickedLineup, Portfolio, PortfolioEnd, PortfolioRequest, portfolio};
pub use rules::{Demand, LINEAR_MAX, Rule};
pub use score::{LineupScore, PointsQuantile, TailValidation, objective_values, score_lineups, validate_tail};
pub use search::best_lineup;
pub use session::{SearchState, Session, Unwatched, Watch};
pub use space::{ENTRIES_MAX, SearchSpace};
pub use standing::Payouts;
pub use validate::{GoodScenarios, OtherChoice, Stability, good_scenarios, validate_worth};
