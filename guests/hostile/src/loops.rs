//! Guests that never come to an end by themselves. Each logs a line first, so that whoever stops it knows that it runs.

use crate::fixture::{Fixture, LISTS};

const LOG_A_LINE: &str = "(call $log (i32.const 0) (i32.const 0) (i32.const 1))";

/// A judge with this body, which may use these items.
pub(crate) fn judge(name: &str, body: &str, items: &str) -> Vec<u8> {
    let mut fixture = Fixture::constraint_named(name).with("scenario-judge.judge", body);
    fixture.items = items.to_owned();
    fixture.build()
}

/// A judge that does `once`, and then `again` without end.
fn endless(name: &str, once: &str, again: &str, items: &str) -> Vec<u8> {
    let body = format!("{LOG_A_LINE} {once} (loop $forever {again} (br $forever)) (i32.const 0)");
    judge(name, &body, items)
}

/// Grows the memory to 401 MiB; what is its own stays below.
const GROW: &str = "(drop (memory.grow (i32.const 6400)))";

pub(crate) fn endless_loop(name: &str) -> Vec<u8> {
    endless(name, "", "", "")
}

pub(crate) fn endless_fill(name: &str) -> Vec<u8> {
    endless(name, "", &format!("(memory.fill (i32.const {LISTS}) (i32.const 0) (i32.const 100000))"), "")
}

pub(crate) fn endless_large_fill(name: &str) -> Vec<u8> {
    let fill = "(memory.fill (i32.const 1048576) (i32.const 7) (i32.const 419430400))";
    endless(name, GROW, fill, "")
}

pub(crate) fn endless_large_copy(name: &str) -> Vec<u8> {
    let copy = "(memory.copy (i32.const 1048576) (i32.const 210763776) (i32.const 209715200))";
    endless(name, GROW, copy, "")
}

pub(crate) fn endless_table_fill(name: &str) -> Vec<u8> {
    let fill = "(table.fill $t (i32.const 0) (ref.null func) (i32.const 999000))";
    endless(name, "", fill, "(table $t 999000 funcref)")
}

pub(crate) fn log_flood(name: &str) -> Vec<u8> {
    endless(name, "", &format!("(call $log (i32.const 3) (i32.const {LISTS}) (i32.const 4096))"), "")
}

pub(crate) fn log_of_megabytes(name: &str) -> Vec<u8> {
    let mut fixture = Fixture::constraint_named(name);
    fixture.pages = 256;
    let again = "(call $log (i32.const 3) (i32.const 1048576) (i32.const 15728640))";
    let body = format!("{LOG_A_LINE} (loop $forever {again} (br $forever)) (i32.const 0)");
    fixture.with("scenario-judge.judge", body).build()
}

pub(crate) fn endless_recursion(name: &str) -> Vec<u8> {
    let deeper = "(func $deeper (param i32) (result i32) (i32.add (i32.const 1) (call $deeper (local.get 0))))";
    judge(name, "(call $deeper (i32.const 0))", deeper)
}

pub(crate) fn start_loop(name: &str) -> Vec<u8> {
    let mut fixture = Fixture::constraint_named(name);
    fixture.items = "(func $spin (loop $forever (br $forever))) (start $spin)".to_owned();
    fixture.build()
}

pub(crate) fn describe_loop(name: &str) -> Vec<u8> {
    let mut fixture = Fixture::constraint_named(name);
    fixture.describe = "(loop $forever (br $forever)) (i32.const 0)".to_owned();
    fixture.build()
}
