//! A made-up history and slate, so that everything can be tried without anybody's data. Drivers, teams and tracks are fictional.
//!
//! The simulator, seeded: a driver has a skill, shares a team's pace and is better or worse at each kind of track. Qualifying is
//! pace plus noise. In the race, pace, the starting place and Gumbel noise order the cars that last; others retire with the
//! share that their kind of track has, and are classed behind by laps completed. Cars far down the order lose laps. The lead is
//! cut into stints among the fastest cars, the last one the winner's, so laps led add up to the distance; fastest laps are drawn
//! by pace. Shares of retirements and numbers of leaders follow the 251 races of 2019-2025 in kind, not in detail. It is no
//! forecast of anything, and not the model that the built-in plugins fit.

use std::fmt::Write as _;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::domain::race::TrackType;

/// Races with results.
pub const RACES: u16 = 120;
/// Races of a season.
const RACES_PER_SEASON: u16 = 36;
/// The first season; far from any real one.
const FIRST_SEASON: u16 = 2101;
/// Cars of a race.
const ENTRIES: usize = 38;
/// Columns of [`SyntheticSeason::races_csv`].
const HEADER: &str = "season,race_number,race_name,track,track_type,race_laps,driver,car_no,team,make,start,finish,\
                      laps_completed,laps_led,fastest_laps,retired";

const FIRST_NAMES: [&str; 14] = [
    "Ansel", "Brisa", "Corvin", "Delia", "Emrik", "Fenna", "Gideon", "Hollis", "Ivo", "Jorun", "Kestrel", "Lark",
    "Merrit", "Nell",
];
const LAST_NAMES: [&str; 10] = [
    "Abernathy-Voss",
    "Brackwater",
    "Copperfield",
    "Dunmoor",
    "Eastlight",
    "Farrowdale",
    "Grimsby-Holt",
    "Hartwick",
    "Ironwood",
    "Juniper",
];
const TEAMS: [&str; 13] = [
    "Anvil Racing",
    "Bluebird Motors",
    "Cinder Works",
    "Dovetail Speed",
    "Ember & Sons",
    "Foxglove GP",
    "Granite Row",
    "Halcyon Racing",
    "Indigo Autosport",
    "Juno Stables",
    "Kiln Street",
    "Lantern Works",
    "Marrow Bay",
];
const MAKES: [&str; 3] = ["Corvid", "Palomar", "Tallow"];

/// A track: its name, its kind and the distance of its race in laps.
struct Track(&'static str, TrackType, u16);

const TRACKS: [Track; 12] = [
    Track("Saltmarsh Speedway", TrackType::Superspeedway, 188),
    Track("Copper Basin", TrackType::Intermediate, 267),
    Track("Quarry Bullring", TrackType::Short, 500),
    Track("Windmere Park", TrackType::Road, 90),
    Track("Great Plain", TrackType::LargeOval, 160),
    Track("Hollow Mile", TrackType::Intermediate, 334),
    Track("Tin Cup Half-Mile", TrackType::Short, 400),
    Track("Redstone Tri-Oval", TrackType::Intermediate, 267),
    Track("Larkspur Superoval", TrackType::Superspeedway, 200),
    Track("Five Rivers Raceway", TrackType::LargeOval, 200),
    Track("Old Mill Fairground", TrackType::Short, 312),
    Track("Cape Ardent Circuit", TrackType::Road, 110),
];

/// A made-up history with the slate of the race after it, as files that the importers read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntheticSeason {
    /// [`RACES`] races with results.
    pub races_csv: String,
    /// Drivers, salaries and start positions of the next race.
    pub slate_csv: String,
    /// Key of the next race, for example `2104-13`.
    pub next_race: String,
    /// Its name.
    pub next_race_name: String,
    /// Its track.
    pub next_track: String,
    /// Kind of its track.
    pub next_track_type: TrackType,
    /// Its distance in laps.
    pub next_race_laps: u16,
}

/// Makes a history and a slate up. The same seed gives the same files.
#[must_use]
pub fn season(seed: u64) -> SyntheticSeason {
    let mut world = World::new(seed);
    let mut races_csv = format!("{HEADER}\n");
    for race in 0..RACES {
        world.run_race(race, &mut races_csv);
    }
    let Track(track, track_type, laps) = &TRACKS[usize::from(RACES) % TRACKS.len()];
    let (season, number) = calendar(RACES);
    SyntheticSeason {
        races_csv,
        slate_csv: world.slate(),
        next_race: crate::domain::race::race_key(season, number),
        next_race_name: race_name(track, season),
        next_track: (*track).to_owned(),
        next_track_type: *track_type,
        next_race_laps: *laps,
    }
}

