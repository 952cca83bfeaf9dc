//! How a guest's run can end, what it costs, and that no guest outlives its interrupt.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use paddock::{
    domain::interrupt::{Interrupt, StopReason},
    plugins::{
        CallContext, GuestLogLevel, LoadedPlugin, Outcome, PluginFailure, PluginLimits, RefusalKind,
        ScenarioJudgeSession,
    },
};
use serde_json::{Map, json};

use crate::{
    fixture::{Fixture, LISTS, data, ok_list, refuse},
    room::{Lines, Room, context, interrupted_by, race, scenarios, watched},
};

/// Logs a line, so that a test knows that it runs, and spins.
const LOG_AND_SPIN: &str =
    "(call $log (i32.const 0) (i32.const 0) (i32.const 1)) (loop $forever (br $forever)) (i32.const 0)";
const FOREVER: &str = "(loop $forever (br $forever)) (i32.const 0)";

fn judge(room: &Room, fixture: &Fixture, context: &CallContext) -> ScenarioJudgeSession {
    let plugin = room.admit(&fixture.build()).plugin;
    plugin.open_scenario_judge(context, &race(), &Map::new()).unwrap()
}

/// How judging ends for a constraint with this body.
fn outcome(body: &str, items: &str, context: &CallContext) -> PluginFailure {
    let room = Room::new();
    let mut fixture = Fixture::constraint().with("scenario-judge.judge", body);
    fixture.items = items.to_owned();
    judge(&room, &fixture, context).judge(&scenarios(1)).unwrap_err()
}

#[test]
fn an_honest_guest_judges_and_its_cost_is_accounted() {
    let room = Room::new();
    let mut session = judge(&room, &Fixture::constraint(), &context());
    assert_eq!(session.judge(&scenarios(5)).unwrap(), [0; 5]);
    let usage = session.usage();
    // Instantiation, open and judge.
    assert_eq!(usage.calls, 3);
    assert!(usage.fuel > 0 && usage.cpu_ms > 0.0);
    assert_eq!(usage.memory_peak_bytes, 16 * 65_536);
    // Nine bytes per entry and scenario go in and one verdict comes out; race and parameters went in before.
    assert!(usage.copied_bytes >= 5 * (3 * 9 + 1));
}

#[test]
fn fuel_repeats_exactly_in_fresh_guests() {
    let room = Room::new();
    let fuel = || {
        let mut session = judge(&room, &Fixture::constraint(), &context());
        session.judge(&scenarios(1000)).unwrap();
        session.usage().fuel
    };
    assert_eq!(fuel(), fuel());
}

#[test]
fn a_large_block_is_shown_in_several_calls() {
    let room = Room::with(PluginLimits { judge_block_scenarios: 10, ..PluginLimits::default() });
    let mut session = judge(&room, &Fixture::constraint(), &context());
    let before = session.usage().calls;
    assert_eq!(session.judge(&scenarios(25)).unwrap().len(), 25);
    assert_eq!(session.usage().calls - before, 3);
    assert_eq!(session.judge(&scenarios(0)).unwrap(), [0; 0]);
}

/// Cancels a guest that spins, and says how long it went on.
fn cancelled_after(plugin: &LoadedPlugin) -> Duration {
    let interrupt = Arc::new(Interrupt::new());
    let (context, running) = watched(&interrupt);
    let mut session = plugin.open_scenario_judge(&context, &race(), &Map::new()).unwrap();
    let guest = std::thread::spawn(move || {
        let failure = session.judge(&scenarios(1)).unwrap_err();
        (failure, Instant::now(), session)
    });
    running.recv().unwrap();
    let cancelled = Instant::now();
    interrupt.raise(StopReason::Cancelled);
    let (failure, stopped, mut session) = guest.join().unwrap();
    assert_eq!(failure.outcome, Outcome::Stopped(StopReason::Cancelled));
    assert!(failure.is_stop() && !failure.is_retryable());
    assert_eq!(session.judge(&scenarios(1)).unwrap_err(), failure, "it stays stopped");
    // The fuel of an interrupted guest is a lower bound; the CPU time is not.
    assert!(session.usage().cpu_ms > 0.0);
    stopped.duration_since(cancelled)
}

