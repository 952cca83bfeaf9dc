//! What an upload may be, and how each that may not is told.

use paddock::{
    domain::plugin::World,
    plugins::{PluginLimits, Rejection, hash_of},
};

use crate::{
    fixture::{CONSTRAINT, Fixture, Says, componentize},
    room::Room,
};

#[test]
fn an_honest_component_is_taken_and_described() {
    let room = Room::new();
    let wasm = Fixture::constraint().build();
    let admitted = room.admit(&wasm);
    assert_eq!(admitted.hash, hash_of(&wasm));
    assert_eq!(admitted.plugin.label(), "fixture@1.2.3");
    assert_eq!(admitted.description.world, World::Constraint);
    assert_eq!(admitted.description.veto_reasons[1].code, "second");
    assert!(admitted.compile_ms > 0.0);
    assert_eq!(room.admit(&Fixture::generator().build()).description.world, World::Generator);
    assert_eq!(room.admit(&Fixture::calibrator().build()).description.world, World::Calibrator);
}

#[test]
fn bytes_that_are_no_component_are_told_apart() {
    let room = Room::new();
    assert_eq!(room.rejection(b""), Rejection::Empty);
    assert_eq!(room.rejection(b";; comment\n  (component)"), Rejection::Text);
    assert_eq!(room.rejection(&wat::parse_str("(module)").unwrap()), Rejection::CoreModule);
    assert!(matches!(room.rejection(b"\x7fELF\x02\x01\x01 and so on"), Rejection::Precompiled { .. }));
    assert_eq!(room.rejection(b"PK\x03\x04 a zip file"), Rejection::NotWasm);
    assert!(matches!(room.rejection(b"\0asm\x0d"), Rejection::Truncated { .. }));
}

#[test]
fn compiled_code_is_never_taken_as_a_component() {
    let room = Room::new();
    room.admit(&Fixture::constraint().build());
    let compiled = std::fs::read_dir(room.directory.path()).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(compiled).unwrap();
    // Behind the MAC and what screening said is what the compiler wrote, the content of a .cwasm file.
    assert!(matches!(room.rejection(&bytes[34..]), Rejection::Precompiled { .. }));
}

#[test]
fn a_component_cut_anywhere_is_refused_with_a_place() {
    let room = Room::new();
    let wasm = Fixture::constraint().build();
    for length in [8, 9, 40, wasm.len() / 3, wasm.len() / 2, wasm.len() - 1] {
        let rejection = room.rejection(&wasm[..length]);
        assert!(
            matches!(rejection, Rejection::Truncated { .. } | Rejection::Invalid { .. } | Rejection::OtherWorld { .. }),
            "{length}: {rejection}"
        );
    }
    assert!(matches!(room.rejection(&wasm[..wasm.len() / 2]), Rejection::Truncated { .. }));
}

#[test]
fn a_component_at_the_size_limit_is_taken_and_one_byte_more_is_not() {
    let wasm = Fixture::constraint().build();
    let of_limit = |limit| Room::with(PluginLimits { component_bytes_max: limit, ..PluginLimits::default() });
    of_limit(wasm.len()).admit(&wasm);
    let limit = wasm.len() - 1;
    assert_eq!(of_limit(limit).rejection(&wasm), Rejection::TooLarge { bytes: wasm.len(), limit });
}

