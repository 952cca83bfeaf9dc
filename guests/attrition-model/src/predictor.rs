//! The linear predictor: from one posterior draw and a race to the worth of each entry.

use paddock_sdk::{Race, Rng, TrackType};

use crate::layout::Layout;

/// Number of track groups that drivers have their own form on.
pub const GROUP_COUNT: usize = 4;

/// The group of a track type: superspeedways, road courses, short tracks (dirt included: too few races to stand alone), and
/// larger ovals.
pub const fn track_group(track_type: TrackType) -> usize {
    match track_type {
        TrackType::Superspeedway => 0,
        TrackType::Road => 1,
        TrackType::Short | TrackType::Dirt => 2,
        TrackType::LargeOval | TrackType::Intermediate => 3,
    }
}

/// How far up the grid an entry starts: +1 on pole, -1 from last, 0 in the middle; `start` in 1..=`field`, `field` >= 2.
pub fn start_covariate(start: u16, field: usize) -> f64 {
    1.0 - 2.0 * (f64::from(start) - 1.0) / (field as f64 - 1.0)
}

/// One draw from the posterior, with its blocks named.
#[derive(Debug, Clone, Copy)]
pub struct Draw<'a> {
    /// Log standard deviations: between drivers, between teams, between a driver's track groups.
    log_sd: &'a [f64],
    start: &'a [f64],
    driver: &'a [f64],
    team: &'a [f64],
    driver_group: &'a [f64],
}

impl<'a> Draw<'a> {
    pub(crate) fn new(layout: Layout, columns: &'a [f64]) -> Self {
        Self {
            log_sd: &columns[Layout::LOG_SD],
            start: &columns[Layout::START],
            driver: &columns[layout.driver()],
            team: &columns[layout.team()],
            driver_group: &columns[layout.driver_group()],
        }
    }

    /// Worth of one entry of a field of `field` cars. A driver or team that the history does not know gets an effect drawn
    /// from the population with this draw's standard deviations; for known ones `rng` is not touched.
    pub fn worth(&self, driver: u32, team: u32, start_covariate: f64, track_type: TrackType, rng: &mut Rng) -> f64 {
        let group = track_group(track_type);
        let driver_effect = match self.driver.get(driver as usize) {
            Some(effect) => effect + self.driver_group[driver as usize * GROUP_COUNT + group],
            None => libm::exp(self.log_sd[0]) * rng.normal() + libm::exp(self.log_sd[2]) * rng.normal(),
        };
        let team_effect = match self.team.get(team as usize) {
            Some(effect) => *effect,
            None => libm::exp(self.log_sd[1]) * rng.normal(),
        };
        driver_effect + team_effect + self.start[track_type.index()] * start_covariate
    }

    /// Worths of all entries of `race`, into `worth` of the same length.
    pub fn worths(&self, race: &Race, rng: &mut Rng, worth: &mut [f64]) {
        let field = race.entries();
        for (entry, worth) in worth.iter_mut().enumerate() {
            let covariate = start_covariate(race.start[entry], field);
            *worth = self.worth(race.driver[entry], race.team[entry], covariate, race.track_type, rng);
        }
    }
}
