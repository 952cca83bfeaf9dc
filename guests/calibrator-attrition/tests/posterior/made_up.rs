//! Small made-up histories, and the model by its definition: slow, plain, and sharing no code with the calibrator's likelihood.

use attrition_model::{GROUP_COUNT, start_covariate, track_group};
use paddock_sdk::{History, Rng, TrackType};

/// Effects in worth, each list as the layout of a draw has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Effects {
    /// One per track type.
    pub start: [f64; 6],
    pub driver: Vec<f64>,
    pub team: Vec<f64>,
    /// Shape `[driver][group]`.
    pub driver_group: Vec<f64>,
}

impl Effects {
    /// Worth of the entry in `row`, which is in race `race`.
    pub fn worth(&self, history: &History, race: usize, row: usize) -> f64 {
        let (driver, team) = (history.driver[row] as usize, history.team[row] as usize);
        let track_type = history.track_type[race];
        let covariate = start_covariate(history.start[row], history.rows(race).len());
        self.driver[driver]
            + self.team[team]
            + self.start[track_type.index()] * covariate
            + self.driver_group[driver * GROUP_COUNT + track_group(track_type)]
    }
}

/// Races of the given field sizes among `drivers` drivers, three to a team; orders are drawn from `effects` by the definition:
/// one car after another drops out.
pub fn history(fields: &[usize], drivers: u32, effects: &Effects, rng: &mut Rng) -> History {
    let mut history =
        History { race_offsets: vec![0], driver_count: drivers, team_count: drivers.div_ceil(3), ..History::default() };
    for (race, &field) in fields.iter().enumerate() {
        history.track.push(race as u32 % 5);
        history.track_type.push(TrackType::ALL[race % 6]);
        history.race_laps.push(100);
        history.weight.push(1.0);
        let mut entered: Vec<u32> = (0..drivers).collect();
        rng.shuffle(&mut entered);
        let mut starts: Vec<u16> = (1..=field as u16).collect();
        rng.shuffle(&mut starts);
        let first = history.driver.len();
        history.driver.extend(&entered[..field]);
        history.team.extend(entered[..field].iter().map(|driver| driver / 3));
        history.start.extend(starts);
        history.finish.extend(vec![0; field]);
        history.race_offsets.push((first + field) as u32);
        drop_out(&mut history, race, effects, rng);
    }
    history.laps_completed = vec![100; history.driver.len()];
    history.laps_led = vec![0; history.driver.len()];
    history.retired = vec![0; history.driver.len()];
    history
}

/// Fills in the finish positions of `race`, last place first.
fn drop_out(history: &mut History, race: usize, effects: &Effects, rng: &mut Rng) {
    let mut still_in: Vec<usize> = history.rows(race).collect();
    while !still_in.is_empty() {
        let hazards: Vec<f64> = still_in.iter().map(|&row| (-effects.worth(history, race, row)).exp()).collect();
        let place = still_in.len() as u16;
        let row = still_in.remove(rng.categorical(&hazards));
        history.finish[row] = place;
    }
}

/// Weighted log-likelihood of `history`, by the definition.
pub fn log_likelihood(history: &History, effects: &Effects) -> f64 {
    (0..history.races())
        .map(|race| {
            let mut rows: Vec<usize> = history.rows(race).collect();
            rows.sort_by_key(|&row| history.finish[row]);
            let hazards: Vec<f64> = rows.iter().map(|&row| (-effects.worth(history, race, row)).exp()).collect();
            let stages = (1..rows.len()).map(|last| (hazards[last] / hazards[..=last].iter().sum::<f64>()).ln());
            history.weight[race] * stages.sum::<f64>()
        })
        .sum()
}
