//! Guests that crash.

use crate::{fixture::Fixture, loops::judge};

pub(crate) fn trap_at_start(name: &str) -> Vec<u8> {
    let mut fixture = Fixture::constraint_named(name);
    fixture.items = "(func $crash unreachable) (start $crash)".to_owned();
    fixture.build()
}

pub(crate) fn trap_in_describe(name: &str) -> Vec<u8> {
    let mut fixture = Fixture::constraint_named(name);
    fixture.describe = "(i32.div_u (i32.const 1) (i32.const 0))".to_owned();
    fixture.build()
}

pub(crate) fn trap_in_open(name: &str) -> Vec<u8> {
    let mut fixture = Fixture::constraint_named(name);
    fixture.open = "(i32.load (i32.const -4))".to_owned();
    fixture.build()
}

pub(crate) fn trap_in_judge(name: &str) -> Vec<u8> {
    judge(name, "(i32.div_u (i32.const 1) (i32.const 0))", "")
}

pub(crate) fn trap_in_step(name: &str) -> Vec<u8> {
    Fixture::calibrator_named(name).with("chain.step", "unreachable").build()
}

pub(crate) fn trap_in_drop(name: &str) -> Vec<u8> {
    let mut fixture = Fixture::constraint_named(name);
    fixture.drop = "unreachable".to_owned();
    fixture.build()
}
