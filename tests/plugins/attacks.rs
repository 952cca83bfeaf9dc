//! Every attack of `guests/hostile`, each by the test of its name: how it ends, and that it says who did what where.
//!
//! An attack without a test does not compile: see the end of this file.

use std::{
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use hostile::{Attack, End};
use paddock::{
    domain::{model::Posterior, plugin::World, problem::Problem, scenario::RaceSetup},
    plugins::{Admitted, CallContext, LoadedPlugin, Outcome, PluginFailure, PluginLimits, Rejection},
};
use serde_json::Map;

use crate::room::{Lines, Room, context, history, race, scenarios};

/// Fuel for what runs out of it: a few milliseconds of looping, and more than a fill of 400 MiB takes.
const FUEL: u64 = 1_000_000_000;

fn attack(name: &str) -> &'static Attack {
    Attack::named(name).unwrap_or_else(|| panic!("no attack is called {name}"))
}

/// Lets a plugin do what a job would have it do.
fn run(plugin: &LoadedPlugin, context: &CallContext) -> Result<Vec<u8>, PluginFailure> {
    match plugin.description().world {
        World::Constraint => judge(plugin, context, &race()),
        World::Generator => generate(plugin, context).map(|()| Vec::new()),
        World::Calibrator => fit(plugin, context).map(|()| Vec::new()),
    }
}

fn judge(plugin: &LoadedPlugin, context: &CallContext, race: &RaceSetup) -> Result<Vec<u8>, PluginFailure> {
    plugin.open_scenario_judge(context, race, &Map::new())?.judge(&scenarios(3))
}

fn generate(plugin: &LoadedPlugin, context: &CallContext) -> Result<(), PluginFailure> {
    let layout = plugin.description().posterior_layout.clone().unwrap();
    let model = Posterior { layout, chains: 1, draws: 1, values: vec![0.5], ..Posterior::default() };
    plugin.open_generator(context, &model, &race(), &Map::new(), 7)?.generate(0, 3).map(|_| ())
}

/// Most of a chain, a checkpoint, and the rest in a guest of its own.
fn fit(plugin: &LoadedPlugin, context: &CallContext) -> Result<(), PluginFailure> {
    let history = history();
    let mut chain = plugin.open_chain(context, &history, &Map::new(), 1, 0)?;
    let progress = chain.step(90)?;
    let taken = chain.take_draws()?.len();
    let checkpoint = chain.checkpoint()?;
    let mut chain = plugin.restore_chain(context, &history, &Map::new(), 1, 0, &checkpoint)?;
    chain.resume_at(progress.iterations_done, progress.iterations_total, taken);
    while !chain.step(60)?.is_done() {
        chain.take_draws()?;
    }
    Ok(())
}

/// What became of an attack.
struct Met {
    failure: PluginFailure,
    problem: Problem,
}

fn met(name: &str, failure: PluginFailure, function: Option<&str>, code: &str) -> Met {
    let problem = failure.to_problem();
    assert_eq!(problem.code, code, "{name}: {problem:?}");
    if let Some(function) = function {
        assert_eq!(problem.function.as_deref(), Some(function), "{name}: {problem:?}");
    }
    assert!(!failure.is_retryable() && !problem.action.is_empty(), "{name}: {problem:?}");
    Met { failure, problem }
}

/// An attack that is to be refused at the door.
fn refused(name: &str) -> Met {
    let attack = attack(name);
    let End::Refused(code) = attack.end else { panic!("{name} is listed with another end") };
    let failure = Room::new().runtime.admit(&attack.component()).map(|_| ()).unwrap_err();
    let met = met(name, failure, None, code);
    // It has not said its name, or must not be believed: the bytes are named instead.
    assert!(met.problem.plugin.as_deref().is_some_and(|plugin| plugin.starts_with("component ")), "{:?}", met.problem);
    met
}

fn rejection(met: Met) -> Rejection {
    match met.failure.outcome {
        Outcome::Rejected(rejection) => rejection,
        other => panic!("expected a rejection, found {other:?}"),
    }
}

/// An attack that is to be taken and to fail.
fn fails(name: &str) -> Met {
    fails_in(name, &CallContext { fuel: FUEL, ..context() })
}

fn fails_in(name: &str, context: &CallContext) -> Met {
    let attack = attack(name);
    let End::Fails(function, code) = attack.end else { panic!("{name} is listed with another end") };
    let room = Room::new();
    let plugin = room.admit(&attack.component()).plugin;
    let failure = run(&plugin, context).map(|_| ()).unwrap_err();
    let met = met(name, failure, Some(function), code);
    assert_eq!(met.problem.plugin, Some(format!("{}@1.2.3", attack.plugin_name())));
    room.runtime.check().unwrap();
    met
}

/// An attack that is to be taken and to do no harm.
fn harmless(name: &str) -> (Room, Admitted) {
    let attack = attack(name);
    assert_eq!(attack.end, End::Harmless, "{name}");
    let room = Room::new();
    let admitted = room.admit(&attack.component());
    run(&admitted.plugin, &CallContext { fuel: FUEL, ..context() }).unwrap();
    (room, admitted)
}

