//! Guests that return what the contract does not allow: each ends as bad output that names function, place and value.

use paddock::{
    domain::{lineup::Lineup, model::Posterior, scenario::RaceSetup},
    plugins::{ChainSession, Outcome, PluginFailure, PluginLimits, RefusalKind, SlateView},
};
use serde_json::Map;

use crate::{
    fixture::{Fixture, LISTS, block, bytes_of, data, draws, layout_of, ok_list, step_to},
    room::{Room, bad_output, context, history, race, scenarios},
};

type Place = (String, String, String);

fn judged(body: &str, items: &str) -> PluginFailure {
    let room = Room::new();
    let mut fixture = Fixture::constraint().with("scenario-judge.judge", body);
    fixture.items = items.to_owned();
    let plugin = room.admit(&fixture.build()).plugin;
    let mut session = plugin.open_scenario_judge(&context(), &race(), &Map::new()).unwrap();
    session.judge(&scenarios(4)).unwrap_err()
}

#[test]
fn a_length_past_the_guest_s_memory_is_bad_output() {
    for (pointer, length) in [("65536", "2000000000"), ("-1", "4"), ("65536", "-1")] {
        let list = ok_list(&format!("(i32.const {pointer})"), &format!("(i32.const {length})"));
        let (place, ..) = bad_output(judged(&list, ""));
        assert_eq!(place, "the encoded result");
    }
}

#[test]
fn more_bytes_than_one_call_may_hand_over_are_bad_output() {
    let room = Room::with(PluginLimits { transfer_bytes_max: 5_000, ..PluginLimits::default() });
    let fixture = Fixture::constraint()
        .with("scenario-judge.judge", ok_list(&format!("(i32.const {LISTS})"), "(i32.const 5001)"));
    let plugin = room.admit(&fixture.build()).plugin;
    let mut session = plugin.open_scenario_judge(&context(), &race(), &Map::new()).unwrap();
    let (place, ..) = bad_output(session.judge(&scenarios(4)).unwrap_err());
    assert_eq!(place, "the encoded result");
}

#[test]
fn as_many_bytes_as_one_call_may_hand_over_pass() {
    let limits = PluginLimits { transfer_bytes_max: 5_000, judge_block_scenarios: 5_001, ..PluginLimits::default() };
    let plugin = Room::with(limits).admit(&Fixture::constraint().build()).plugin;
    let mut session = plugin.open_scenario_judge(&context(), &race(), &Map::new()).unwrap();
    assert_eq!(session.judge(&scenarios(5_000)).unwrap().len(), 5_000);
    assert_eq!(bad_output(session.judge(&scenarios(5_001)).unwrap_err()).0, "the encoded result");
}

#[test]
fn a_race_of_more_entries_than_the_contract_allows_is_refused_before_the_guest_sees_it() {
    let plugin = Room::new().admit(&Fixture::generator().build()).plugin;
    let opened = |entries: u16| {
        let race = RaceSetup {
            driver: vec![None; entries.into()],
            team: vec![None; entries.into()],
            start: (1..=entries).collect(),
            ..race()
        };
        plugin.open_generator(&context(), &posterior("fixture-layout/1"), &race, &Map::new(), 7).map(|_| ())
    };
    opened(100).unwrap();
    let failure = opened(101).unwrap_err();
    assert!(matches!(failure.outcome, Outcome::Refused { kind: RefusalKind::UnsupportedInput, .. }), "{failure}");
}

#[test]
fn a_refusal_that_is_no_text_or_no_refusal_is_bad_output() {
    let no_text = crate::fixture::refuse(0, 2);
    assert_eq!(bad_output(judged(&no_text, &data(&[0xff, 0xfe]))).0, "the encoded result");
    let no_refusal = crate::fixture::refuse(9, 2);
    assert_eq!(bad_output(judged(&no_refusal, &data(b"ok"))).0, "the encoded result");
}

#[test]
fn lineups_are_judged_and_checked_likewise() {
    let room = Room::new();
    let slate = SlateView {
        driver: vec!["Ada Vale".into(), "Bo Reed".into(), "Cy Tan".into()],
        team: vec!["North".into(), "North".into(), String::new()],
        make: vec![String::new(); 3],
        salary_usd: vec![9_000, 8_000, 7_000],
        start: vec![1, 2, 3],
        salary_cap_usd: 16_000,
    };
    let lineups = [Lineup::new(vec![0, 2]), Lineup::new(vec![1, 2])];
    let plugin = room.admit(&Fixture::constraint().build()).plugin;
    let mut honest = plugin.open_lineup_judge(&context(), &slate, &Map::new()).unwrap();
    assert_eq!(honest.judge(&lineups).unwrap(), [0, 0]);
    assert_eq!(honest.judge(&[]).unwrap(), [0; 0]);
    let lying =
        Fixture::constraint().with("lineup-judge.judge", ok_list(&format!("(i32.const {LISTS})"), "(i32.const 1)"));
    let plugin = room.admit(&lying.build()).plugin;
    let mut session = plugin.open_lineup_judge(&context(), &slate, &Map::new()).unwrap();
    assert_eq!(bad_output(session.judge(&lineups).unwrap_err()).0, "length of verdicts");
}

