//! Who leads, and for how many laps. Given the finishing order and the laps completed.
//!
//! How many cars lead is beta-binomial. Which ones: those with the highest score, the winner always (the leader of the last
//! lap wins it, so in all but one of 251 real races the winner led), the pole sitter with a chance of his own. The score is
//! the log share of laps led, linear in the finish, the start, the worth of driver and team and a bell-shaped "how the day
//! went" that fastest laps share; the choice of who leads has more chance in it (pit cycles, restarts) than the shares have.
//! Each leader gets one lap, and the rest is split in proportion to exp(score) by systematic rounding, which makes the shares
//! a logistic-normal composition (Aitchison & Shen 1980) that sums exactly to the race's laps.

use paddock_sdk::Rng;

use crate::counts::CountDistribution;
use crate::field::{ENTRIES_MAX, Field};
use crate::keys::{ascending_key, index_of};
use crate::noise::bell;
use crate::shape::Shape;
use crate::shares;

/// Draws laps led for a fixed field size, distance and shape.
#[derive(Debug, Clone)]
pub struct LeadModel {
    race_laps: u16,
    leaders_beside_winner: CountDistribution,
    /// Score of each finish position, the winner's bonus included.
    finish_score: [f64; ENTRIES_MAX],
    /// Score of each start position, counted from 0.
    start_score: [f64; ENTRIES_MAX],
    worth: f64,
    day: f64,
    turnover: f64,
    pole_chance: f64,
    cameo_chance: f64,
}

/// What a cameo leader's weight is multiplied with: enough that he leads a lap, rarely two.
const CAMEO_WEIGHT: f64 = 0.01;

impl LeadModel {
    /// For `n` cars (2..=100) over `race_laps` laps.
    pub fn new(shape: &Shape, n: usize, race_laps: u16) -> Self {
        let mut finish_score = [0.0; ENTRIES_MAX];
        let mut start_score = [0.0; ENTRIES_MAX];
        for index in 0..n {
            finish_score[index] = shape.led_finish * shape.finish_feature(index + 1);
            start_score[index] = shape.led_start * Shape::start_feature(index + 1);
        }
        finish_score[0] += shape.led_winner;
        let others = n - 1;
        Self {
            race_laps,
            leaders_beside_winner: CountDistribution::beta_binomial(
                others,
                shape.leaders_share,
                shape.leaders_correlation,
                others,
            ),
            finish_score,
            start_score,
            worth: shape.led_worth,
            day: shape.led_day,
            turnover: shape.led_turnover,
            pole_chance: shape.led_pole_chance,
            cameo_chance: shape.led_cameo_chance,
        }
    }

    /// Fills `field.led` for the first `n` cars: it sums to the race's laps, and no car leads more laps than it completed.
    pub fn draw(&self, rng: &mut Rng, n: usize, field: &mut Field) {
        let leaders = 1 + self.leaders_beside_winner.at(rng.uniform());
        let leads_from_pole = rng.uniform() < self.pole_chance;
        let mut score = [0.0; ENTRIES_MAX];
        let mut choice = [0_u64; ENTRIES_MAX];
        let mut able = 0;
        for index in 0..n {
            let start = usize::from(field.start[index]) - 1;
            score[index] = self.finish_score[index]
                + self.start_score[start]
                + self.worth * field.worth[index]
                + self.day * field.day[index];
            let forced = match (index, start) {
                (0, _) => 2.0 * FORCED,
                (_, 0) if leads_from_pole => FORCED,
                _ => 0.0,
            };
            let chance = score[index] + self.turnover * bell(rng) + forced;
            let can_lead = field.completed[index] > 0;
            able += usize::from(can_lead);
            choice[index] = if can_lead { ascending_key(chance, index) } else { index as u64 };
        }
        let leaders = leaders.min(able).min(usize::from(self.race_laps));
        self.share_out(rng, &score[..n], &mut choice[..n], leaders, field);
    }

    /// Splits the laps between the `leaders` cars with the highest `choice` keys.
    fn share_out(&self, rng: &mut Rng, score: &[f64], choice: &mut [u64], leaders: usize, field: &mut Field) {
        let n = score.len();
        choice.select_nth_unstable_by(leaders - 1, |left, right| right.cmp(left));
        let chosen = &choice[..leaders];
        let best = chosen.iter().map(|&key| score[index_of(key)]).fold(f64::NEG_INFINITY, f64::max);
        let mut one_lap = [0_u16; ENTRIES_MAX];
        for &key in chosen {
            one_lap[index_of(key)] = 1;
        }
        let mut weight = [0.0; ENTRIES_MAX];
        for index in (0..n).filter(|&index| one_lap[index] == 1) {
            let is_cameo = index > 0 && rng.uniform() < self.cameo_chance;
            let scale = if is_cameo { CAMEO_WEIGHT } else { 1.0 };
            weight[index] = scale * f64::from(field.completed[index]) * libm::exp(score[index] - best);
        }
        let rest = self.race_laps - leaders as u16;
        shares::split(rest, &weight[..n], rng.uniform(), &mut field.led[..n]);
        for (led, one) in field.led[..n].iter_mut().zip(one_lap) {
            *led += one;
        }
        shares::cap(&mut field.led[..n], &field.completed[..n]);
    }
}

/// Added to the score of a car that leads whatever the others' scores are; far beyond any score's range.
const FORCED: f64 = 1e6;