#[test]
fn an_endless_loop_is_cancelled_within_a_tenth_of_a_second() {
    let room = Room::new();
    let plugin = room.admit(&Fixture::constraint().with("scenario-judge.judge", LOG_AND_SPIN).build()).plugin;
    let mut latencies: Vec<_> = (0..9).map(|_| cancelled_after(&plugin)).collect();
    latencies.sort_unstable();
    println!("a spinning guest stopped after {latencies:?}");
    // The median, since the machine that runs the tests may be busy with others.
    assert!(latencies[4] < Duration::from_millis(100), "{latencies:?}");
}

#[test]
fn cancelling_one_guest_leaves_the_others_running() {
    let room = Room::new();
    let plugin = room.admit(&Fixture::constraint().with("scenario-judge.judge", LOG_AND_SPIN).build()).plugin;
    let spin = |interrupt: &Arc<Interrupt>| {
        let ((context, running), plugin) = (watched(interrupt), plugin.clone());
        let guest = std::thread::spawn(move || {
            let mut session = plugin.open_scenario_judge(&context, &race(), &Map::new()).unwrap();
            session.judge(&scenarios(1)).unwrap_err().outcome
        });
        running.recv().unwrap();
        guest
    };
    let (one, other) = (Arc::new(Interrupt::new()), Arc::new(Interrupt::new()));
    let (first, second) = (spin(&one), spin(&other));
    one.raise(StopReason::Cancelled);
    assert_eq!(first.join().unwrap(), Outcome::Stopped(StopReason::Cancelled));
    assert!(!second.is_finished());
    other.raise(StopReason::Draining);
    assert_eq!(second.join().unwrap(), Outcome::Stopped(StopReason::Draining));
}

#[test]
fn a_deadline_and_a_lost_lease_stop_a_guest_too() {
    let soon = Interrupt::with_deadline(Instant::now() + Duration::from_millis(200));
    let context = interrupted_by(&Arc::new(soon));
    assert_eq!(outcome(FOREVER, "", &context).to_problem().code, "deadline-exceeded");
    let room = Room::new();
    let interrupt = Arc::new(Interrupt::new());
    let mut session = judge(&room, &Fixture::constraint(), &interrupted_by(&interrupt));
    interrupt.raise(StopReason::LeaseLost);
    // Raised between two calls: the next one does not begin.
    assert_eq!(session.judge(&scenarios(1)).unwrap_err().outcome, Outcome::Stopped(StopReason::LeaseLost));
}