const FINISH: [u16; 6] = [1, 2, 3, 3, 1, 2];
const LED: [u16; 6] = [6, 4, 0, 0, 10, 0];
const FASTEST: [u16; 6] = [5, 5, 0, 0, 9, 1];
const COMPLETED: [u16; 6] = [10, 10, 9, 0, 10, 10];
const RETIRED: [u8; 6] = [0, 0, 1, 1, 0, 0];

/// What a generator of two scenarios with this block ends with.
fn generated(scenarios: u32, columns: [&[u16]; 4], retired: &[u8]) -> Result<usize, PluginFailure> {
    let room = Room::new();
    let mut fixture = Fixture::generator();
    fixture.items = block(scenarios, columns, retired);
    let plugin = room.admit(&fixture.build()).plugin;
    let mut session =
        plugin.open_generator(&context(), &posterior("fixture-layout/1"), &race(), &Map::new(), 7).unwrap();
    session.generate(0, 2).map(|block| block.scenarios)
}

fn posterior(layout: &str) -> Posterior {
    Posterior { layout: layout.to_owned(), chains: 1, draws: 1, values: vec![0.5], ..Posterior::default() }
}

fn changed<T: Copy>(values: &[T], index: usize, value: T) -> Vec<T> {
    let mut values = values.to_vec();
    values[index] = value;
    values
}

#[test]
fn possible_races_pass() {
    assert_eq!(generated(2, [&FINISH, &LED, &FASTEST, &COMPLETED], &RETIRED).unwrap(), 2);
}

#[test]
fn impossible_races_are_bad_output_with_their_place() {
    let place =
        |columns: [&[u16]; 4], retired: &[u8]| -> Place { bad_output(generated(2, columns, retired).unwrap_err()) };
    let finish = |index, value| place([&changed(&FINISH, index, value), &LED, &FASTEST, &COMPLETED], &RETIRED);
    assert_eq!(finish(4, 3).0, "finish[1][1]");
    assert_eq!(finish(0, 0).0, "finish[0][0]");
    assert_eq!(finish(5, 4).1, "4");
    let led = place([&FINISH, &changed(&LED, 2, 1), &FASTEST, &COMPLETED], &RETIRED);
    assert_eq!((led.0.as_str(), led.1.as_str()), ("sum of laps-led[0]", "11"));
    assert_eq!(place([&FINISH, &LED, &changed(&FASTEST, 3, 65_535), &COMPLETED], &RETIRED).0, "sum of fastest-laps[1]");
    assert_eq!(place([&FINISH, &LED, &FASTEST, &changed(&COMPLETED, 1, 11)], &RETIRED).0, "laps-completed[0][1]");
    assert_eq!(place([&FINISH, &LED, &FASTEST, &COMPLETED], &changed(&RETIRED, 3, 2)).0, "retired[1][0]");
    assert_eq!(place([&FINISH, &LED[..5], &FASTEST, &COMPLETED], &RETIRED).0, "length of laps-led");
    assert_eq!(
        bad_output(generated(3, [&FINISH, &LED, &FASTEST, &COMPLETED], &RETIRED).unwrap_err()).0,
        "length of scenarios"
    );
}

#[test]
fn a_model_of_another_layout_is_refused_before_the_guest_sees_it() {
    let room = Room::new();
    let plugin = room.admit(&Fixture::generator().build()).plugin;
    let opened = plugin.open_generator(&context(), &posterior("other/2"), &race(), &Map::new(), 7);
    let failure = opened.map(|_| ()).unwrap_err();
    assert!(matches!(failure.outcome, Outcome::Refused { kind: RefusalKind::ForeignModel, .. }));
    assert!(failure.to_string().contains("other/2"), "{failure}");
}

fn chain(room: &Room, fixture: &Fixture) -> Result<ChainSession, PluginFailure> {
    let plugin = room.admit(&fixture.build()).plugin;
    plugin.open_chain(&context(), &history(), &Map::new(), 1, 0)
}

