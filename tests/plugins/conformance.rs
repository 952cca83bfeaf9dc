//! The conformance suite: the built-in plugins pass, and for each check there is a plugin that fails it and no other.

use paddock::plugins::{
    CheckName, CheckVerdict, ConformanceLimits, ConformanceOptions, ConformanceReport, PluginLimits,
};

use crate::{
    fixture::{
        BLOCK, CONSTRAINT, Fixture, LISTS, MODEL_PLUGIN, RESULT, Says, data, draws, ok_handle, ok_list, refuse, step_to,
    },
    room::Room,
};

/// The layout of the bundled model.
const LAYOUT: Option<&str> = Some("attrition-plackett-luce/1");
/// First bytes of a checkpoint of [`calibrator`].
const MARK: u32 = 0x5041_4444;
/// A second region for what functions return.
const ZEROS: u32 = 131_072;

fn report_in(room: &Room, wasm: &[u8], options: &ConformanceOptions) -> ConformanceReport {
    room.admit(wasm).plugin.conformance(options).unwrap()
}

fn report(wasm: &[u8]) -> ConformanceReport {
    report_in(&Room::new(), wasm, &ConformanceOptions::default())
}

fn failed(report: &ConformanceReport) -> Vec<CheckName> {
    report.failed().map(|check| check.name).collect()
}

/// A generator that turns the order by one place with each scenario.
fn generator() -> Fixture {
    let mut fixture = Fixture::generator_that_says(&Says { layout: LAYOUT, ..MODEL_PLUGIN });
    fixture.items = "(global $n (mut i32) (i32.const 0))".to_owned();
    // The length of the race's start positions, behind the model and the rest of the race.
    fixture.open = format!("(global.set $n (i32.load offset=60 (local.get 0))) {}", ok_handle("new"));
    fixture.with("generator.generate", turning("(i32.wrap_i64 (local.get 1))"))
}

/// Body of a `generate` that begins with this much of a turn.
fn turning(first: &str) -> String {
    let lists: String = [LISTS, ZEROS, ZEROS, ZEROS, ZEROS]
        .into_iter()
        .zip((8..).step_by(8))
        .map(|(list, offset)| {
            format!(
                "(i32.store offset={offset} (i32.const {BLOCK}) (i32.const {list}))
                 (i32.store offset={} (i32.const {BLOCK}) (local.get $cells))",
                offset + 4
            )
        })
        .collect();
    format!(
        "(local $cell i32) (local $cells i32)
         (local.set $cells (i32.mul (local.get 2) (global.get $n)))
         (block $done (loop $next
           (br_if $done (i32.ge_u (local.get $cell) (local.get $cells)))
           (i32.store16 (i32.add (i32.const {LISTS}) (i32.shl (local.get $cell) (i32.const 1)))
             (i32.add (i32.const 1) (i32.rem_u
               (i32.add (i32.add (local.get $cell) {first}) (i32.div_u (local.get $cell) (global.get $n)))
               (global.get $n))))
           (local.set $cell (i32.add (local.get $cell) (i32.const 1))) (br $next)))
         (i32.store8 (i32.const {BLOCK}) (i32.const 0))
         (i32.store offset=4 (i32.const {BLOCK}) (local.get 2)) {lists} (i32.const {BLOCK})"
    )
}

/// A calibrator of 100 iterations with a draw each, `[number, number]`, that can be checkpointed at any time.
fn calibrator() -> Fixture {
    let mut fixture = Fixture::calibrator();
    fixture.items = "(global $taken (mut i32) (i32.const 0))".to_owned();
    fixture.restore = Some(format!(
        "(local $at i32) (local.set $at (i32.load offset=124 (local.get 0)))
         (if (result i32) (i32.and
             (i32.eq (i32.load offset=128 (local.get 0)) (i32.const 12))
             (i32.eq (i32.load (local.get $at)) (i32.const {MARK})))
           (then
             (global.set $done (i32.load offset=4 (local.get $at)))
             (global.set $taken (i32.load offset=8 (local.get $at))) {})
           (else {}))",
        ok_handle("new"),
        refuse(2, 0),
    ));
    let done = "(i32.add (global.get $done) (local.get 1))";
    let most = format!("(select {done} (i32.const 100) (i32.lt_u {done} (i32.const 100)))");
    fixture
        .with("chain.step", step_to(&most, "(i32.const 100)"))
        .with("chain.take-draws", numbered_draws("(f64.convert_i32_u (global.get $taken))"))
        .with("chain.checkpoint", checkpoint("(global.get $taken)"))
}

