//! Each rule on both sides of its bound.

use constraint_race_physics::{PhysicsJudge, REASONS, RacePhysics};
use paddock_sdk::{Plugin, Race, Refusal, ScenarioBlock, ScenarioJudge, TrackType};

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