#[test]
fn an_honest_chain_runs_to_its_end() {
    let room = Room::new();
    let fixture = Fixture::calibrator().with("take-draws", draws(2, &[1.0, 2.0, 3.0, 4.0]));
    let mut session = chain(&room, &fixture).unwrap();
    assert_eq!((session.columns(), session.layout()[0].name.as_str()), (2, "strength"));
    assert_eq!(session.step(60).unwrap().iterations_done, 60);
    assert!(session.step(40).unwrap().is_done());
    assert_eq!(session.take_draws().unwrap(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(session.checkpoint().unwrap().len(), 16);
    let checkpoint = vec![0; 16];
    let plugin = room.admit(&fixture.build()).plugin;
    let mut restored = plugin.restore_chain(&context(), &history(), &Map::new(), 1, 0, &checkpoint).unwrap();
    assert_eq!(restored.step(30).unwrap().iterations_done, 30);
}

#[test]
fn a_clock_that_stands_still_runs_ahead_or_changes_its_total_is_bad_output() {
    let room = Room::new();
    let stepped = |body: &str| -> Place {
        let mut session = chain(&room, &Fixture::calibrator().with("chain.step", body)).unwrap();
        bad_output(session.step(10).and_then(|_| session.step(10)).unwrap_err())
    };
    let done = "(i32.add (global.get $done) (local.get 1))";
    assert_eq!(stepped(&step_to("(i32.const 0)", "(i32.const 100)")).0, "iterations-done");
    assert_eq!(stepped(&step_to("(i32.const 10)", "(i32.const 100)")).2, "11..=20 after this step");
    assert_eq!(stepped(&step_to("(i32.const 11)", "(i32.const 100)")).1, "11");
    assert_eq!(stepped(&step_to(done, "(i32.add (i32.const 100) (global.get $done))")).0, "iterations-total");
    assert_eq!(stepped(&step_to(done, "(i32.const 0)")).0, "iterations-total");
    assert_eq!(stepped(&step_to(done, "(i32.const 5)")).0, "iterations-done");
}

#[test]
fn draws_of_another_shape_or_not_finite_are_bad_output() {
    let room = Room::new();
    let taken = |body: String| -> Place {
        let mut session = chain(&room, &Fixture::calibrator().with("take-draws", body)).unwrap();
        session.step(3).unwrap();
        bad_output(session.take_draws().unwrap_err())
    };
    assert_eq!(taken(draws(2, &[1.0, 2.0, 3.0])).0, "length of values");
    assert_eq!(taken(draws(4, &[0.0; 8])).0, "draw-count");
    assert_eq!(taken(draws(2, &[1.0, 2.0, 3.0, f64::NAN])).0, "values[1][1]");
    assert_eq!(taken(draws(1, &[f64::INFINITY, 2.0])).0, "values[0][0]");
}

#[test]
fn a_layout_that_breaks_a_rule_is_bad_output() {
    let room = Room::new();
    let opened = |blocks: &[(&str, &[u32])]| -> Place {
        let fixture = Fixture::calibrator().with("chain.layout", layout_of(blocks));
        bad_output(chain(&room, &fixture).map(|_| ()).unwrap_err())
    };
    assert_eq!(opened(&[]).0, "length of layout");
    assert_eq!(opened(&[("Strength", &[2])]).0, "layout[0].name");
    assert_eq!(opened(&[("a", &[2]), ("a", &[])]).0, "layout[1].name");
    assert_eq!(opened(&[("a", &[0])]).1, "0");
    assert_eq!(opened(&[("a", &[100_000, 2])]).0, "columns of layout");
    assert_eq!(opened(&[("a", &[100_000; 20])]).0, "columns of layout");
}

#[test]
fn a_checkpoint_at_the_limit_passes_and_one_byte_more_does_not() {
    let room = Room::with(PluginLimits { checkpoint_bytes_max: 100, ..PluginLimits::default() });
    let taken = |length| {
        let fixture = Fixture::calibrator().with("chain.checkpoint", bytes_of(length));
        chain(&room, &fixture).unwrap().checkpoint()
    };
    assert_eq!(taken(100).unwrap().len(), 100);
    assert_eq!(bad_output(taken(101).unwrap_err()).0, "length of checkpoint");
}

#[test]
fn the_draws_of_a_chain_are_limited_in_all() {
    let taken_twice = |limit| {
        let room = Room::with(PluginLimits { chain_draw_bytes_max: limit, ..PluginLimits::default() });
        let fixture = Fixture::calibrator().with("take-draws", draws(1, &[1.0, 2.0]));
        let mut session = chain(&room, &fixture).unwrap();
        session.step(1).and_then(|_| session.take_draws()).unwrap();
        session.step(1).and_then(|_| session.take_draws())
    };
    assert_eq!(taken_twice(32).unwrap(), [1.0, 2.0]);
    assert_eq!(bad_output(taken_twice(31).unwrap_err()).1, "32");
}
