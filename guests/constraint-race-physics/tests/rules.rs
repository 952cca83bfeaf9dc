//! Each rule on both sides of its bound.

use constraint_race_physics::{Params, PhysicsJudge, REASONS, RacePhysics, Row, Rules};
use paddock_sdk::{Plugin, Race, Refusal, Rng, ScenarioBlock, ScenarioJudge, TrackType};

const LAPS: u16 = 100;
/// Start position of each entry; it finishes where [`plausible`] says.
const START: [u16; 10] = [6, 7, 8, 9, 10, 1, 2, 3, 4, 5];

fn race() -> Race {
    Race {
        track_type: TrackType::Short,
        race_laps: LAPS,
        driver: (0..10).collect(),
        team: vec![0; 10],
        start: START.to_vec(),
    }
}

/// A race that breaks no rule: entry k finishes k + 1.
fn plausible() -> ScenarioBlock {
    ScenarioBlock {
        scenarios: 1,
        finish: (1..=10).collect(),
        laps_led: vec![60, 40, 0, 0, 0, 0, 0, 0, 0, 0],
        fastest_laps: vec![30, 30, 20, 0, 0, 0, 0, 0, 0, 0],
        laps_completed: vec![100, 100, 100, 100, 99, 99, 99, 60, 50, 41],
        retired: vec![0, 0, 0, 0, 0, 0, 0, 1, 1, 1],
    }
}

fn reason(params: &str, change: impl FnOnce(&mut ScenarioBlock)) -> Option<&'static str> {
    let judge = PhysicsJudge::open(race(), params).unwrap();
    let mut block = plausible();
    change(&mut block);
    let verdict = judge.judge(&block).unwrap()[0];
    (verdict > 0).then(|| REASONS[usize::from(verdict) - 1].code)
}

#[test]
fn a_plausible_race_is_kept() {
    assert_eq!(reason("{}", |_| ()), None);
}

#[test]
fn each_hard_rule_holds_on_both_sides() {
    assert_eq!(reason("{}", |race| race.laps_completed[1] = 40), None);
    assert_eq!(reason("{}", |race| race.laps_completed[1] = 39), Some("led-past-completed"));
    assert_eq!(reason("{}", |race| race.laps_completed[2] = 20), None);
    assert_eq!(reason("{}", |race| race.laps_completed[2] = 19), Some("fastest-past-completed"));
    assert_eq!(reason("{}", |race| race.laps_led[0] = 61), None);
    assert_eq!(reason("{}", |race| race.laps_led[0] = 62), Some("laps-led-total"));
    assert_eq!(reason("{}", |race| race.laps_led[0] = 59), None);
    assert_eq!(reason("{}", |race| race.laps_led[0] = 58), Some("laps-led-total"));
    assert_eq!(reason("{}", |race| race.fastest_laps[3] = 20), None);
    assert_eq!(reason("{}", |race| race.fastest_laps[3] = 21), Some("fastest-laps-total"));
    assert_eq!(reason("{}", |race| race.laps_completed[0] = 99), Some("winner-short"));
}

