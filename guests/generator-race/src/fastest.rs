//! Who is credited with the fastest lap, lap by lap in sum. Given the finishing order, the laps completed and the laps led.
//!
//! The number of credited laps is a logit-normal share of the distance (official counts leave out laps under caution). A car's
//! speed over single laps is linear in its finish, start and worth, the root of its share of laps led (clean air), the day
//! it shares with the laps led and a chance of its own; its share is the logistic of its speed relative to the best, which
//! saturates, because in the real races the first five share 60 to 70 % almost alike and the rest falls off fast. At
//! superspeedways all of this is nearly flat: in a draft the leader is not the fastest.

use paddock_sdk::Rng;

use crate::field::{ENTRIES_MAX, Field};
use crate::noise::{bell, logistic, logit};
use crate::shape::Shape;
use crate::shares;

/// Draws fastest laps for a fixed field size, distance and shape.
#[derive(Debug, Clone)]
pub struct FastestModel {
    race_laps: u16,
    share_logit: f64,
    share_spread: f64,
    /// Speed of each finish position.
    finish_speed: [f64; ENTRIES_MAX],
    /// Speed of each start position, counted from 0.
    start_speed: [f64; ENTRIES_MAX],
    worth: f64,
    led: f64,
    day: f64,
    noise: f64,
    saturation: f64,
}

impl FastestModel {
    /// For `n` cars (2..=100) over `race_laps` laps.
    pub fn new(shape: &Shape, n: usize, race_laps: u16) -> Self {
        let mut finish_speed = [0.0; ENTRIES_MAX];
        let mut start_speed = [0.0; ENTRIES_MAX];
        for index in 0..n {
            finish_speed[index] = shape.fastest_finish * shape.finish_feature(index + 1);
            start_speed[index] = shape.fastest_start * Shape::start_feature(index + 1);
        }
        Self {
            race_laps,
            share_logit: logit(shape.fastest_share),
            share_spread: shape.fastest_share_spread,
            finish_speed,
            start_speed,
            worth: shape.fastest_worth,
            led: shape.fastest_led,
            day: shape.fastest_day,
            noise: shape.fastest_noise,
            saturation: shape.fastest_saturation,
        }
    }

    /// Fills `field.fastest` for the first `n` cars: its sum is at most the race's laps, and no car has more than it completed.
    pub fn draw(&self, rng: &mut Rng, n: usize, field: &mut Field) {
        let share = logistic(self.share_logit + self.share_spread * bell(rng));
        let credited = (share * f64::from(self.race_laps) + 0.5) as u16;
        let per_lap = 1.0 / f64::from(self.race_laps);
        let mut speed = [0.0; ENTRIES_MAX];
        let mut best = f64::NEG_INFINITY;
        for (index, speed) in speed[..n].iter_mut().enumerate() {
            let led_share = f64::from(field.led[index]) * per_lap;
            *speed = self.finish_speed[index]
                + self.start_speed[usize::from(field.start[index]) - 1]
                + self.worth * field.worth[index]
                + self.led * led_share.sqrt()
                + self.day * field.day[index]
                + self.noise * bell(rng);
            best = best.max(*speed);
        }
        let shift = self.saturation - best;
        let mut weight = [0.0; ENTRIES_MAX];
        for index in 0..n {
            weight[index] = logistic(speed[index] + shift) * f64::from(field.completed[index]);
        }
        shares::split(credited, &weight[..n], rng.uniform(), &mut field.fastest[..n]);
        shares::cap(&mut field.fastest[..n], &field.completed[..n]);
    }
}
