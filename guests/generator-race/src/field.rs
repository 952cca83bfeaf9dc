//! The working memory of one scenario: every car's fate in finish order, without allocation.

/// Highest number of entries a race can have (the contract's limit).
pub const ENTRIES_MAX: usize = 100;

/// Cars in finish order: index 0 is the winner. Only the first `n` elements of each list mean anything.
#[derive(Debug, Clone)]
pub struct Field {
    /// Entry index of each car.
    pub entry: [usize; ENTRIES_MAX],
    /// Start position of each car.
    pub start: [u16; ENTRIES_MAX],
    /// Worth of driver and team, standardised within the field: mean 0, standard deviation 1.
    pub worth: [f64; ENTRIES_MAX],
    /// How the day went, a bell-shaped variate that drives laps led and fastest laps alike.
    pub day: [f64; ENTRIES_MAX],
    /// Laps completed.
    pub completed: [u16; ENTRIES_MAX],
    /// Whether the car retired.
    pub retired: [bool; ENTRIES_MAX],
    /// Laps led.
    pub led: [u16; ENTRIES_MAX],
    /// Laps on which the car was credited with the fastest lap.
    pub fastest: [u16; ENTRIES_MAX],
}

impl Default for Field {
    fn default() -> Self {
        Self {
            entry: [0; ENTRIES_MAX],
            start: [0; ENTRIES_MAX],
            worth: [0.0; ENTRIES_MAX],
            day: [0.0; ENTRIES_MAX],
            completed: [0; ENTRIES_MAX],
            retired: [false; ENTRIES_MAX],
            led: [0; ENTRIES_MAX],
            fastest: [0; ENTRIES_MAX],
        }
    }
}
