//! The second tier: what a guest that imports WASI sees, and that none of it is the machine's.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use paddock::plugins::{CallContext, CheckName, ConformanceOptions, LoadedPlugin, Outcome, PluginLimits, Rejection};
use serde_json::Map;

use crate::{
    fixture::{Fixture, LISTS, data, ok_list},
    room::{Lines, MAC_KEY, Room, context, race, runtime_in, scenarios},
};

/// The part of WASI that the fixtures use.
const WORLD: &str = r"
    world fixture {
        include paddock:plugin/constraint@0.1.0;
        import wasi:random/random@0.2.0;
        import wasi:clocks/monotonic-clock@0.2.0;
        import wasi:clocks/wall-clock@0.2.0;
        import wasi:cli/environment@0.2.0;
        import wasi:cli/exit@0.2.0;
        import wasi:cli/stdout@0.2.0;
        import wasi:filesystem/preopens@0.2.0;
    }
    package wasi:random@0.2.0 {
        interface random { get-random-u64: func() -> u64; }
    }
    package wasi:io@0.2.0 {
        interface error { resource error; }
        interface poll { resource pollable { block: func(); } }
        interface streams {
            use error.{error};
            variant stream-error { last-operation-failed(error), closed }
            resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
        }
    }
    package wasi:clocks@0.2.0 {
        interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
        interface monotonic-clock {
            use wasi:io/poll@0.2.0.{pollable};
            now: func() -> u64;
            subscribe-duration: func(when: u64) -> pollable;
        }
    }
    package wasi:cli@0.2.0 {
        interface environment { get-environment: func() -> list<tuple<string, string>>; }
        interface exit { exit: func(status: result); }
        interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }
    }
    package wasi:filesystem@0.2.0 {
        interface types { resource descriptor; }
        interface preopens {
            use types.{descriptor};
            get-directories: func() -> list<tuple<descriptor, string>>;
        }
    }";