#[test]
fn an_import_that_is_not_offered_is_refused_by_its_name() {
    let room = Room::new();
    let named = |wasm: &[u8]| match room.rejection(wasm) {
        Rejection::ForeignImport { name } => name,
        other => panic!("expected a foreign import, found {other}"),
    };
    let clock = wat::parse_str(
        r#"(component (import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func (result u64))))))"#,
    );
    assert_eq!(named(&clock.unwrap()), "wasi:clocks/wall-clock@0.2.0");
    let more_log = wat::parse_str(
        r#"(component (import "paddock:plugin/log@0.1.0" (instance (export "read-file" (func (result u64))))))"#,
    );
    assert_eq!(named(&more_log.unwrap()), "paddock:plugin/log@0.1.0#read-file");
    let code_in_types = wat::parse_str(
        r#"(component (import "paddock:plugin/types@0.1.0" (instance (export "spy" (func (result u64))))))"#,
    );
    assert_eq!(named(&code_in_types.unwrap()), "paddock:plugin/types@0.1.0#spy");
    let plain = wat::parse_str(r#"(component (import "system" (func (param "command" string))))"#);
    assert_eq!(named(&plain.unwrap()), "system");
    let http = wat::parse_str(r#"(component (import "wasi:http/types@0.2.0" (instance)))"#).unwrap();
    let with_wasi = Room::with(PluginLimits { wasi: true, ..PluginLimits::default() });
    let rejection = with_wasi.rejection(&http);
    assert!(matches!(&rejection, Rejection::ForeignImport { name } if name == "wasi:http/types@0.2.0"), "{rejection}");
}

#[test]
fn a_component_of_another_world_is_told_what_it_lacks() {
    let room = Room::new();
    let core = r#"(module (func (export "greet") (result i32) i32.const 1))"#;
    let wasm = componentize(core, "package test:other; world other { export greet: func() -> u32; }");
    let Rejection::OtherWorld { missing, exported } = room.rejection(&wasm) else { panic!("expected another world") };
    assert!(missing.contains("paddock:plugin/plugin@0.1.0") && missing.contains("judgement"), "{missing}");
    assert_eq!(exported, "greet");
}

#[test]
fn an_extra_export_does_no_harm() {
    let room = Room::new();
    let mut fixture = Fixture::constraint();
    fixture.items.push_str(r#"(func (export "init") (result i32) i32.const 1)"#);
    let world = "world fixture { include paddock:plugin/constraint@0.1.0; export init: func() -> u32; }";
    assert_eq!(room.admit(&fixture.build_in(world)).description.world, World::Constraint);
}

#[test]
fn a_component_of_two_worlds_at_once_is_refused() {
    let room = Room::new();
    let text = r#"(component
        (component $empty)
        (instance $i (instantiate $empty))
        (export "paddock:plugin/plugin@0.1.0" (instance $i))
        (export "paddock:plugin/generation@0.1.0" (instance $i))
        (export "paddock:plugin/judgement@0.1.0" (instance $i)))"#;
    assert!(matches!(room.rejection(&wat::parse_str(text).unwrap()), Rejection::ManyWorlds { .. }));
}

#[test]
fn exports_with_the_right_names_and_other_types_are_refused() {
    let room = Room::new();
    let text = r#"(component
        (component $empty)
        (instance $i (instantiate $empty))
        (export "paddock:plugin/plugin@0.1.0" (instance $i))
        (export "paddock:plugin/judgement@0.1.0" (instance $i)))"#;
    let Rejection::OtherTypes { message } = room.rejection(&wat::parse_str(text).unwrap()) else {
        panic!("expected other types")
    };
    assert!(message.contains("describe"), "{message}");
}

#[test]
fn features_that_cost_determinism_are_refused() {
    let room = Room::new();
    for body in [
        "(memory 1 1 shared)",
        "(memory i64 1)",
        "(func (drop (i32x4.relaxed_trunc_f32x4_s (v128.const i64x2 0 0))))",
        "(memory 1) (memory 1)",
    ] {
        let wasm = wat::parse_str(format!("(component (core module {body}))")).unwrap();
        assert!(matches!(room.rejection(&wasm), Rejection::Invalid { .. }), "{body}");
    }
}

/// A function of so many locals with loops nested so deep.
fn function(locals: usize, loops: usize) -> Vec<u8> {
    let text = format!(
        "(component (core module (func (local {}) {} {})))",
        "i64 ".repeat(locals),
        "(loop ".repeat(loops),
        ")".repeat(loops)
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn code_is_limited_in_shape_on_both_sides_of_each_limit() {
    let limits = PluginLimits {
        locals_per_function_max: 10,
        loop_depth_max: 3,
        locals_times_loops_max: 20,
        functions_max: 2,
        block_depth_max: 8,
        function_body_bytes_max: 200,
        data_segments_max: 1,
        modules_max: 2,
        ..PluginLimits::default()
    };
    let room = Room::with(limits);
    let past = |wasm: &[u8]| match room.rejection(wasm) {
        Rejection::PastLimit { name, .. } => Some(name),
        // Within all limits these go on to fail because they export nothing.
        Rejection::OtherWorld { .. } => None,
        other => panic!("{other}"),
    };
    let component = |body: &str| wat::parse_str(format!("(component {body})")).unwrap();
    assert_eq!(past(&function(10, 2)), None);
    assert_eq!(past(&function(11, 0)), Some("locals_per_function_max"));
    assert_eq!(past(&function(1, 3)), None);
    assert_eq!(past(&function(1, 4)), Some("loop_depth_max"));
    assert_eq!(past(&function(7, 3)), Some("locals_times_loops_max"));
    assert_eq!(past(&component("(core module (func) (func))")), None);
    assert_eq!(past(&component("(core module (func)) (core module (func) (func))")), Some("modules_max"));
    assert_eq!(past(&component("(core module (func) (func) (func))")), Some("functions_max"));
    let blocks =
        |depth: usize| component(&format!("(core module (func {} {}))", "(block ".repeat(depth), ")".repeat(depth)));
    assert_eq!(past(&blocks(8)), None);
    assert_eq!(past(&blocks(9)), Some("block_depth_max"));
    assert_eq!(
        past(&component(&format!("(core module (func {}))", "nop ".repeat(250)))),
        Some("function_body_bytes_max")
    );
    assert_eq!(past(&component(r#"(core module (memory 1) (data "a") (data "b"))"#)), Some("data_segments_max"));
}

#[test]
fn types_imports_and_exports_are_limited_in_bytes() {
    // A count and two types of a byte each.
    let wasm = wat::parse_str("(component (type u8) (type u8))").unwrap();
    let of_limit = |limit| Room::with(PluginLimits { structure_bytes_max: limit, ..PluginLimits::default() });
    assert!(matches!(of_limit(3).rejection(&wasm), Rejection::OtherWorld { .. }));
    let rejection = of_limit(2).rejection(&wasm);
    assert!(matches!(rejection, Rejection::PastLimit { name: "structure_bytes_max", value: 3, .. }), "{rejection}");
}

/// A function that is within the limits of shape and still slow to compile: many values live across many loops.
fn slow_to_compile() -> Vec<u8> {
    let mut body = String::new();
    for value in 0..1000 {
        body.push_str(&format!(
            "(local.set {value} (i64.mul (local.get {}) (local.get {})))",
            (value + 7) % 1000,
            (value + 3) % 1000
        ));
    }
    let function = format!(
        "(func (local {}) {} {body} {})",
        "i64 ".repeat(1000),
        "(loop (br_if 0 (i64.eqz (local.get 1)))".repeat(60),
        ")".repeat(60)
    );
    let mut fixture = Fixture::constraint();
    fixture.items = function.repeat(40);
    fixture.build()
}

#[test]
fn a_compile_bomb_ends_at_the_limit_that_it_meets_first() {
    let wasm = slow_to_compile();
    let limit_of = |limits| match Room::with(limits).rejection(&wasm) {
        Rejection::CompileLimit { name, .. } => name,
        other => panic!("expected a limit, found {other}"),
    };
    let default = PluginLimits::default;
    assert_eq!(limit_of(PluginLimits { compile_cpu_s: 1, ..default() }), "compile_cpu_s");
    assert_eq!(limit_of(PluginLimits { compile_wall_s: 1, compile_threads: 1, ..default() }), "compile_wall_s");
    let small = PluginLimits { compile_address_space_bytes: 40 << 20, compile_threads: 1, ..default() };
    assert_eq!(limit_of(small), "compile_address_space_bytes");
}

#[test]
fn compiled_code_past_its_limit_is_not_taken() {
    let room = Room::with(PluginLimits { compiled_bytes_max: 1000, ..PluginLimits::default() });
    let rejection = room.rejection(&Fixture::constraint().build());
    assert!(matches!(rejection, Rejection::CompileLimit { name: "compiled_bytes_max", .. }), "{rejection}");
}

#[test]
fn a_description_that_breaks_a_rule_is_refused_with_its_field() {
    let room = Room::new();
    let many: Vec<_> = (0..256).map(|_| ("code", "Text.")).collect();
    let cases = [
        ("name", Says { name: "Fixture", ..CONSTRAINT }),
        ("name", Says { name: "", ..CONSTRAINT }),
        ("version", Says { version: "1.2", ..CONSTRAINT }),
        ("summary", Says { summary: "\u{1b}[31m", ..CONSTRAINT }),
        ("params-schema", Says { schema: "{}", ..CONSTRAINT }),
        ("params-schema", Says { schema: "{", ..CONSTRAINT }),
        ("veto-reasons[1].code", Says { reasons: &[("one", "One."), ("one", "Two.")], ..CONSTRAINT }),
        ("veto-reasons", Says { reasons: &many, ..CONSTRAINT }),
        ("posterior-layout", Says { layout: Some("layout/1"), ..CONSTRAINT }),
        ("judges-scenarios, judges-lineups", Says { judges: false, ..CONSTRAINT }),
    ];
    for (field, says) in cases {
        let rejection = room.rejection(&Fixture::constraint_that_says(&says).build());
        assert!(matches!(&rejection, Rejection::BadDescription { field: found, .. } if found == field), "{rejection}");
    }
}

#[test]
fn a_component_that_takes_long_to_start_although_its_fuel_lasts_is_nobodys_fault() {
    let mut fixture = Fixture::constraint();
    fixture.items = "(func $spin (loop $forever (br $forever))) (start $spin)".to_owned();
    let wasm = fixture.build();
    // With fuel without end its time still is limited, and then nobody can say whose fault it was.
    let patient = PluginLimits { describe_fuel: u64::MAX / 2, describe_s: 0, ..PluginLimits::default() };
    let failure = Room::with(patient).runtime.admit(&wasm).unwrap_err();
    assert_eq!(failure.to_problem().code, "plugin-host-failed");
    assert!(failure.is_retryable());
}

#[test]
fn every_rejection_says_what_to_do() {
    let room = Room::new();
    let problem = room.runtime.admit(b"(component)").unwrap_err().to_problem();
    assert_eq!(problem.code, "component-is-text");
    assert!(problem.action.contains("wasm-tools parse"), "{problem:?}");
    assert!(problem.plugin.is_some_and(|plugin| plugin.starts_with("component ")));
}
