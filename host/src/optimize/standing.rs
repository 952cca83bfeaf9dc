//! How one's own lineups stand in a contest, scenario by scenario: what they win together, and what one more would add.
//!
//! With p(k) the prize of place k, `sum of p over own places = sum over places R of (p(R) - p(R + 1)) * (own lineups among the
//! best R)`. Only places after which the prize drops count; they cut the field. Among the best R, one more lineup counts where it beats
//! the last opponent of them, whom it then replaces. The more own lineups are there, the better that opponent is: what a
//! lineup adds only falls as the portfolio grows (it is submodular), and rises with the lineup's score.
//!
//! Lineups that tie share the prizes of their places, which is the mean over all orders of those that tie. Shares are counted in
//! whole millionths of a dollar, rounded down.

use std::sync::Arc;

use rayon::prelude::*;

use super::{
    answer::SearchFailure,
    grid::{exact_scores, milli},
    matrix::ScoreMatrix,
    steps::{Step, Steps},
    value::entries_of,
};
use crate::domain::lineup::Lineup;

/// Millionths in a dollar.
pub(super) const MICRO: f64 = 1e6;

/// Most scores of opponents that are kept (4 bytes each): those that may decide a prize, in all scenarios.
const CELLS_MAX: usize = 100_000_000;

/// Most places after which the prize drops: each costs a pass over the scenarios per lineup.
const CUTS_MAX: usize = 64;

/// Scenarios whose field is scored at once.
const BLOCK: usize = 64;

/// A contest, with a field of opponents.
#[derive(Debug, Clone, PartialEq)]
pub struct Payouts {
    /// What each place wins, in millionths of a dollar, best first; never rising.
    pub prizes: Vec<i64>,
    /// What each own lineup costs, in millionths of a dollar.
    pub fee: i64,
    /// The opponents' lineups.
    pub opponents: Vec<Lineup>,
}

/// A place after which the prize drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    place: usize,
    drop: i64,
}

/// Own lineups among the opponents.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    payouts: Arc<Payouts>,
    /// Last place first, so that the scores that it takes rise.
    cuts: Vec<Cut>,
    field: Arc<Field>,
    /// Own scores per scenario, best first.
    own: Vec<Vec<i32>>,
}

/// The opponents' scores that may decide a prize, best first, and where each scenario's begin.
#[derive(Debug)]
struct Field {
    scores: Vec<i32>,
    starts: Vec<usize>,
}

/// Who is at a cut: the score of the last one among the best, and how many are above it and at it.
#[derive(Debug, Clone, Copy)]
struct AtCut {
    score: i32,
    own_above: i64,
    own: i64,
    opponents: i64,
    /// Places left for those at the score.
    places: i64,
}

impl Standing {
    /// Scores the field.
    ///
    /// # Errors
    /// [`SearchFailure::Invalid`] where prizes rise or are too many, or an opponent has an entry without points.
    pub fn new(matrix: &ScoreMatrix, payouts: Arc<Payouts>) -> Result<Self, SearchFailure> {
        let cuts = cuts(&payouts.prizes)?;
        let unknown =
            payouts.opponents.iter().flat_map(Lineup::entries).find(|&&entry| usize::from(entry) >= matrix.entries());
        if let Some(entry) = unknown {
            let detail = format!("an opponent has entry {entry}, the slate has {}", matrix.entries());
            return Err(SearchFailure::Invalid { field: "together/contest/ownership", detail });
        }
        let field = Arc::new(Field::new(matrix, &payouts)?);
        Ok(Self { payouts, cuts, field, own: vec![Vec::new(); matrix.scenarios()] })
    }

    /// What a lineup costs, in dollars.
    pub fn fee_usd(&self) -> f64 {
        self.payouts.fee as f64 / MICRO
    }

    /// What rounding can hide per lineup, in dollars: a millionth at each cut.
    pub fn rounding_usd(&self) -> f64 {
        self.cuts.len() as f64 / MICRO
    }