/// Body of a `take-draws` whose values are this expression.
fn numbered_draws(value: &str) -> String {
    format!(
        "(local $at i32) (local $count i32)
         (local.set $at (i32.const {LISTS}))
         (local.set $count (i32.sub (global.get $done) (global.get $taken)))
         (block $done (loop $next
           (br_if $done (i32.ge_u (global.get $taken) (global.get $done)))
           (f64.store (local.get $at) {value}) (f64.store offset=8 (local.get $at) {value})
           (local.set $at (i32.add (local.get $at) (i32.const 16)))
           (global.set $taken (i32.add (global.get $taken) (i32.const 1))) (br $next)))
         (i32.store (i32.const {RESULT}) (local.get $count))
         (i32.store offset=4 (i32.const {RESULT}) (i32.const {LISTS}))
         (i32.store offset=8 (i32.const {RESULT}) (i32.shl (local.get $count) (i32.const 1))) (i32.const {RESULT})"
    )
}

/// Body of a `checkpoint` with this number of draws taken.
fn checkpoint(taken: &str) -> String {
    format!(
        "(i32.store (i32.const {ZEROS}) (i32.const {MARK}))
         (i32.store offset=4 (i32.const {ZEROS}) (global.get $done))
         (i32.store offset=8 (i32.const {ZEROS}) {taken})
         (i32.store (i32.const {RESULT}) (i32.const {ZEROS}))
         (i32.store offset=4 (i32.const {RESULT}) (i32.const 12)) (i32.const {RESULT})"
    )
}

fn judge(body: &str) -> Fixture {
    Fixture::constraint().with("scenario-judge.judge", body)
}

/// A plugin that breaks this promise and keeps the others; `None` where the sandbox leaves it no way to.
fn breaking(name: CheckName) -> Option<Vec<Fixture>> {
    let spin = "(loop $forever (br $forever)) (i32.const 0)";
    Some(match name {
        CheckName::Describe => {
            let mut fixture = Fixture::constraint();
            // Another version digit each time it is asked.
            fixture.describe = format!(
                "(i32.store8 (i32.const 16391) (i32.add (i32.const 49) (global.get $done)))
                 (global.set $done (i32.add (global.get $done) (i32.const 1))) {}",
                fixture.describe
            );
            vec![fixture]
        }
        CheckName::ParamsDefaults => {
            let schema = r#"{"type":"object","additionalProperties":false,"required":["share"],"properties":{"share":{"type":"number"}}}"#;
            let mut refusing = Fixture::constraint();
            refusing.open = refuse(0, 0);
            vec![refusing, Fixture::constraint_that_says(&Says { schema, ..CONSTRAINT })]
        }
        CheckName::ParamsSchema => {
            let lax = r#"{"type":"object","properties":{"share":{"type":"number","default":0.5}}}"#;
            let vague = r#"{"type":"object","additionalProperties":false,"properties":{"share":{"default":0.5}}}"#;
            // Crashes where the parameters are not as long as {"share":0.5}.
            let mut fragile = Fixture::constraint_that_says(&Says { judges: true, ..CONSTRAINT });
            fragile.open =
                format!("(if (i32.eq (local.get 9) (i32.const 11)) (then unreachable)) {}", ok_handle("new"));
            let mut found: Vec<_> =
                [lax, vague].map(|schema| Fixture::constraint_that_says(&Says { schema, ..CONSTRAINT })).into();
            found.push(fragile);
            found
        }
        CheckName::Runs => {
            vec![judge("unreachable"), judge(&refuse(1, 0)), generator().with("generate", "unreachable")]
        }
        CheckName::Output => {
            let mut wrong = judge(&ok_list(&format!("(i32.const {LISTS})"), "(local.get 1)"));
            wrong.items = data(&[9]);
            vec![
                wrong,
                generator().with("generate", format!("(i32.const {ZEROS})")),
                calibrator().with("chain.step", step_to("(i32.const 7)", "(i32.const 100)")),
            ]
        }
        CheckName::Finite => vec![
            calibrator().with("take-draws", numbered_draws("(f64.const nan)")),
            calibrator().with("take-draws", draws(1, &[1.0, f64::INFINITY])),
        ],
        // Fresh guests have nothing to tell them apart: no clock, no randomness, no address of the host.
        CheckName::Deterministic => return None,
        CheckName::BlockSplit => {
            let mut counting = judge(&format!(
                "(i32.store8 (i32.const {LISTS}) (i32.and (global.get $done) (i32.const 1)))
                 (global.set $done (i32.add (global.get $done) (i32.const 1))) {}",
                ok_list(&format!("(i32.const {LISTS})"), "(local.get 1)")
            ));
            counting.items = data(&[0]);
            vec![counting, generator().with("generate", turning("(i32.const 0)"))]
        }
        CheckName::Checkpoint => vec![calibrator().with("checkpoint", checkpoint("(i32.const 0)"))],
        CheckName::ForeignCheckpoint => {
            let mut trusting = calibrator();
            let restore =
                trusting.restore.clone().unwrap().replace("(i32.const 12)", "(i32.load offset=128 (local.get 0))");
            let restore = restore.replace(&format!("(i32.const {MARK})"), "(i32.load (local.get $at))");
            trusting.restore = Some(restore);
            vec![trusting]
        }
        CheckName::Fuel => vec![judge(spin)],
        CheckName::Memory => vec![judge("(loop $again (drop (memory.grow (i32.const 16))) (br $again)) (i32.const 0)")],
        CheckName::Time => vec![judge(spin)],
    })
}