#[test]
fn each_soft_rule_holds_on_both_sides() {
    assert_eq!(reason(r#"{"retired_share_max": 0.3}"#, |_| ()), None);
    assert_eq!(reason(r#"{"retired_share_max": 0.29}"#, |_| ()), Some("too-many-retired"));
    assert_eq!(reason(r#"{"led_share_max": 0.6}"#, |_| ()), None);
    assert_eq!(reason(r#"{"led_share_max": 0.59}"#, |_| ()), Some("one-car-led"));
    assert_eq!(reason(r#"{"fastest_share_max": 0.3}"#, |_| ()), None);
    assert_eq!(reason(r#"{"fastest_share_max": 0.29}"#, |_| ()), Some("one-car-fastest"));
    // Everybody moves by five.
    assert_eq!(reason(r#"{"moves_min": 5}"#, |_| ()), None);
    assert_eq!(reason(r#"{"moves_min": 5.1}"#, |_| ()), Some("too-few-moves"));
    assert_eq!(reason(r#"{"moves_max": 5}"#, |_| ()), None);
    assert_eq!(reason(r#"{"moves_max": 4.9}"#, |_| ()), Some("too-many-moves"));
    let winner_did_not_lead = |race: &mut ScenarioBlock| race.laps_led = vec![0, 100, 0, 0, 0, 0, 0, 0, 0, 0];
    let lenient = r#"{"led_share_max": 1, "winner_leads": false}"#;
    let strict = r#"{"led_share_max": 1, "winner_leads": true}"#;
    assert_eq!(reason(lenient, winner_did_not_lead), None);
    assert_eq!(reason(strict, winner_did_not_lead), Some("winner-never-led"));
}

#[test]
fn a_verdict_does_not_depend_on_the_other_scenarios_of_the_block() {
    let judge = PhysicsJudge::open(race(), "{}").unwrap();
    let (kept, mut vetoed) = (plausible(), plausible());
    vetoed.laps_completed[0] = 99;
    let mut both = kept.clone();
    both.scenarios = 2;
    both.finish.extend(&vetoed.finish);
    both.laps_led.extend(&vetoed.laps_led);
    both.fastest_laps.extend(&vetoed.fastest_laps);
    both.laps_completed.extend(&vetoed.laps_completed);
    both.retired.extend(&vetoed.retired);
    assert_eq!(judge.judge(&both).unwrap(), [0, judge.judge(&vetoed).unwrap()[0]]);
}

#[test]
fn contradictory_bounds_and_foreign_blocks_are_refused() {
    let contradictory = PhysicsJudge::open(race(), r#"{"moves_min": 9, "moves_max": 8}"#);
    assert!(matches!(contradictory, Err(Refusal::InvalidParams(_))));
    assert!(matches!(PhysicsJudge::open(race(), r#"{"moves": 9}"#), Err(Refusal::InvalidParams(_))));
    let judge = PhysicsJudge::open(race(), "{}").unwrap();
    let mut short = plausible();
    short.finish.pop();
    assert!(matches!(judge.judge(&short), Err(Refusal::UnsupportedInput(_))));
}

#[test]
fn the_schema_is_json_and_its_defaults_are_the_defaults() {
    let schema: serde_json::Value = serde_json::from_str(&RacePhysics::describe().params_schema).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    let defaults: serde_json::Map<_, _> =
        properties.iter().map(|(name, property)| (name.clone(), property["default"].clone())).collect();
    let parsed: constraint_race_physics::Params = serde_json::from_value(defaults.into()).unwrap();
    assert_eq!(parsed, constraint_race_physics::Params::default());
}

/// The rules as they are written, entry by entry and in fractions.
fn written_out(row: &Row<'_>, race_laps: u16, params: &Params) -> u8 {
    let n = row.start.len();
    let sum = |column: &[u16]| column.iter().map(|value| f64::from(*value)).sum::<f64>();
    let top = |column: &[u16]| f64::from(*column.iter().max().unwrap());
    let past = |column: &[u16]| column.iter().zip(row.laps_completed).any(|(laps, completed)| laps > completed);
    let winner = row.finish.iter().position(|finish| *finish == 1).unwrap();
    let (laps, entries) = (f64::from(race_laps), n as f64);
    let moves = (0..n).map(|entry| f64::from(row.start[entry].abs_diff(row.finish[entry]))).sum::<f64>() / entries;
    let broken = [
        past(row.laps_led),
        past(row.fastest_laps),
        (sum(row.laps_led) - laps).abs() > 1.0,
        sum(row.fastest_laps) > laps,
        row.laps_completed[winner] < race_laps,
        params.winner_leads && row.laps_led[winner] == 0,
        row.retired.iter().map(|out| f64::from(*out)).sum::<f64>() > params.retired_share_max * entries,
        top(row.laps_led) > params.led_share_max * laps,
        top(row.fastest_laps) > params.fastest_share_max * laps,
        moves < params.moves_min,
        moves > params.moves_max,
    ];
    broken.iter().position(|is_broken| *is_broken).map_or(0, |index| index as u8 + 1)
}

#[test]
fn eight_entries_at_a_time_and_whole_numbers_judge_as_the_rules_are_written() {
    let mut rng = Rng::for_stream(7, 7);
    let mut seen = [0; REASONS.len() + 1];
    for number in 0..200_000 {
        let n = 2 + rng.below(44) as usize;
        let race_laps = 1 + rng.below(400) as u16;
        let mut shuffled = || {
            let mut order: Vec<u16> = (1..=n as u16).collect();
            (1..n).rev().for_each(|last| order.swap(last, rng.below(last as u64 + 1) as usize));
            order
        };
        let (start, finish) = (shuffled(), shuffled());
        let winner = finish.iter().position(|place| *place == 1).unwrap();
        let mut share = || {
            let mut laps = vec![0; n];
            let first = rng.below(u64::from(race_laps) + 1) as u16;
            laps[winner] = first;
            laps[rng.below(n as u64) as usize] += race_laps - first;
            laps
        };
        let (laps_led, fastest_laps) = (share(), share());
        let is_short = u16::from(number % 2 == 0);
        let laps_completed: Vec<u16> = (0..n).map(|_| race_laps - rng.below(2) as u16 * is_short).collect();
        let retired: Vec<u8> = (0..n).map(|_| rng.below(2) as u8 * (rng.below(2) as u8)).collect();
        let tenth = |below: u64, rng: &mut Rng| rng.below(below) as f64 / 10.0;
        let params = Params {
            retired_share_max: tenth(11, &mut rng),
            led_share_max: tenth(11, &mut rng),
            fastest_share_max: tenth(11, &mut rng),
            moves_min: tenth(100, &mut rng),
            moves_max: 10.0 + tenth(100, &mut rng),
            winner_leads: rng.below(2) == 1,
        };
        let row = Row {
            start: &start,
            finish: &finish,
            laps_led: &laps_led,
            fastest_laps: &fastest_laps,
            laps_completed: &laps_completed,
            retired: &retired,
        };
        let verdict = Rules::new(race_laps, n, &params).first_broken(&row);
        assert_eq!(verdict, written_out(&row, race_laps, &params), "{row:?} {race_laps} {params:?}");
        seen[usize::from(verdict)] += 1;
    }
    // No random race has fastest laps past the distance; every other rule is met.
    assert!(seen.iter().filter(|count| **count > 20).count() >= REASONS.len() - 1, "{seen:?}");
}