    pub fn clear(&mut self) {
        self.own.iter_mut().for_each(Vec::clear);
    }

    /// Adds a lineup with these scores.
    pub fn add(&mut self, scores: &[i32]) {
        for (own, &score) in self.own.iter_mut().zip(scores) {
            let place = own.partition_point(|&other| other > score);
            own.insert(place, score);
        }
    }

    /// What the own lineups win together in each scenario, in millionths of a dollar.
    pub fn by_scenario(&self) -> Vec<i64> {
        self.own.par_iter().enumerate().map(|(scenario, own)| self.won(scenario, own)).collect()
    }

    /// What the own lineups win together over all scenarios, in millionths of a dollar.
    pub fn value(&self) -> i64 {
        self.own.par_iter().enumerate().map(|(scenario, own)| self.won(scenario, own)).sum()
    }

    /// What would be lost without each of these lineups, which are all there are.
    pub fn losses(&self, matrix: &ScoreMatrix, lineups: &[u128]) -> Vec<i64> {
        let loss = |&lineup: &u128| -> i64 {
            let mut scores = Vec::new();
            exact_scores(matrix, &entries_of(lineup), None, &mut scores);
            let mut rest = Vec::new();
            let of_scenario = |(scenario, &score): (usize, &i32)| {
                let own = &self.own[scenario];
                if self
                    .cuts
                    .first()
                    .and_then(|last| self.at(scenario, own, last.place))
                    .is_some_and(|cut| score < cut.score)
                {
                    return 0;
                }
                rest.clear();
                rest.extend_from_slice(own);
                rest.remove(rest.partition_point(|&other| other > score));
                self.won(scenario, own) - self.won(scenario, &rest)
            };
            scores.iter().enumerate().map(of_scenario).sum()
        };
        lineups.par_iter().map(loss).collect()
    }

    /// What one more lineup adds, by its score.
    pub fn steps(&self) -> Steps {
        let of_scenario = |(scenario, own): (usize, &Vec<i32>)| {
            self.cuts
                .iter()
                .map(|cut| match self.at(scenario, own, cut.place) {
                    None => Step { score: i32::MIN, at: cut.drop, above: cut.drop },
                    Some(AtCut { score, own, opponents, places, .. }) => {
                        let tied = own + opponents;
                        Step {
                            score,
                            at: share(cut.drop, places * opponents, tied * (tied + 1)),
                            above: share(cut.drop, opponents, tied),
                        }
                    }
                })
                .collect::<Vec<Step>>()
        };
        let steps = self.own.par_iter().enumerate().flat_map_iter(of_scenario).collect();
        Steps::new(self.cuts.iter().map(|cut| cut.drop).collect(), steps)
    }

    /// What these own lineups win in a scenario.
    fn won(&self, scenario: usize, own: &[i32]) -> i64 {
        let at_cut = |cut: &Cut| match self.at(scenario, own, cut.place) {
            None => cut.drop * own.len() as i64,
            Some(AtCut { own_above, own, opponents, places, .. }) => {
                cut.drop * own_above + share(cut.drop, places * own, own + opponents)
            }
        };
        self.cuts.iter().map(at_cut).sum()
    }

    /// Who is at the last of so many places; `None` where there are fewer lineups than places.
    fn at(&self, scenario: usize, own: &[i32], place: usize) -> Option<AtCut> {
        let opponents = &self.field.scores[self.field.starts[scenario]..self.field.starts[scenario + 1]];
        if opponents.len() + own.len() < place {
            return None;
        }
        // The fewest own lineups among the best, where those that tie stand behind opponents.
        let (mut low, mut high) = (place.saturating_sub(opponents.len()), own.len().min(place));
        while low < high {
            let middle = usize::midpoint(low, high);
            if own[middle] > opponents[place - middle - 1] { low = middle + 1 } else { high = middle }
        }
        let last_own = low.checked_sub(1).map(|last| own[last]);
        let last_opponent = (place - low).checked_sub(1).map(|last| opponents[last]);
        let score = last_own.into_iter().chain(last_opponent).min()?;
        let count = |scores: &[i32]| {
            let above = scores.partition_point(|&other| other > score);
            (above as i64, (scores[above..].partition_point(|&other| other == score)) as i64)
        };
        let ((own_above, own), (above, opponents)) = (count(own), count(opponents));
        Some(AtCut { score, own_above, own, opponents, places: place as i64 - own_above - above })
    }
}