const IMPORTS: &str = r#"
    (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
    (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $sleep (param i64) (result i32)))
    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:clocks/wall-clock@0.2.0" "now" (func $wall (param i32)))
    (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
    (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
    (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
    (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
        (func $write (param i32 i32 i32 i32)))
    (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))"#;

fn with_wasi() -> PluginLimits {
    PluginLimits { wasi: true, ..PluginLimits::default() }
}

/// A constraint whose judge does this first and then keeps everything.
fn judging(first: &str) -> Fixture {
    let body = format!("{first} {}", ok_list(&format!("(i32.const {LISTS})"), "(local.get 1)"));
    let mut fixture = Fixture::constraint().with("scenario-judge.judge", body);
    fixture.imports = IMPORTS.to_owned();
    fixture
}

fn plugin(room: &Room, fixture: &Fixture) -> LoadedPlugin {
    room.admit(&fixture.build_in(WORLD)).plugin
}

fn judge(plugin: &LoadedPlugin, context: &CallContext) -> Result<Vec<u8>, paddock::plugins::PluginFailure> {
    plugin.open_scenario_judge(context, &race(), &Map::new())?.judge(&scenarios(8))
}

#[test]
fn wasi_is_refused_by_name_unless_the_operator_lets_it_in() {
    let wasm = judging("").build_in(WORLD);
    let rejection = Room::new().rejection(&wasm);
    assert!(matches!(&rejection, Rejection::ForeignImport { name } if name.starts_with("wasi:")), "{rejection}");
    assert!(rejection.action().contains("plugins.wasi"));
    assert!(Room::with(with_wasi()).admit(&wasm).plugin.uses_wasi());
    assert!(!Room::with(with_wasi()).admit(&Fixture::constraint().build()).plugin.uses_wasi());
}

#[test]
fn what_is_kept_from_a_time_with_wasi_is_not_loaded_without_it() {
    let room = Room::with(with_wasi());
    let wasm = judging("").build_in(WORLD);
    let hash = room.admit(&wasm).hash;
    let unasked = || -> Result<Vec<u8>, String> { panic!("the bytes are not needed") };
    assert!(runtime_in(&room.directory, MAC_KEY, with_wasi()).load(&hash, unasked).unwrap().uses_wasi());
    let without = runtime_in(&room.directory, MAC_KEY, PluginLimits::default());
    let failure = without.load(&hash, || Ok::<_, String>(wasm)).unwrap_err();
    assert!(matches!(failure.outcome, Outcome::Rejected(Rejection::ForeignImport { .. })), "{failure}");
}

#[test]
fn clocks_stand_still_and_there_is_no_environment_and_no_directory() {
    let empty = |function: &str| {
        format!("(call ${function} (i32.const 4096)) (if (i32.load offset=4 (i32.const 4096)) (then unreachable))")
    };
    let first = format!(
        "(if (i64.ne (call $now) (i64.const 0)) (then unreachable))
         (call $wall (i32.const 4096))
         (if (i64.ne (i64.load (i32.const 4096)) (i64.const 1577836800)) (then unreachable))
         {} {}",
        empty("environment"),
        empty("directories")
    );
    let room = Room::with(with_wasi());
    assert_eq!(judge(&plugin(&room, &judging(&first)), &context()).unwrap(), [0; 8]);
}

#[test]
fn sleeping_takes_no_time_and_blocks_nobody() {
    let room = Room::with(with_wasi());
    // Three hundred years; as much as there is.
    for nanoseconds in ["9223372036854775807", "-1"] {
        let fixture = judging(&format!("(call $block (call $sleep (i64.const {nanoseconds})))"));
        let started = Instant::now();
        judge(&plugin(&room, &fixture), &context()).unwrap();
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn randomness_comes_from_the_seed_alone() {
    let room = Room::with(with_wasi());
    let body = format!(
        "(i64.store (i32.const {LISTS}) (i64.and (call $random) (i64.const 0x0101010101010101))) {}",
        ok_list(&format!("(i32.const {LISTS})"), "(local.get 1)")
    );
    let mut fixture = Fixture::constraint().with("scenario-judge.judge", body);
    fixture.imports = IMPORTS.to_owned();
    let plugin = plugin(&room, &fixture);
    let first = judge(&plugin, &context()).unwrap();
    assert_eq!(judge(&plugin, &context()).unwrap(), first);
    // It depends on earlier calls, which is what the suite is for.
    let report = plugin.conformance(&ConformanceOptions::default()).unwrap();
    let failed: Vec<_> = report.failed().map(|check| check.name).collect();
    assert_eq!(failed, [CheckName::BlockSplit], "{report:#?}");
}

/// Writes the text at [`LISTS`] to standard output.
fn printing(length: usize, times: usize) -> String {
    format!(
        "(local $left i32) (local.set $left (i32.const {times}))
         (loop $again
           (call $write (call $stdout) (i32.const {LISTS}) (i32.const {length}) (i32.const 4096))
           (if (i32.load8_u (i32.const 4096)) (then unreachable))
           (local.set $left (i32.sub (local.get $left) (i32.const 1)))
           (br_if $again (local.get $left)))
         {}",
        ok_list("(i32.const 200000)", "(local.get 1)")
    )
}

#[test]
fn what_is_printed_becomes_lines_of_the_log_and_is_never_refused() {
    let printed = |text: &str, times: usize, limits: PluginLimits| {
        let room = Room::with(limits);
        let seen = Arc::new(Lines::default());
        let mut fixture = Fixture::constraint().with("scenario-judge.judge", printing(text.len(), times));
        fixture.imports = IMPORTS.to_owned();
        fixture.items = data(text.as_bytes());
        judge(&plugin(&room, &fixture), &CallContext { log: seen.clone(), ..context() }).unwrap();
        let lines: Vec<String> = seen.lines.lock().unwrap().iter().map(|(_, line)| line.clone()).collect();
        (lines, *seen.dropped.lock().unwrap())
    };
    let small = PluginLimits { log_lines_max: 3, log_line_bytes_max: 4, ..with_wasi() };
    assert_eq!(printed("one\nrest", 1, small.clone()).0, ["one", "rest"]);
    // The limit is of what is kept: the replacement has three bytes.
    assert_eq!(printed("long line\n\u{1b}[2J\n", 1, small.clone()).0, ["long", "\u{fffd}["]);
    // At the limit of lines, and past it.
    assert_eq!(printed("x\n", 3, small.clone()), (vec!["x".to_owned(); 3], 0));
    assert_eq!(printed("x\n", 5, small), (vec!["x".to_owned(); 3], 2));
}

#[test]
fn leaving_the_process_ends_the_guest_only() {
    let room = Room::with(with_wasi());
    let failure = judge(&plugin(&room, &judging("(call $exit (i32.const 1))")), &context()).unwrap_err();
    assert!(matches!(&failure.outcome, Outcome::Trapped { trap, .. } if trap.contains("exited")), "{failure}");
}

#[test]
fn handles_of_wasi_are_limited_on_both_sides() {
    let opening = |count: usize| {
        let room = Room::with(PluginLimits { handles_max: 10, ..with_wasi() });
        judge(&plugin(&room, &judging(&"(drop (call $stdout))".repeat(count))), &context())
    };
    // The judge is one more, and its being borrowed for the call another.
    opening(8).unwrap();
    let failure = opening(9).unwrap_err();
    assert!(matches!(failure.outcome, Outcome::OutOfMemory { name: "handles_max", limit: 10, .. }), "{failure}");
}
