//! The likelihood against its definition, and the posterior's gradient against finite differences.

use crate::made_up::{self, Effects};
use attrition_model::{GROUP_COUNT, Layout};
use calibrator_attrition::likelihood::{Likelihood, Tables};
use calibrator_attrition::posterior::AttritionPosterior;
use calibrator_attrition::{Params, Races};
use paddock_sdk::nuts::Density;
use paddock_sdk::{History, Rng};

const DRIVERS: u32 = 14;
/// More than one batch of eight, of different sizes, one of two cars and one of a whole number of rows.
const FIELDS: [usize; 11] = [2, 3, 14, 7, 8, 9, 12, 4, 13, 5, 14];

fn random_effects(rng: &mut Rng) -> Effects {
    let mut normals = |count: usize| (0..count).map(|_| 0.7 * rng.normal()).collect::<Vec<f64>>();
    Effects {
        start: std::array::from_fn(|_| normals(1)[0]),
        driver: normals(DRIVERS as usize),
        team: normals(DRIVERS.div_ceil(3) as usize),
        driver_group: normals(DRIVERS as usize * GROUP_COUNT),
    }
}

fn weighted_history(rng: &mut Rng) -> (History, Effects) {
    let effects = random_effects(rng);
    let mut history = made_up::history(&FIELDS, DRIVERS, &effects, rng);
    for weight in &mut history.weight {
        *weight = 0.1 + 0.9 * rng.uniform();
    }
    (history, effects)
}

#[test]
fn it_is_the_definitions_log_likelihood() {
    for seed in 0..20 {
        let mut rng = Rng::for_stream(seed, 0);
        let (history, _) = weighted_history(&mut rng);
        let effects = random_effects(&mut rng);
        let races = Races::new(&history).expect("a valid history");
        let (mut worth, mut slope) = (Tables::new(&races), Tables::new(&races));
        for (slot, worth) in worth.driver_group.iter_mut().take(effects.driver_group.len()).enumerate() {
            *worth = effects.driver[slot / GROUP_COUNT] + effects.driver_group[slot];
        }
        worth.team[..effects.team.len()].copy_from_slice(&effects.team);
        worth.start = effects.start;
        let found = Likelihood::new(races).evaluate(&mut worth, &mut slope);
        let expected = made_up::log_likelihood(&history, &effects);
        assert!((found - expected).abs() < 1e-10 * expected.abs(), "seed {seed}: {found} is not {expected}");
    }
}

#[test]
fn the_probabilities_of_all_orders_add_up_to_one() {
    let mut rng = Rng::for_stream(4, 0);
    let effects = random_effects(&mut rng);
    let mut history = made_up::history(&[4], DRIVERS, &effects, &mut rng);
    let mut total = 0.0;
    for order in orders_of_four() {
        history.finish = order.to_vec();
        let races = Races::new(&history).expect("a valid history");
        let (mut worth, mut slope) = (Tables::new(&races), Tables::new(&races));
        worth.team[..effects.team.len()].copy_from_slice(&effects.team);
        worth.start = effects.start;
        total += Likelihood::new(races).evaluate(&mut worth, &mut slope).exp();
    }
    assert!((total - 1.0).abs() < 1e-12, "{total}");
}

fn orders_of_four() -> Vec<[u16; 4]> {
    let mut orders = Vec::new();
    for code in 0..256_u16 {
        let order = [code % 4 + 1, code / 4 % 4 + 1, code / 16 % 4 + 1, code / 64 + 1];
        if (1..=4).all(|place| order.contains(&place)) {
            orders.push(order);
        }
    }
    assert_eq!(orders.len(), 24);
    orders
}

#[test]
fn the_gradient_is_the_slope_of_the_density() {
    for seed in 0..4 {
        let mut rng = Rng::for_stream(seed, 1);
        let (history, _) = weighted_history(&mut rng);
        let prior = Params::default().prior();
        let mut posterior = AttritionPosterior::new(Races::new(&history).expect("a valid history"), prior);
        let dimension = posterior.dimension();
        let position: Vec<f64> = (0..dimension).map(|_| 0.5 * rng.normal()).collect();
        let (mut gradient, mut unused) = (vec![f64::NAN; dimension], vec![0.0; dimension]);
        posterior.log_density(&position, &mut gradient);
        for coordinate in 0..dimension {
            let step = 1e-5;
            let mut density_at = |offset: f64| {
                let mut moved = position.clone();
                moved[coordinate] += offset;
                posterior.log_density(&moved, &mut unused)
            };
            let difference = (density_at(step) - density_at(-step)) / (2.0 * step);
            let off = (difference - gradient[coordinate]).abs();
            assert!(off < 1e-6 * (1.0 + difference.abs()), "coordinate {coordinate} of seed {seed}: {off}");
        }
    }
}

#[test]
fn a_worth_out_of_bounds_is_impossible_and_not_a_number_never() {
    let mut rng = Rng::for_stream(9, 9);
    let (history, _) = weighted_history(&mut rng);
    let mut posterior =
        AttritionPosterior::new(Races::new(&history).expect("a valid history"), Params::default().prior());
    let layout: Layout = posterior.layout();
    let mut position = vec![0.0; posterior.dimension()];
    let mut gradient = position.clone();
    let driver = posterior.dimension() - layout.driver_count * GROUP_COUNT - 1;
    // The sd is e^0 = 1, so z is the worth: 50 is the last one allowed.
    for (worth, is_possible) in [(50.0, true), (-50.0, true), (50.001, false), (-50.001, false), (1e300, false)] {
        position[driver] = worth;
        let density = posterior.log_density(&position, &mut gradient);
        assert_eq!(density.is_finite(), is_possible, "{worth}");
        assert!(!density.is_nan());
    }
}
