//! The behaviours, by subject.

pub(super) mod care;
pub(super) mod claims;
pub(super) mod outbox;
pub(super) mod outcomes;