/// What a judge of this race that asks for something outside says of three scenarios. It is refused where the operator has not
/// allowed WASI, and where the virtual one does not have what it asks for at all.
fn seen(name: &str, race: &RaceSetup) -> Option<Vec<u8>> {
    let attack = attack(name);
    assert_eq!(attack.end, End::SeesNothing, "{name}");
    let refused = |failure| {
        let import = rejection(met(name, failure, Some("upload"), "component-import-refused"));
        assert!(matches!(&import, Rejection::ForeignImport { name } if name.starts_with("wasi:")), "{import}");
    };
    refused(Room::new().runtime.admit(&attack.component()).unwrap_err());
    let with_wasi = Room::with(PluginLimits { wasi: true, ..PluginLimits::default() });
    match with_wasi.runtime.admit(&attack.component()) {
        Ok(admitted) => Some(judge(&admitted.plugin, &context(), race).unwrap()),
        Err(failure) => {
            refused(failure);
            None
        }
    }
}

fn sees_nothing(name: &str, race: &RaceSetup) {
    let seen = seen(name, race);
    assert!(seen.as_ref().is_none_or(|verdicts| *verdicts == [0; 3]), "{name} saw {seen:?}");
}

#[test]
fn endless_loop() {
    assert_eq!(fails("endless_loop").problem.limit, Some(format!("{FUEL} units of fuel")));
}

#[test]
fn endless_fill() {
    fails("endless_fill");
}

#[test]
fn endless_large_fill() {
    fails("endless_large_fill");
}

#[test]
fn endless_large_copy() {
    fails("endless_large_copy");
}

#[test]
fn endless_table_fill() {
    fails("endless_table_fill");
}

#[test]
fn log_flood() {
    let seen = Arc::new(Lines::default());
    fails_in("log_flood", &CallContext { fuel: 100_000_000, log: seen.clone(), ..context() });
    assert_eq!(seen.lines.lock().unwrap().len(), 1000);
    assert!(*seen.dropped.lock().unwrap() > 1000);
}

#[test]
fn log_of_megabytes() {
    let seen = Arc::new(Lines::default());
    fails_in("log_of_megabytes", &CallContext { fuel: 100_000_000, log: seen.clone(), ..context() });
    assert!(seen.lines.lock().unwrap().iter().all(|(_, line)| line.len() <= 4096));
}

#[test]
fn endless_recursion() {
    let Outcome::Trapped { trap, backtrace } = fails("endless_recursion").failure.outcome else { panic!("no trap") };
    assert!(trap.contains("stack") && backtrace.len() <= 5, "{trap}");
}

#[test]
fn start_loop() {
    let met = refused("start_loop");
    assert_eq!(met.failure.function, "instantiate");
    assert_eq!(met.problem.limit.as_deref(), Some("describe_fuel: 50000000 units of fuel"));
}

#[test]
fn describe_loop() {
    assert_eq!(refused("describe_loop").failure.function, "describe");
}

/// The limit that an attack on the memory has met.
fn limit(met: &Met) -> &str {
    met.problem.limit.as_deref().unwrap()
}

#[test]
fn memory_bomb() {
    assert_eq!(limit(&fails("memory_bomb")), "memory_bytes_max = 536870912");
}

#[test]
fn memory_at_start() {
    assert_eq!(limit(&refused("memory_at_start")), "memory_bytes_max = 536870912");
}

#[test]
fn many_small_memories() {
    assert_eq!(limit(&refused("many_small_memories")), "memories_max = 8");
}

#[test]
fn table_bomb() {
    assert_eq!(limit(&fails("table_bomb")), "table_elements_max = 1000000");
}

#[test]
fn handle_flood() {
    assert_eq!(limit(&fails("handle_flood")), "handles_max = 1000");
}

/// What of a result breaks the contract.
fn place(met: Met) -> String {
    match met.failure.outcome {
        Outcome::BadOutput { place, .. } => place,
        other => panic!("expected bad output, found {other:?}"),
    }
}

#[test]
fn huge_list_result() {
    assert_eq!(place(fails("huge_list_result")), "the encoded result");
}

#[test]
fn draw_hoard() {
    let met = fails("draw_hoard");
    assert!(met.problem.detail.contains("chain_draw_bytes_max"), "{:?}", met.problem);
    assert_eq!(place(met), "draws in all, in bytes");
}

#[test]
fn reason_flood() {
    assert_eq!(place(refused("reason_flood")), "the encoded result");
}

#[test]
fn lying_length() {
    assert_eq!(place(fails("lying_length")), "the encoded result");
}

#[test]
fn short_result() {
    assert_eq!(place(fails("short_result")), "length of verdicts");
}

#[test]
fn long_result() {
    assert_eq!(place(fails("long_result")), "length of verdicts");
}

#[test]
fn reason_out_of_range() {
    assert_eq!(place(fails("reason_out_of_range")), "verdicts[2]");
}

#[test]
fn refusal_without_text() {
    assert_eq!(place(fails("refusal_without_text")), "the encoded result");
}

#[test]
fn nan_draws() {
    assert_eq!(place(fails("nan_draws")), "values[1][1]");
}

