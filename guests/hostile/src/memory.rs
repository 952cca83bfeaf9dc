//! Guests that take more than their share of memory, their own or the host's.

use std::fmt::Write as _;

use crate::{
    fixture::{DESCRIPTION, Fixture, LISTS, RESULT, layout_of, ok_list, step_to},
    loops::judge,
    uploads::{COMPONENTS, with_sections},
};

pub(crate) fn memory_bomb(name: &str) -> Vec<u8> {
    judge(name, "(loop $again (drop (memory.grow (i32.const 16))) (br $again)) (i32.const 0)", "")
}

pub(crate) fn memory_at_start(name: &str) -> Vec<u8> {
    let mut fixture = Fixture::constraint_named(name);
    fixture.pages = 65_536;
    fixture.build()
}

/// Each core module may have one memory; an honest component with another inside brings 20 more.
pub(crate) fn many_small_memories(name: &str) -> Vec<u8> {
    let mut modules = String::new();
    for index in 0..20 {
        write!(modules, "(core module $m{index} (memory 1)) (core instance (instantiate $m{index}))").unwrap();
    }
    let more = format!("(component {modules}) (instance (instantiate {COMPONENTS}))");
    with_sections(Fixture::constraint_named(name).build(), &more)
}

pub(crate) fn table_bomb(name: &str) -> Vec<u8> {
    let grow = "(loop $again (drop (table.grow $t (ref.null func) (i32.const 100000))) (br $again)) (i32.const 0)";
    judge(name, grow, "(table $t 1 funcref)")
}

pub(crate) fn handle_flood(name: &str) -> Vec<u8> {
    let mut fixture = Fixture::constraint_named(name);
    fixture.open = "(loop $again (drop (call $new (i32.const 7))) (br $again)) (i32.const 0)".to_owned();
    fixture.build()
}

pub(crate) fn huge_list_result(name: &str) -> Vec<u8> {
    let result = ok_list("(i32.const 1048576)", "(i32.const 419430400)");
    judge(name, &format!("(drop (memory.grow (i32.const 6400))) {result}"), "")
}

/// Every step is a hundred iterations of a million, and each hands over 100 draws of 100,000 columns: 80 MB of zeros.
pub(crate) fn draw_hoard(name: &str) -> Vec<u8> {
    let draws = format!(
        "(i32.store (i32.const {RESULT}) (i32.sub (global.get $done) (global.get $taken)))
         (i32.store offset=4 (i32.const {RESULT}) (i32.const 1048576))
         (i32.store offset=8 (i32.const {RESULT})
           (i32.mul (i32.sub (global.get $done) (global.get $taken)) (i32.const 100000)))
         (global.set $taken (global.get $done)) (i32.const {RESULT})"
    );
    let step =
        "(i32.add (global.get $done) (select (i32.const 100) (local.get 1) (i32.gt_u (local.get 1) (i32.const 100))))";
    let mut fixture = Fixture::calibrator_named(name)
        .with("chain.layout", layout_of(&[("wide", &[100_000])]))
        .with("chain.step", step_to(step, "(i32.const 1000000)"))
        .with("chain.take-draws", draws);
    fixture.pages = 1280;
    fixture.items = "(global $taken (mut i32) (i32.const 0))".to_owned();
    fixture.build()
}

/// An empty reason takes 20 bytes in the guest and three times as much in the host.
pub(crate) fn reason_flood(name: &str) -> Vec<u8> {
    let mut fixture = Fixture::constraint_named(name);
    fixture.pages = 1920;
    let honest = &fixture.describe;
    fixture.describe = format!(
        "{honest} drop (i32.store (i32.const {}) (i32.const {LISTS})) (i32.store (i32.const {}) (i32.const 6000000))
         (i32.const {DESCRIPTION})",
        DESCRIPTION + 32,
        DESCRIPTION + 36
    );
    fixture.build()
}
