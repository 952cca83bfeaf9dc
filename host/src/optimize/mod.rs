//! The optimizer core: exact search for the lineups with the best tail, and proof that they are. No input or output here.
//!
//! A lineup's score in a scenario is the sum of its entries' points. [`best_lineup`] maximises an
//! [`Objective`](crate::domain::spec::Objective) of these scores over every lineup that the [`SearchSpace`] allows;
//! [`portfolio`] picks several that differ. Both enumerate the whole feasible set and cut only what a proven bound excludes,
//! so their answers come with a [`Certificate`], do not depend on the number of threads, and break ties by the
//! lexicographically first lineup.
//!
//! How a search goes: `space` checks the input and sorts it, `climb` finds a good lineup, `fixed_point` rounds the points
//! up to 16-bit integers, `bound` tabulates the bound of small subsets, `walk` goes through all lineups with it, and `search`
//! evaluates what the bound leaves over, on all cores.

mod answer;
mod bound;
mod climb;
mod fixed_point;
mod infeasible;
mod matrix;
mod portfolio;
mod score;
mod search;
mod space;
mod value;
mod walk;

#[cfg(test)]
mod oracle;

pub use answer::{Certificate, JudgeFailure, Proof, SearchFailure, Solved};
pub use infeasible::Infeasible;
pub use matrix::{InvalidScores, ScoreMatrix};
pub use portfolio::{LineupJudge, PickedLineup, Portfolio, PortfolioEnd, PortfolioRequest, portfolio};
pub use score::{LineupScore, TailValidation, score_lineups, validate_tail};
pub use search::best_lineup;
pub use space::{ENTRIES_MAX, SearchSpace};