fn limits_for(name: CheckName) -> PluginLimits {
    let conformance = match name {
        CheckName::Time => {
            ConformanceLimits { fuel_per_session: u64::MAX / 2, wall_s: 1, ..ConformanceLimits::default() }
        }
        _ => ConformanceLimits { fuel_per_session: 100_000_000, ..ConformanceLimits::default() },
    };
    PluginLimits { conformance, ..PluginLimits::default() }
}

#[test]
fn a_plugin_that_breaks_one_promise_fails_that_check_and_no_other() {
    for name in CheckName::ALL {
        for fixture in breaking(name).into_iter().flatten() {
            let room = Room::with(limits_for(name));
            let found = report_in(&room, &fixture.build(), &ConformanceOptions::default());
            assert_eq!(failed(&found), [name], "{found:#?}");
            let check = found.check(name).unwrap();
            assert!(!check.found.is_empty() && check.action.is_some(), "{check:?}");
        }
    }
}

#[test]
fn honest_plugins_of_every_world_pass() {
    for fixture in [Fixture::constraint(), generator(), calibrator()] {
        let found = report(&fixture.build());
        assert!(found.passed, "{found:#?}");
        assert_eq!(found.checks.len(), CheckName::ALL.len());
        assert_eq!(found.check(CheckName::Deterministic).unwrap().verdict, CheckVerdict::Passed);
        assert!(found.usage.calls > 0 && found.usage.fuel > 0);
    }
}

#[test]
fn the_built_in_plugins_pass_with_any_seed() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/components");
    let room = Room::new();
    let mut seen = 0;
    for file in std::fs::read_dir(directory).unwrap() {
        let wasm = std::fs::read(file.unwrap().path()).unwrap();
        for seed in [0, 20] {
            let found = report_in(&room, &wasm, &ConformanceOptions { seed, ..ConformanceOptions::default() });
            println!("{}: {:.0} ms, {} units of fuel", found.plugin, found.wall_ms, found.usage.fuel);
            assert!(found.passed, "{found:#?}");
        }
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn one_check_can_be_repeated_alone_as_the_report_says() {
    let room = Room::new();
    let wasm = breaking(CheckName::BlockSplit).unwrap()[0].build();
    let all = report_in(&room, &wasm, &ConformanceOptions { seed: 3, ..ConformanceOptions::default() });
    let check = all.check(CheckName::BlockSplit).unwrap();
    assert_eq!(check.reproduce, "paddock plugin check FILE --only block-split --seed 3");
    let options = ConformanceOptions { only: vec![CheckName::BlockSplit], seed: 3, ..ConformanceOptions::default() };
    let alone = report_in(&room, &wasm, &options);
    assert_eq!(alone.checks.len(), 1);
    assert_eq!((&alone.checks[0].found, alone.passed), (&check.found, false));
}

#[test]
fn a_generator_of_a_layout_without_a_model_is_told_how_to_get_one() {
    let found = report(&Fixture::generator().build());
    assert!(found.passed);
    let check = found.check(CheckName::Output).unwrap();
    assert_eq!(check.verdict, CheckVerdict::NotApplicable);
    assert!(check.found.contains("--model-out"), "{}", check.found);
}

#[test]
fn a_report_survives_a_round_trip_as_json() {
    let found = report(&Fixture::constraint().build());
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<ConformanceReport>(&text).unwrap(), found);
}

#[test]
fn a_session_at_its_fuel_limit_passes_and_one_past_it_does_not() {
    let wasm = generator().build();
    let with_fuel = |fuel_per_session: u64, only: CheckName| {
        let conformance = ConformanceLimits { fuel_per_session, ..ConformanceLimits::default() };
        let room = Room::with(PluginLimits { conformance, ..PluginLimits::default() });
        report_in(&room, &wasm, &ConformanceOptions { only: vec![only], ..ConformanceOptions::default() })
    };
    // This check makes one whole run in one session.
    let found = with_fuel(ConformanceLimits::default().fuel_per_session, CheckName::Deterministic);
    let fuel = found.check(CheckName::Deterministic).unwrap().usage.fuel;
    assert!(with_fuel(fuel, CheckName::Fuel).passed);
    // The engine looks at the fuel at loops and calls, so a session may overdraw by a few instructions.
    assert_eq!(failed(&with_fuel(fuel - 100, CheckName::Fuel)), [CheckName::Fuel]);
}