#[test]
fn infinite_draws() {
    assert_eq!(place(fails("infinite_draws")), "values[1][1]");
}

#[test]
fn non_permutation() {
    assert_eq!(place(fails("non_permutation")), "finish[0][1]");
}

#[test]
fn impossible_laps() {
    assert_eq!(place(fails("impossible_laps")), "sum of laps-led[0]");
}

#[test]
fn short_block() {
    assert_eq!(place(fails("short_block")), "length of scenarios");
}

#[test]
fn state_across_calls() {
    let (_room, admitted) = harmless("state_across_calls");
    // What it remembers ends with the session: a task that is run again judges as it did.
    let session = || {
        let mut session = admitted.plugin.open_scenario_judge(&context(), &race(), &Map::new()).unwrap();
        [session.judge(&scenarios(1)).unwrap(), session.judge(&scenarios(1)).unwrap()]
    };
    assert_eq!(session(), [[0], [1]]);
    assert_eq!(session(), [[0], [1]]);
}

#[test]
fn restore_that_begins_again() {
    assert_eq!(place(fails("restore_that_begins_again")), "iterations-done");
}

#[test]
fn garbage_checkpoint() {
    fails("garbage_checkpoint");
}

#[test]
fn trap_at_start() {
    assert_eq!(refused("trap_at_start").failure.function, "instantiate");
}

#[test]
fn trap_in_describe() {
    let met = refused("trap_in_describe");
    assert_eq!(met.failure.function, "describe");
    assert!(met.problem.detail.contains("integer divide by zero"), "{:?}", met.problem);
}

#[test]
fn trap_in_open() {
    assert!(fails("trap_in_open").problem.detail.contains("out of bounds"));
}

#[test]
fn trap_in_judge() {
    assert!(fails("trap_in_judge").problem.detail.contains("integer divide by zero"));
}

#[test]
fn trap_in_step() {
    assert!(fails("trap_in_step").problem.detail.contains("unreachable"));
}

#[test]
fn trap_in_drop() {
    // The guest goes as a whole, with nothing of it called.
    harmless("trap_in_drop");
}

/// The limit on the shape of a component that an upload has met.
fn shape(name: &str) -> &'static str {
    match rejection(refused(name)) {
        Rejection::PastLimit { name, .. } => name,
        other => panic!("expected a limit, found {other}"),
    }
}

#[test]
fn locals_times_loops() {
    assert_eq!(shape("locals_times_loops"), "locals_times_loops_max");
}

#[test]
fn many_functions() {
    assert_eq!(shape("many_functions"), "functions_max");
}

#[test]
fn deep_components() {
    assert_eq!(shape("deep_components"), "modules_max");
}

#[test]
fn many_types() {
    assert_eq!(shape("many_types"), "structure_bytes_max");
}

#[test]
fn huge_data() {
    harmless("huge_data");
}

#[test]
fn far_apart_data() {
    let (_room, admitted) = harmless("far_apart_data");
    let started = Instant::now();
    run(&admitted.plugin, &context()).unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "only the pages that are touched are there");
}

#[test]
fn deep_types() {
    refused("deep_types");
}

#[test]
fn doubled_types() {
    refused("doubled_types");
}

#[test]
fn doubled_instances() {
    refused("doubled_instances");
}

#[test]
fn branch_tables() {
    harmless("branch_tables");
}

#[test]
fn pattern_bomb() {
    let met = refused("pattern_bomb");
    assert!(met.problem.detail.contains("patterns"), "{:?}", met.problem);
}

#[test]
fn alternatives_bomb() {
    harmless("alternatives_bomb");
}

#[test]
fn custom_section_bloat() {
    let (room, _) = harmless("custom_section_bloat");
    let compiled: u64 =
        room.directory.path().read_dir().unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(compiled < 1 << 20, "{compiled} bytes of code");
}

#[test]
fn foreign_engine() {
    refused("foreign_engine");
}

#[test]
fn machine_code_inside() {
    refused("machine_code_inside");
}

#[test]
fn environment() {
    // Cargo's own variables are there to be seen.
    assert!(std::env::vars().count() > 0);
    sees_nothing("environment", &race());
}

#[test]
fn arguments() {
    sees_nothing("arguments", &race());
}

#[test]
fn wall_clock() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    sees_nothing("wall_clock", &RaceSetup { driver: vec![Some(u32::try_from(now).unwrap()); 3], ..race() });
}

#[test]
fn randomness() {
    let runs: Vec<_> = (0..20).map(|_| seen("randomness", &race())).collect();
    assert!(runs.iter().all(|run| *run == runs[0]), "{runs:?}");
}

#[test]
fn files() {
    sees_nothing("files", &race());
}

#[test]
fn sockets() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    sees_nothing("sockets", &RaceSetup { driver: vec![Some(port.into()); 3], ..race() });
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "a guest has reached this machine");
}

/// Does not compile without a test of the attack's name.
macro_rules! has_a_test {
    ($attack:ident) => {
        const _: fn() = $attack;
    };
}

hostile::for_each_attack!(has_a_test);
