//! Guests that return what the contract does not allow.

use crate::{
    fixture::{Fixture, LISTS, Scenarios, data, draws, ok_list, refuse},
    loops::judge,
};

/// As many verdicts as this expression says, all of them 0.
fn verdicts(name: &str, count: &str) -> Vec<u8> {
    judge(name, &ok_list(&format!("(i32.const {LISTS})"), count), "")
}

pub(crate) fn lying_length(name: &str) -> Vec<u8> {
    verdicts(name, "(i32.const 2000000000)")
}

pub(crate) fn short_result(name: &str) -> Vec<u8> {
    verdicts(name, "(i32.sub (local.get 1) (i32.const 1))")
}

pub(crate) fn long_result(name: &str) -> Vec<u8> {
    verdicts(name, "(i32.add (local.get 1) (i32.const 1))")
}

pub(crate) fn reason_out_of_range(name: &str) -> Vec<u8> {
    judge(name, &ok_list(&format!("(i32.const {LISTS})"), "(local.get 1)"), &data(&[0, 1, 3]))
}

pub(crate) fn refusal_without_text(name: &str) -> Vec<u8> {
    judge(name, &refuse(0, 2), &data(&[0xff, 0xfe]))
}

fn drawing(name: &str, value: f64) -> Vec<u8> {
    Fixture::calibrator_named(name).with("take-draws", draws(2, &[1.0, 2.0, 3.0, value])).build()
}

pub(crate) fn nan_draws(name: &str) -> Vec<u8> {
    drawing(name, f64::NAN)
}

pub(crate) fn infinite_draws(name: &str) -> Vec<u8> {
    drawing(name, f64::NEG_INFINITY)
}

pub(crate) fn non_permutation(name: &str) -> Vec<u8> {
    let lie = format!("(i32.store16 (i32.const {}) (i32.const 2))", Scenarios::FINISH);
    Scenarios { lie: &lie, ..Scenarios::HONEST }.fixture(name).build()
}

pub(crate) fn impossible_laps(name: &str) -> Vec<u8> {
    let lie = format!("(i32.store16 (i32.const {}) (i32.const 65535))", Scenarios::LAPS);
    Scenarios { lie: &lie, ..Scenarios::HONEST }.fixture(name).build()
}

pub(crate) fn short_block(name: &str) -> Vec<u8> {
    Scenarios { count: "(i32.sub (local.get 2) (i32.const 1))", ..Scenarios::HONEST }.fixture(name).build()
}
