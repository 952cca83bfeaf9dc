//! Simulation-based calibration (Talts et al. 2018, "Validating Bayesian Inference Algorithms with Simulation-Based
//! Calibration"): with effects drawn from the prior and races from the effects, the rank of the truth among the posterior's
//! draws is uniform. A wrong prior, likelihood, gradient, Jacobian or sampler shows as a slope, a cup or a cap.

use crate::made_up::{self, Effects};
use attrition_model::{GROUP_COUNT, Layout};
use calibrator_attrition::{AttritionChain, Params};
use paddock_sdk::{Calibrator, Rng};

const DRIVERS: usize = 6;
const TEAMS: usize = 2;
const REPLICATES: u64 = 200;
/// Every twelfth draw is compared, 49 of them, so ranks are 0..=49: ten bins of five.
const THIN: usize = 12;
const COMPARED: usize = 49;
const BINS: usize = 10;
const FIELDS: [usize; 12] = [6, 5, 6, 4, 6, 6, 5, 6, 6, 3, 6, 6];

/// Effects drawn from the prior by its definition, and the draw that holds them.
fn from_prior(rng: &mut Rng) -> (Effects, Vec<f64>) {
    let params = Params::default();
    let medians = [params.sd_driver, params.sd_team, params.sd_driver_group];
    let log_sd = medians.map(|median| median.ln() + params.log_sd_spread * rng.normal());
    let start_mean = params.sd_start * rng.normal();
    let start = std::array::from_fn(|_| start_mean + params.sd_start_type * rng.normal());
    let mut block =
        |kind: usize, count: usize| -> Vec<f64> { (0..count).map(|_| log_sd[kind].exp() * rng.normal()).collect() };
    let (driver, team, driver_group) = (block(0, DRIVERS), block(1, TEAMS), block(2, DRIVERS * GROUP_COUNT));
    let draw = [&log_sd[..], &start, &driver, &team, &driver_group].concat();
    (Effects { start, driver, team, driver_group }, draw)
}

#[test]
fn ranks_of_the_truth_are_uniform() {
    let layout = Layout { driver_count: DRIVERS, team_count: TEAMS };
    let watched = [
        ("log_sd_driver", 0),
        ("log_sd_team", 1),
        ("log_sd_driver_group", 2),
        ("start[0]", Layout::START.start),
        ("start[3]", Layout::START.start + 3),
        ("driver[0]", layout.driver().start),
        ("team[1]", layout.team().start + 1),
        ("driver_group[0, 1]", layout.driver_group().start + 1),
    ];
    let mut counts = [[0.0_f64; BINS]; 8];
    for replicate in 0..REPLICATES {
        let mut rng = Rng::for_stream(77, replicate);
        let (effects, truth) = from_prior(&mut rng);
        let history = made_up::history(&FIELDS, DRIVERS as u32, &effects, &mut rng);
        let params = format!(r#"{{"warmup":300,"draws":{}}}"#, THIN * COMPARED);
        let mut chain = AttritionChain::open(history, &params, 11, replicate as u32).expect("valid inputs");
        chain.step(u32::MAX).expect("a step");
        let draws = chain.take_draws().values;
        for (counts, (_, column)) in counts.iter_mut().zip(watched) {
            let compared = draws.chunks_exact(layout.columns()).skip(THIN - 1).step_by(THIN);
            let rank = compared.filter(|draw| draw[column] < truth[column]).count();
            counts[rank * BINS / (COMPARED + 1)] += 1.0;
        }
    }
    let expected = REPLICATES as f64 / BINS as f64;
    for (counts, (name, _)) in counts.iter().zip(watched) {
        let chi_square: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
        // 99.9 % point of chi-square with nine degrees of freedom; the seeds are fixed.
        assert!(chi_square < 27.9, "{name}: chi-square {chi_square}, ranks {counts:?}");
    }
}
