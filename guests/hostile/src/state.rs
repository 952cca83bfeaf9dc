//! Guests that remember what they should not, or forget what they should remember.

use crate::fixture::{Fixture, LISTS, bytes_of, ok_list};

/// The first scenario of every second call is vetoed.
pub(crate) fn state_across_calls(name: &str) -> Vec<u8> {
    let list = ok_list(&format!("(i32.const {LISTS})"), "(local.get 1)");
    let count = format!(
        "(i32.store8 (i32.const {LISTS}) (i32.and (global.get $calls) (i32.const 1)))
         (global.set $calls (i32.add (global.get $calls) (i32.const 1)))"
    );
    let mut fixture = Fixture::constraint_named(name).with("scenario-judge.judge", format!("{count} {list}"));
    fixture.items = "(global $calls (mut i32) (i32.const 0))".to_owned();
    fixture.build()
}

/// Its steps count from 0 again, whatever the checkpoint was.
pub(crate) fn restore_that_begins_again(name: &str) -> Vec<u8> {
    Fixture::calibrator_named(name).build()
}

pub(crate) fn garbage_checkpoint(name: &str) -> Vec<u8> {
    let mut fixture = Fixture::calibrator_named(name).with("checkpoint", bytes_of(1000));
    fixture.restore = Some("unreachable".to_owned());
    fixture.build()
}