fn calendar(race: u16) -> (u16, u16) {
    (FIRST_SEASON + race / RACES_PER_SEASON, race % RACES_PER_SEASON + 1)
}

fn race_name(track: &str, season: u16) -> String {
    format!("{track} {season}")
}

struct Driver {
    name: String,
    team: usize,
    /// Pace in units of the race's noise: own and the team's together.
    pace: f64,
    /// Pace on top, by position in [`TrackType::ALL`].
    by_track: [f64; TrackType::ALL.len()],
}

struct World {
    random: Xoshiro256PlusPlus,
    drivers: Vec<Driver>,
}

/// A car in a race.
struct Car {
    driver: usize,
    pace: f64,
    start: u16,
    laps_completed: u16,
    laps_led: u16,
    fastest_laps: u16,
    is_retired: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let teams: Vec<f64> = TEAMS.iter().map(|_| 0.6 * normal(&mut random)).collect();
        let drivers = (0..ENTRIES + 4)
            .map(|index| {
                let team = index % TEAMS.len();
                // Steps that share no factor with the lists' lengths, so that no name comes twice.
                let (first, last) = (FIRST_NAMES[index % FIRST_NAMES.len()], LAST_NAMES[index * 3 % LAST_NAMES.len()]);
                Driver {
                    name: format!("{first} {last}"),
                    team,
                    pace: teams[team] + 0.4 * normal(&mut random),
                    by_track: TrackType::ALL.map(|_| 0.3 * normal(&mut random)),
                }
            })
            .collect();
        Self { random, drivers }
    }

    /// Who is on the grid, in the order of the grid.
    fn qualify(&mut self, track_type: TrackType) -> Vec<Car> {
        let kind = TrackType::ALL.iter().position(|kind| *kind == track_type).unwrap_or(0);
        // Superspeedways make all cars nearly equal.
        let scale = if track_type == TrackType::Superspeedway { 0.3 } else { 1.0 };
        let mut field: Vec<(f64, usize, f64)> = self
            .drivers
            .iter()
            .enumerate()
            .map(|(driver, about)| (scale * (about.pace + about.by_track[kind]), driver))
            .map(|(pace, driver)| (pace + 0.7 * normal(&mut self.random), driver, pace))
            .collect();
        // The last few drivers run part-time: who qualifies worst stays at home.
        field.sort_by(|a, b| b.0.total_cmp(&a.0));
        field.truncate(ENTRIES);
        let cars = field.into_iter().zip(1..).map(|((_, driver, pace), start)| Car {
            driver,
            pace,
            start,
            laps_completed: 0,
            laps_led: 0,
            fastest_laps: 0,
            is_retired: false,
        });
        cars.collect()
    }

    fn run_race(&mut self, race: u16, out: &mut String) {
        let track = &TRACKS[usize::from(race) % TRACKS.len()];
        let mut cars = self.qualify(track.1);
        self.class(&mut cars, track);
        self.lead(&mut cars, track);
        self.time_laps(&mut cars, track.2);
        let (season, number) = calendar(race);
        let Track(name, kind, laps) = track;
        for (car, finish) in cars.iter().zip(1..) {
            let driver = &self.drivers[car.driver];
            let (team, make) = (TEAMS[driver.team], MAKES[driver.team % MAKES.len()]);
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "{season},{number},{},{name},{},{laps},{},{:02},{team},{make},{},{finish},{},{},{},{}",
                race_name(name, season),
                kind.as_str(),
                driver.name,
                car.driver + 1,
                car.start,
                car.laps_completed,
                car.laps_led,
                car.fastest_laps,
                u8::from(car.is_retired),
            );
        }
    }

    /// Puts the cars in finishing order and says how far each got.
    fn class(&mut self, cars: &mut [Car], Track(_, kind, laps): &Track) {
        let retire_chance = match kind {
            TrackType::Superspeedway => 0.27,
            TrackType::LargeOval => 0.14,
            TrackType::Intermediate => 0.12,
            TrackType::Short | TrackType::Road | TrackType::Dirt => 0.10,
        };
        for car in cars.iter_mut() {
            car.is_retired = self.random.random::<f64>() < retire_chance;
            let reached = if car.is_retired { 0.05 + 0.9 * self.random.random::<f64>() } else { 1.0 };
            car.laps_completed = (f64::from(*laps) * reached) as u16;
            car.pace += 0.02 * (ENTRIES as f64 / 2.0 - f64::from(car.start)) - (-self.random.random::<f64>().ln()).ln();
        }
        cars.sort_by(|a, b| {
            let lasted = a.is_retired.cmp(&b.is_retired);
            let by_laps = if a.is_retired && b.is_retired { b.laps_completed.cmp(&a.laps_completed) } else { lasted };
            by_laps.then_with(|| b.pace.total_cmp(&a.pace))
        });
        let mut laps_down = 0;
        for car in cars.iter_mut().skip(ENTRIES / 2).filter(|car| !car.is_retired) {
            laps_down += u16::from(self.random.random::<f64>() < 0.4);
            car.laps_completed = laps.saturating_sub(laps_down).max(1);
        }
        // Nobody who retired may have come further than who is classed ahead.
        let mut furthest = *laps;
        for car in cars.iter_mut() {
            furthest = furthest.min(car.laps_completed);
            car.laps_completed = furthest;
        }
    }

    /// Cuts the race into stints of one leader each; the last is the winner's.
    fn lead(&mut self, cars: &mut [Car], Track(_, kind, laps): &Track) {
        let stints = if *kind == TrackType::Superspeedway { 30 } else { 12 };
        let mut cuts: Vec<u16> =
            (1..stints).map(|_| 1 + (self.random.random::<f64>() * f64::from(laps - 1)) as u16).collect();
        cuts.push(*laps);
        cuts.sort_unstable();
        let mut from = 0;
        for (stint, &to) in cuts.iter().enumerate() {
            let is_last = stint + 1 == cuts.len();
            let leader = if is_last { 0 } else { self.leader(cars, *laps) };
            cars[leader].laps_led += to - from;
            from = to;
        }
    }

    /// One of the cars that went the distance, the faster the likelier: the fastest of a few drawn at random.
    fn leader(&mut self, cars: &[Car], laps: u16) -> usize {
        let on_lead_lap = cars.iter().take_while(|car| car.laps_completed == laps).count().max(1);
        let drawn = [(); 3].map(|()| (self.random.random::<f64>() * on_lead_lap as f64) as usize);
        drawn.into_iter().min().unwrap_or(0)
    }

    /// Credits fastest laps: four of five laps have one, mostly by cars well placed.
    fn time_laps(&mut self, cars: &mut [Car], laps: u16) {
        for _ in 0..laps * 4 / 5 {
            let place = (-(self.random.random::<f64>().ln()) * 6.0) as usize;
            let car = &mut cars[place.min(ENTRIES - 1)];
            car.fastest_laps = (car.fastest_laps + 1).min(car.laps_completed);
        }
    }

    /// The next race's grid with salaries from 5,000 to 11,000, by pace with some noise.
    fn slate(&mut self) -> String {
        let kind = TRACKS[usize::from(RACES) % TRACKS.len()].1;
        let cars = self.qualify(kind);
        let mut priced: Vec<(f64, usize)> =
            cars.iter().map(|car| (car.pace + 0.3 * normal(&mut self.random), car.driver)).collect();
        priced.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut out = "driver,salary,start\n".to_owned();
        for car in &cars {
            let rank = priced.iter().position(|(_, driver)| *driver == car.driver).unwrap_or(0) as f64;
            let salary = 5_000 + 100 * (60.0 * (1.0 - rank / ENTRIES as f64).powf(1.5)) as u32;
            let _ = writeln!(out, "{},{salary},{}", self.drivers[car.driver].name, car.start);
        }
        out
    }
}