/// Part of an amount, rounded down.
fn share(amount: i64, part: i64, whole: i64) -> i64 {
    if part == whole { amount } else { (i128::from(amount) * i128::from(part) / i128::from(whole)) as i64 }
}

/// The places after which the prize drops, last place first.
fn cuts(prizes: &[i64]) -> Result<Vec<Cut>, SearchFailure> {
    let invalid = |detail: String| Err(SearchFailure::Invalid { field: "together/contest/prizes", detail });
    if let Some(place) = (1..prizes.len()).find(|&place| prizes[place] > prizes[place - 1]) {
        return invalid(format!("place {} wins more than place {place}", place + 1));
    }
    let next = |place: usize| prizes.get(place).copied().unwrap_or(0);
    let drops = (1..=prizes.len()).rev().map(|place| Cut { place, drop: next(place - 1) - next(place) });
    let cuts: Vec<Cut> = drops.filter(|cut| cut.drop > 0).collect();
    if cuts.len() > CUTS_MAX {
        return invalid(format!("{} different prizes, at most {CUTS_MAX} are allowed", cuts.len()));
    }
    Ok(cuts)
}

impl Field {
    fn new(matrix: &ScoreMatrix, payouts: &Payouts) -> Result<Self, SearchFailure> {
        let (scenarios, opponents) = (matrix.scenarios(), payouts.opponents.len());
        let paid = payouts.prizes.iter().filter(|&&prize| prize > 0).count().min(opponents);
        if paid * scenarios > CELLS_MAX {
            let detail = format!(
                "{paid} places win in {scenarios} scenarios: at most {CELLS_MAX} scores can be kept, use fewer scenarios"
            );
            return Err(SearchFailure::Invalid { field: "together/contest/prizes", detail });
        }
        let points: Vec<Vec<i32>> = (0..matrix.entries())
            .map(|entry| matrix.column(entry).iter().map(|&points| milli(points)).collect())
            .collect();
        let blocks: Vec<usize> = (0..scenarios).step_by(BLOCK).collect();
        let best_of = |&first: &usize| -> Vec<Vec<i32>> {
            let size = BLOCK.min(scenarios - first);
            let mut scores = vec![vec![0_i32; opponents]; size];
            for (opponent, lineup) in payouts.opponents.iter().enumerate() {
                let mut sums = [0_i32; BLOCK];
                for &entry in lineup.entries() {
                    let column = &points[usize::from(entry)][first..first + size];
                    sums.iter_mut().zip(column).for_each(|(sum, points)| *sum += points);
                }
                scores.iter_mut().zip(sums).for_each(|(scores, sum)| scores[opponent] = sum);
            }
            scores.into_iter().map(|scores| decisive(scores, paid)).collect()
        };
        let best: Vec<Vec<i32>> = blocks.par_iter().flat_map_iter(best_of).collect();
        let mut starts = vec![0];
        starts.extend(best.iter().scan(0, |end, scores| {
            *end += scores.len();
            Some(*end)
        }));
        Ok(Self { scores: best.concat(), starts })
    }
}

/// The best scores and all that tie with the last of them, best first.
fn decisive(mut scores: Vec<i32>, paid: usize) -> Vec<i32> {
    if paid == 0 {
        return Vec::new();
    }
    if paid < scores.len() {
        let (_, &mut last, _) = scores.select_nth_unstable_by(paid - 1, |left, right| right.cmp(left));
        scores.retain(|&score| score >= last);
    }
    scores.sort_unstable_by(|left, right| right.cmp(left));
    scores
}
