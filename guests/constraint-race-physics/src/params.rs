//! The bounds of the soft rules. With the defaults, one in fifty of the 251 real
//! races of 2019-2025 breaks one at most.

use serde::Deserialize;

/// Bounds of the soft rules.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Largest share of the field that retires, in [0, 1].
    pub retired_share_max: f64,
    /// Largest share of the race's laps that one car leads, in (0, 1].
    pub led_share_max: f64,
    /// Largest share of the race's laps on which one car is fastest, in (0, 1].
    pub fastest_share_max: f64,
    /// Smallest mean of |start - finish| over the entries, in positions.
    pub moves_min: f64,
    /// Largest mean of |start - finish| over the entries, in positions.
    pub moves_max: f64,
    /// Whether the winner must have led a lap.
    pub winner_leads: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            retired_share_max: 0.5,
            led_share_max: 0.9,
            fastest_share_max: 0.6,
            moves_min: 3.5,
            moves_max: 16.0,
            winner_leads: true,
        }
    }
}

/// JSON Schema of the parameters, with the defaults.
pub fn schema() -> String {
    let Params { retired_share_max, led_share_max, fastest_share_max, moves_min, moves_max, winner_leads } =
        Params::default();
    let share = |default: f64, text: &str| {
        format!(r#"{{"type":"number","minimum":0,"maximum":1,"default":{default},"description":"{text}"}}"#)
    };
    let positions = |default: f64, text: &str| {
        format!(r#"{{"type":"number","minimum":0,"maximum":100,"default":{default:?},"description":"{text}"}}"#)
    };
    [
        r#"{"type":"object","additionalProperties":false,"properties":{"#.to_owned(),
        format!(r#""retired_share_max":{},"#, share(retired_share_max, "Largest share of the field that retires.")),
        format!(r#""led_share_max":{},"#, share(led_share_max, "Largest share of the laps that one car leads.")),
        format!(
            r#""fastest_share_max":{},"#,
            share(fastest_share_max, "Largest share of the laps on which one car is fastest.")
        ),
        format!(r#""moves_min":{},"#, positions(moves_min, "Smallest mean of |start - finish| over the entries.")),
        format!(r#""moves_max":{},"#, positions(moves_max, "Largest mean of |start - finish| over the entries.")),
        format!(
            r#""winner_leads":{{"type":"boolean","default":{winner_leads},"description":"Whether the winner must have led a lap."}}}}}}"#
        ),
    ]
    .concat()
}