/// Standard normal draw (Box and Muller 1958).
fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{CatalogLimits, columns::ColumnMap, race_file::read_races, slate_file::read_slate};

    #[test]
    fn the_importers_take_it_without_a_warning() {
        let made_up = season(1);
        let limits = CatalogLimits::default();
        let file = read_races(made_up.races_csv.as_bytes(), &ColumnMap::default(), &limits).unwrap();
        assert_eq!((file.races.len(), file.warnings), (usize::from(RACES), Vec::new()));
        assert!(file.races.iter().all(|race| race.entries.len() == ENTRIES));
        let slate = read_slate(made_up.slate_csv.as_bytes(), &ColumnMap::default(), &limits).unwrap();
        assert_eq!(slate.rows.len(), ENTRIES);
    }

    #[test]
    fn laps_add_up_in_every_race() {
        let limits = CatalogLimits::default();
        let file = read_races(season(2).races_csv.as_bytes(), &ColumnMap::default(), &limits).unwrap();
        for race in &file.races {
            let results = || race.entries.iter().filter_map(|entry| entry.result.as_ref());
            assert_eq!(results().map(|result| result.laps_led).sum::<u16>(), race.race_laps, "{}", race.key());
            assert!(results().filter_map(|result| result.fastest_laps).sum::<u16>() <= race.race_laps);
            assert!(results().all(|result| result.laps_led <= result.laps_completed), "{}", race.key());
        }
    }

    #[test]
    fn a_seed_gives_the_same_season_and_another_seed_another() {
        assert_eq!(season(3), season(3));
        assert_ne!(season(3), season(4));
    }
}