#[test]
fn bulk_memory_work_costs_fuel_by_the_byte() {
    let filling = format!(
        "(loop $again (memory.fill (i32.const {LISTS}) (i32.const 0) (i32.const 100000)) (br $again)) (i32.const 0)"
    );
    let started = Instant::now();
    let failure = outcome(&filling, "", &CallContext { fuel: 100_000_000, ..context() });
    assert!(matches!(failure.outcome, Outcome::OutOfFuel { .. }), "{failure}");
    // A thousand fills of 100 kB; at one unit per fill it would be a hundred million.
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn memory_is_limited_from_the_first_page_and_at_the_limit_it_is_not() {
    let limits = PluginLimits { memory_bytes_max: 32 * 65_536, ..PluginLimits::default() };
    let mut fixture = Fixture::constraint();
    fixture.pages = 32;
    Room::with(limits.clone()).admit(&fixture.build());
    fixture.pages = 33;
    let failure = Room::with(limits).runtime.admit(&fixture.build()).unwrap_err();
    assert!(matches!(failure.outcome, Outcome::OutOfMemory { wanted: 2_162_688, .. }), "{failure}");
}

#[test]
fn handles_are_limited_on_both_sides() {
    let opening = |handles: u32| {
        let room = Room::with(PluginLimits { handles_max: 10, ..PluginLimits::default() });
        let mut fixture = Fixture::constraint();
        // One more comes from what follows.
        fixture.open = format!("{} {}", "(drop (call $new (i32.const 7)))".repeat(handles as usize - 1), fixture.open);
        let plugin = room.admit(&fixture.build()).plugin;
        plugin.open_scenario_judge(&context(), &race(), &Map::new()).map(|_| ())
    };
    opening(10).unwrap();
    let failure = opening(11).unwrap_err();
    assert!(matches!(failure.outcome, Outcome::OutOfMemory { name: "handles_max", limit: 10, .. }), "{failure}");
}

#[test]
fn a_crash_names_its_trap_and_ends_the_session() {
    let room = Room::new();
    let fixture = Fixture::constraint().with("scenario-judge.judge", "(i32.div_u (i32.const 1) (i32.const 0))");
    let mut session = judge(&room, &fixture, &context());
    let failure = session.judge(&scenarios(1)).unwrap_err();
    let Outcome::Trapped { trap, .. } = &failure.outcome else { panic!("{failure}") };
    assert!(trap.contains("integer divide by zero"), "{trap}");
    assert_eq!(failure.to_problem().code, "plugin-trapped");
    assert_eq!(session.judge(&scenarios(1)).unwrap_err(), failure);
}

#[test]
fn a_refusal_is_shown_cleaned_and_does_not_end_the_session() {
    let room = Room::new();
    let text = "share must be below 1\u{1b}[31m";
    let mut fixture = Fixture::constraint().with("scenario-judge.judge", refuse(0, text.len()));
    fixture.items = data(text.as_bytes());
    let mut session = judge(&room, &fixture, &context());
    for _ in 0..2 {
        let failure = session.judge(&scenarios(1)).unwrap_err();
        let message = "share must be below 1\u{fffd}[31m".to_owned();
        assert_eq!(failure.outcome, Outcome::Refused { kind: RefusalKind::InvalidParams, message });
    }
}

#[test]
fn parameters_are_validated_before_the_guest_sees_them() {
    let room = Room::new();
    let plugin = room.admit(&Fixture::constraint().build()).plugin;
    assert_eq!(plugin.validate_params(&Map::new()).unwrap()["share"], json!(0.5));
    let bad = json!({"share": 3}).as_object().cloned().unwrap();
    assert_eq!(plugin.validate_params(&bad).unwrap_err().field.as_deref(), Some("/params/share"));
    let failure = plugin.open_scenario_judge(&context(), &race(), &bad).map(|_| ()).unwrap_err();
    assert!(matches!(failure.outcome, Outcome::Refused { kind: RefusalKind::InvalidParams, .. }));
}

#[test]
fn a_plugin_of_another_world_is_refused_by_name() {
    let room = Room::new();
    let plugin = room.admit(&Fixture::generator().build()).plugin;
    let failure = plugin.open_chain(&context(), &crate::room::history(), &Map::new(), 1, 0).map(|_| ()).unwrap_err();
    assert!(failure.to_string().contains("a generator, not a calibrator"), "{failure}");
}

/// Logs the text at [`LISTS`] at level warn until `lines` lines are out, then keeps everything.
fn logging(lines: u32, length: usize) -> String {
    format!(
        "(local $left i32) (local.set $left (i32.const {lines}))
         (loop $again (call $log (i32.const 2) (i32.const {LISTS}) (i32.const {length}))
           (local.set $left (i32.sub (local.get $left) (i32.const 1))) (br_if $again (local.get $left)))
         {}",
        ok_list("(i32.const 200000)", "(local.get 1)")
    )
}

#[test]
fn log_lines_reach_the_sink_until_their_limit() {
    let room = Room::new();
    let seen = Arc::new(Lines::default());
    let mut fixture = Fixture::constraint().with("scenario-judge.judge", logging(1_005, 5000));
    fixture.items = data(&[b'x'; 5000]);
    let mut session = judge(&room, &fixture, &CallContext { log: seen.clone(), ..context() });
    session.judge(&scenarios(1)).unwrap();
    drop(session);
    let lines = seen.lines.lock().unwrap();
    assert_eq!(lines.len(), 1000);
    assert_eq!((lines[0].0, lines[0].1.len()), (GuestLogLevel::Warn, 4096));
    assert_eq!(*seen.dropped.lock().unwrap(), 5);
}

#[test]
fn logging_costs_fuel_by_the_byte() {
    let fuel = |length: usize| {
        let room = Room::new();
        let mut fixture = Fixture::constraint().with("scenario-judge.judge", logging(1, length));
        fixture.items = data(&[b'x'; 5000]);
        let mut session = judge(&room, &fixture, &context());
        session.judge(&scenarios(1)).unwrap();
        session.usage().fuel
    };
    assert_eq!(fuel(5000) - fuel(1), 4999);
}

#[test]
fn readiness_runs_a_guest() {
    Room::new().runtime.check().unwrap();
}
