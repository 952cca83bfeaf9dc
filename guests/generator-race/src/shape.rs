//! What a race looks like at each type of track: every shape parameter with its meaning, bounds and fitted value, once. The
//! struct, the JSON Schema and the bounds check are all made from the one table in this file.
//!
//! The values were fitted by minimising the squared differences between simulated and real statistics (leaders, shares of
//! the first four leaders, the winner's and the pole sitter's laps led, fastest laps of the first ten, contest scores, ...),
//! given the real start and finish, on the 251 Cup races of 2019-2025: 35 superspeedway, 35 road, 3 dirt, 69 short, 27 large
//! oval, 82 intermediate. Three dirt races fit nothing: dirt takes its counts from them and the rest from large ovals. The test
//! `real_races.rs` shows how near each statistic comes.

use paddock_sdk::TrackType;

/// Name, meaning and bounds of one shape parameter.
pub struct Field {
    pub name: &'static str,
    pub summary: &'static str,
    pub minimum: f64,
    pub maximum: f64,
}

macro_rules! shape {
    ($($(#[doc = $doc:literal])+ $name:ident: $min:literal, $max:literal, [$($value:literal),+];)+) => {
        /// The shape of races at one type of track. Shares are of the field or of the race's laps, in [0, 1].
        #[derive(Debug, Clone, PartialEq)]
        pub struct Shape {
            $($(#[doc = $doc])+ pub $name: f64,)+
        }

        /// Every shape parameter, in the order of [`Shape`].
        pub const FIELDS: &[Field] = &[
            $(Field {
                name: stringify!($name), summary: concat!($($doc),+).trim_ascii(), minimum: $min, maximum: $max,
            },)+
        ];

        impl Shape {
            /// The shape fitted on real races at tracks of this type.
            pub fn fitted(track_type: TrackType) -> Self {
                Self { $($name: [$($value),+][track_type.index()],)+ }
            }

            /// The parameter called `name`, if there is one.
            pub fn field_mut(&mut self, name: &str) -> Option<&mut f64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)+
                    _ => None,
                }
            }
        }
    };
}

// Columns: superspeedway, road, dirt, short, large oval, intermediate (the order of the contract).
shape! {
    /// Mean share of the field that retires.
    retired_share: 0.0, 0.9, [0.274, 0.1005, 0.178, 0.0974, 0.135, 0.121];
    /// Correlation between two cars' retirements: 0 is a binomial count.
    retired_correlation: 0.0, 0.9, [0.045, 0.034, 0.03, 0.022, 0.042, 0.049];
    /// Highest share of the field that can retire.
    retired_share_max: 0.0, 1.0, [0.55, 0.55, 0.55, 0.55, 0.55, 0.55];
    /// First exponent of the share of the distance a retired car covers (Kumaraswamy).
    retired_distance_a: 0.2, 10.0, [1.05, 1.3, 1.0, 1.2, 1.15, 1.3];
    /// Second exponent of that share; below 1 it favours late retirements.
    retired_distance_b: 0.1, 10.0, [0.45, 0.85, 1.0, 0.95, 0.95, 0.85];
    /// Median share of the running cars that finish on the lead lap.
    lead_lap_share: 0.01, 0.99, [0.79, 0.892, 0.8, 0.52, 0.76, 0.66];
    /// Standard deviation of that share on the logit scale.
    lead_lap_spread: 0.0, 3.0, [0.66, 0.8, 0.5, 0.78, 0.71, 0.86];
    /// Mean depth of the last lapped car as a share of the distance.
    lapped_depth: 0.0, 0.9, [0.13, 0.11, 0.08, 0.055, 0.097, 0.07];
    /// Chance that the last car is a disqualified one that ran the full distance.
    disqualified_chance: 0.0, 1.0, [0.04, 0.04, 0.04, 0.04, 0.04, 0.04];
    /// Mean share of the other cars that lead at least a lap beside the winner.
    leaders_share: 0.0, 1.0, [0.425, 0.167, 0.1, 0.178, 0.234, 0.245];
    /// Correlation between two cars' leading: 0 is a binomial count.
    leaders_correlation: 0.0, 0.9, [0.022, 0.0, 0.0, 0.002, 0.001, 0.003];
    /// Chance that the pole sitter is put among the leaders whatever happens.
    led_pole_chance: 0.0, 1.0, [0.568, 0.17, 0.17, 0.991, 0.142, 0.735];
    /// Weight of the finish, ln(1/(finish + offset) + floor), in the log share of laps led.
    led_finish: -10.0, 10.0, [0.167, 0.548, 0.459, 0.552, 0.459, 0.928];
    /// Offset that softens the winner's advantage.
    led_finish_offset: 0.0, 10.0, [0.915, 0.163, 0.135, 0.063, 0.135, 0.045];
    /// Floor that lets a dominant car fall to the back late.
    led_finish_floor: 0.0, 1.0, [0.172, 0.061, 0.08, 0.002, 0.08, 0.094];
    /// Bonus of the winner.
    led_winner: -10.0, 10.0, [0.222, 0.165, 0.317, 0.163, 0.317, 0.101];
    /// Weight of the start, -ln(start + 4).
    led_start: -10.0, 10.0, [0.904, 1.504, 1.233, 1.235, 1.233, 1.312];
    /// Weight of the worth of driver and team, standardised within the field.
    led_worth: -10.0, 10.0, [0.454, 0.148, 0.183, 0.543, 0.183, 0.027];
    /// Standard deviation of how the day went, in the log share of laps led.
    led_day: 0.0, 10.0, [0.779, 0.452, 0.806, 0.857, 0.806, 1.265];
    /// Standard deviation of the extra chance in who leads at all: pit cycles and restarts.
    led_turnover: 0.0, 10.0, [2.41, 1.758, 1.76, 0.987, 1.76, 1.399];
    /// Chance that a leader other than the winner leads only a lap or so, in a pit cycle.
    led_cameo_chance: 0.0, 1.0, [0.151, 0.223, 0.168, 0.227, 0.168, 0.157];
    /// Median share of the laps on which an official fastest lap is credited.
    fastest_share: 0.01, 0.99, [0.795, 0.795, 0.69, 0.857, 0.785, 0.84];
    /// Standard deviation of that share on the logit scale.
    fastest_share_spread: 0.0, 3.0, [0.35, 0.59, 0.4, 0.46, 0.41, 0.47];
    /// Weight of the finish in a car's speed over single laps.
    fastest_finish: -10.0, 10.0, [0.17, 0.798, 0.305, 0.308, 0.305, 0.204];
    /// Weight of the start.
    fastest_start: -10.0, 10.0, [-0.234, 1.244, 0.235, 0.448, 0.235, 0.46];
    /// Weight of the worth.
    fastest_worth: -10.0, 10.0, [0.139, 1.955, 2.5, 1.981, 3.074, 2.26];
    /// Weight of the square root of the share of laps led: clean air. Negative in a draft, where the leader is slow.
    fastest_led: -10.0, 10.0, [-0.922, 1.352, 1.107, 1.311, 1.107, 1.465];
    /// Weight of how the day went, the same chance that drives laps led.
    fastest_day: -10.0, 10.0, [0.113, 0.058, 0.226, -0.025, 0.226, 0.423];
    /// Standard deviation of the chance that is fastest laps' own.
    fastest_noise: 0.0, 10.0, [1.014, 0.094, 0.364, 0.498, 0.364, 0.265];
    /// Saturation: share = logistic(speed - best speed + this), so several fast cars share alike.
    fastest_saturation: -5.0, 10.0, [1.013, 0.159, 0.362, 0.508, 0.362, 0.052];
}

impl Shape {
    /// How near to the front a car finished, `position` counted from 1: ln(1/(position + offset) + floor).
    pub fn finish_feature(&self, position: usize) -> f64 {
        // The tiny term keeps it finite where offset and floor are both at their lowest.
        libm::log(1.0 / (position as f64 + self.led_finish_offset) + self.led_finish_floor + 1e-12)
    }

    /// How near to the front a car started, `position` counted from 1: -ln(position + 4).
    pub fn start_feature(position: usize) -> f64 {
        -libm::log(position as f64 + 4.0)
    }
}

/// The key of a track type in the parameters.
pub fn key(track_type: TrackType) -> &'static str {
    match track_type {
        TrackType::Superspeedway => "superspeedway",
        TrackType::Road => "road",
        TrackType::Dirt => "dirt",
        TrackType::Short => "short",
        TrackType::LargeOval => "large-oval",
        TrackType::Intermediate => "intermediate",
    }
}
