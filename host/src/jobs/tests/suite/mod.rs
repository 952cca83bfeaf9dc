//! The behaviours, by subject.

pub(super) mod cancel;
pub(super) mod costs;
pub(super) mod history;
pub(super) mod lease;
pub(super) mod plan;
pub(super) mod read;
pub(super) mod retention;
pub(super) mod retry;
pub(super) mod schedules;
pub(super) mod share;
pub(super) mod worker;
